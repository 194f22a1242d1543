/** What only a stream driven by hand shows: a way up that is slow. The rest: webSocket.test.ts. @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../foundation/base/bytes.ts'
import { seconds } from '../../foundation/base/units.ts'
import { HandClock, turn } from '../../foundation/platform/handClock.ts'
import { nodeRandom } from '../../foundation/platform/node/nodeRandom.ts'
import { RequestLog } from '../requestLog.ts'
import { until } from '../streamSupport.test.ts'
import type { ByteStream, ByteStreamHandlers } from './byteStream.ts'
import { type ConnectionEnd, WebSocketConnection } from './webSocketConnection.ts'
import { closePayload } from './webSocketFrames.ts'
import { acceptOf } from './webSocketHandshake.ts'

const NONCE = new Uint8Array(16)
const [PING, CLOSE] = [0x89, 0x88]

/** Open, over a stream that takes what is written when `take` is called, and says of each frame how it begins. */
async function opened() {
  const clock = new HandClock()
  const waiting: { readonly first: number; readonly take: () => void }[] = []
  const taken: number[] = []
  let handlers: ByteStreamHandlers | undefined
  let end: ConnectionEnd | undefined
  let open = false
  const stream: ByteStream = {
    attach: (given) => {
      handlers = given
    },
    write: (data) => new Promise((take) => waiting.push({ first: data[0] as number, take })),
    end() {},
    destroy() {},
    pause() {},
    resume() {},
  }
  const connection = new WebSocketConnection(
    {
      clock,
      random: nodeRandom.stream('websocket'),
      timeline: new RequestLog(() => clock.monotonic(), undefined).begin(),
      open: () => ({ ready: Promise.resolve(stream), abandon() {} }),
      head: utf8('GET'),
      nonce: NONCE,
      protocols: [],
      timeout: seconds(30),
      maxMessageBytes: 1000,
    },
    {
      opened: () => {
        open = true
      },
      message() {},
      closing() {},
      closed: (given) => {
        end = given
      },
    },
  )
  await until('it asks', () => handlers !== undefined)
  const head = `HTTP/1.1 101 X\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${await acceptOf(NONCE)}\r\n\r\n`
  handlers?.data(utf8(head))
  assert.ok(open)
  const takeAll = async () => {
    for (const { first, take } of waiting.splice(0)) {
      taken.push(first)
      take()
    }
    await turn()
  }
  await takeAll()
  taken.length = 0
  const hear = (...bytes: number[]) => handlers?.data(Uint8Array.from(bytes))
  return { clock, connection, taken, takeAll, hear, end: () => end }
}

test('what was sent before the close has all the time that it needs; the server has ten seconds from then', async () => {
  const { clock, connection, taken, takeAll, end } = await opened()
  const sending = connection.send('text', utf8('long'))
  connection.close(closePayload(1000, new Uint8Array(0)), sending)
  await clock.advanceSettling(seconds(50))
  assert.equal(end(), undefined)
  await takeAll()
  await takeAll()
  assert.deepEqual(taken, [0x81, CLOSE])
  await clock.advanceSettling(seconds(9.9))
  assert.equal(end(), undefined)
  await clock.advanceSettling(seconds(0.1))
  assert.equal(end()?.error?.code, 'TIMEOUT')
})

test('nobody is silent who was not asked yet: a question waits behind what is being sent', async () => {
  const { clock, taken, takeAll, hear, end } = await opened()
  await clock.advanceSettling(seconds(600))
  assert.equal(end(), undefined)
  await takeAll()
  assert.deepEqual(taken, [PING])
  await clock.advanceSettling(seconds(119))
  assert.equal(end(), undefined)
  hear(0x8a, 0)
  await clock.advanceSettling(seconds(179))
  assert.equal(end(), undefined)
  await takeAll()
  await clock.advanceSettling(seconds(240))
  assert.equal(end()?.error?.code, 'TIMEOUT')
})
