// Our client as its users write it. What is measured, and how, is in measure.js for both.

import { connect } from 'starling-mixnet'
import { measure } from './measure.js'

measure(async (options) => {
  const mixnet = await connect(options)
  return (url) => mixnet.fetch(url)
})
