// Our client as its users write it. What is measured, and how, is in measure.js for both.
import { measure } from './measure.js'
import { connect } from './starling.js'

measure(async (options) => {
  const mixnet = await connect(options)
  return (url) => mixnet.fetch(url)
})
