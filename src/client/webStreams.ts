/** One connection through an exit as Web Streams, with back-pressure both ways. @module */
import { isMixnetError, MixnetError } from '../foundation/base/errors.ts'
import type { ExitStream } from './exitStream.ts'

export interface MixnetSocket extends AsyncDisposable {
  /** What the destination sends. Cancelled, the connection ends. */
  readonly readable: ReadableStream<Uint8Array>
  /** To the destination. Closing it is a half-close: the destination may go on sending. Aborted, the connection ends. */
  readonly writable: WritableStream<Uint8Array>
  /** Resolves when the connection is over, with what ended it where that was no peaceful end. Never rejects. */
  readonly closed: Promise<MixnetError | undefined>
  /** Ends it at once. */
  close(): void
}

/** What the reader may be behind before the stream is paused. */
const HIGH_WATER_BYTES = 65_536

/** Takes the stream over. */
export function socketOf(stream: ExitStream): MixnetSocket {
  const over = Promise.withResolvers<MixnetError | undefined>()
  let reading: ReadableStreamDefaultController<Uint8Array> | undefined
  let writing: WritableStreamDefaultController | undefined
  let ended = false
  const readable = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        reading = controller
      },
      pull() {
        stream.resume()
      },
      cancel() {
        ended = true
        stream.destroy()
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: HIGH_WATER_BYTES }),
  )
  const writable = new WritableStream<Uint8Array>({
    start(controller) {
      writing = controller
    },
    write: (chunk) => stream.write(chunk),
    close: () => stream.end(),
    abort(reason) {
      stream.destroy(isMixnetError(reason) ? reason : undefined)
    },
  })
  stream.attach({
    data(chunk) {
      reading?.enqueue(chunk)
      if ((reading?.desiredSize ?? 0) <= 0) stream.pause()
    },
    end() {
      ended = true
      reading?.close()
    },
    close(error) {
      const why = error ?? new MixnetError('CONNECTION_CLOSED')
      if (!ended) reading?.error(why)
      // Does nothing where it was closed in peace.
      writing?.error(why)
      over.resolve(error)
    },
  })
  return {
    readable,
    writable,
    closed: over.promise,
    close: () => stream.destroy(),
    async [Symbol.asyncDispose]() {
      stream.destroy()
      await over.promise
    },
  }
}
