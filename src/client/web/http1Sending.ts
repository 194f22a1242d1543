/** Sending one request: its head and its body, as fast as the connection takes them. @module */
import { concat } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import type { ByteStream } from './byteStream.ts'
import { chunkOf, LAST_CHUNK } from './http1Request.ts'
import { bodyFailed, type RequestBody } from './requestBody.ts'

interface Sending {
  /** Rejects with what failed: the connection, or the body. */
  readonly done: Promise<void>
  /** The rest of the body is not wanted. */
  readonly stop: (reason: unknown) => void
}

/** Written at once; what a body holds beyond it waits in the body. */
const MAX_WRITE_BYTES = 64 * 1024

export function sendRequest(
  stream: Pick<ByteStream, 'write'>,
  { head, body }: { readonly head: Uint8Array; readonly body: RequestBody | undefined },
): Sending {
  if (body === undefined) return { done: stream.write(head), stop: () => {} }
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  let stopped = false

  async function send({ length, open }: RequestBody): Promise<void> {
    reader = open().getReader()
    // A measured body is at hand and travels with its head, in as few packets as hold them; another may be long in coming.
    let waiting = length === 'unknown' ? [] : [head]
    if (length === 'unknown') await stream.write(head)
    let sent = 0
    for (;;) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        throw bodyFailed(cause)
      })
      if (stopped) return
      if (done) break
      for (const piece of pieces(value)) {
        sent += piece.length
        if (length !== 'unknown' && sent > length) throw wrongLength()
        await stream.write(concat(...waiting, ...(length === 'unknown' ? chunkOf(piece) : [piece])))
        waiting = []
      }
    }
    if (length === 'unknown') await stream.write(LAST_CHUNK)
    else if (sent !== length) throw wrongLength()
    else if (waiting.length > 0) await stream.write(head)
  }

  const stop = (reason: unknown): void => {
    if (stopped) return
    stopped = true
    reader?.cancel(reason).catch(() => {})
  }
  const done = send(body).catch((error: unknown) => {
    stop(error)
    throw error
  })
  return { done, stop }
}

function* pieces(value: unknown): Generator<Uint8Array> {
  if (!(value instanceof Uint8Array)) throw new MixnetError('BAD_ARGUMENT', { argument: 'body', why: 'not bytes' })
  for (let at = 0; at < value.length; at += MAX_WRITE_BYTES) yield value.subarray(at, at + MAX_WRITE_BYTES)
}

function wrongLength(): MixnetError {
  return new MixnetError('BAD_ARGUMENT', { argument: 'body', why: 'its length changed while it was sent' })
}
