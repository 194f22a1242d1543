/**
 * An application that was written for undici, and the one line that sends it through the mixnet.
 *
 *     npx node -C starling-source examples/undici/app.ts
 *
 * @module
 */
import { connect } from 'starling-mixnet'
import { request, setGlobalDispatcher } from 'undici'

await using mixnet = await connect({ directory: process.env.DIRECTORY ?? 'http://127.0.0.1:8080/api' })
setGlobalDispatcher(mixnet.dispatcher) // The one line.

const { statusCode, body } = await request('http://demo.starling/upload', { method: 'POST', body: 'a photograph' })
console.log(statusCode, await body.json())

// Node's own fetch uses the same dispatcher.
console.log((await (await fetch('http://demo.starling/')).text()).split('\n')[0])
