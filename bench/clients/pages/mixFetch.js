// The official mix-fetch as its users write it. What is measured, and how, is in measure.js for both.
import { createMixFetch, mixFetch } from './index.js'
import { measure } from './measure.js'

measure(async (options) => {
  await createMixFetch(options)
  return (url) => mixFetch(url, { mode: 'unsafe-ignore-cors' })
})
