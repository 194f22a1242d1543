import { answer, operations } from './client.js'
import { connect, isMixnetError } from './starling.js'

const all = operations({ connect, isMixnetError })
self.onmessage = (event) => answer(all, event)
