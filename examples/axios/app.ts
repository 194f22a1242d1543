/**
 * An application that was written for axios, and the one line that sends it through the mixnet.
 *
 *     npx node -C starling-source examples/axios/app.ts
 *
 * @module
 */
import axios from 'axios'
import { connect, isMixnetError } from 'starling-mixnet'

await using mixnet = await connect({ directory: process.env.DIRECTORY ?? 'http://127.0.0.1:8080/api' })
const api = axios.create({ httpAgent: mixnet.agent.http, httpsAgent: mixnet.agent.https, proxy: false }) // The one line.

const { status, data } = await api.post('http://demo.starling/upload', 'a photograph')
console.log(status, data)

try {
  await api.get('http://nowhere.invalid/')
} catch (error) {
  const cause = (error as Error).cause
  if (!isMixnetError(cause)) throw error
  console.log(cause.code, cause.nextStep)
}
