import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { it } from 'node:test'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { concat } from '../../base/bytes.ts'
import { GrowingBytes } from './growingBytes.ts'

it('holds what was pushed, in at most twice the room, and never more than its limit', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 9000 })), fc.nat(40_000), (pieces, limit) => {
      const growing = new GrowingBytes(limit)
      const taken = pieces.filter((piece) => growing.push(piece))
      const expected = concat(...taken)
      assert.deepEqual(growing.finish(), expected)
      assert.ok(growing.capacity <= Math.min(limit, Math.max(2 * expected.length, 4096)))
      assert.equal(growing.push(new Uint8Array(limit - expected.length + 1)), false)
      assert.deepEqual(growing.finish(), expected)
    }),
  )
})

const PIECES = 1_000_000
const PIECES_A_WRITE = 10_000

/** Answers one request with a body of one-byte chunks, no faster than they are taken. */
async function answer(socket: Socket): Promise<void> {
  socket.on('error', () => {})
  await once(socket, 'data')
  socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n')
  const batch = '1\r\nx\r\n'.repeat(PIECES_A_WRITE)
  for (let sent = 0; sent < PIECES && !socket.destroyed; sent += PIECES_A_WRITE) {
    if (!socket.write(batch)) await Promise.race([once(socket, 'drain'), once(socket, 'close')])
  }
  socket.end('0\r\n\r\n')
}

// A million pieces kept one by one take well over 100 MB; the reader has 48 for all it does, and dies with less.
it('a body in one-byte pieces costs its reader its bytes', { timeout: 60_000 }, async () => {
  const server = createServer((socket) => void answer(socket)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const reader = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads')
     import(workerData.module)
       .then(({ requestHttp }) => requestHttp({ url: workerData.url, timeout: 50000, maxBodyBytes: ${PIECES} }))
       .then(({ body }) => parentPort.postMessage(body.length))`,
    {
      eval: true,
      resourceLimits: { maxOldGenerationSizeMb: 48 },
      workerData: {
        url: `http://127.0.0.1:${port}/`,
        module: new URL('./nodeHttpClient.ts', import.meta.url).href,
      },
    },
  )
  try {
    const [length] = await once(reader, 'message')
    assert.equal(length, PIECES)
  } finally {
    await reader.terminate()
    server.close()
  }
})
