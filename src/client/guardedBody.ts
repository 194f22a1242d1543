/**
 * A stream that a caller gave as a body, between it and undici, which goes on reading one whose request is over, without a pause and
 * without an end: a stream that is never done would then stop the whole process. And it does not mind what is no bytes. @module
 */
import { MixnetError } from '../foundation/base/errors.ts'
import { bodyFailed } from './web/requestBody.ts'

/** The same bytes, until `over` fires: then `body` is cancelled. Fails with BAD_ARGUMENT where `body` fails or is not of bytes. */
export function guardedBody(body: ReadableStream<unknown>, over: AbortSignal): ReadableStream<Uint8Array> {
  if (body.locked) throw new MixnetError('BAD_ARGUMENT', { argument: 'body', why: 'somebody else reads it' })
  const reader = body.getReader()
  let stop: (() => void) | undefined
  const release = (): void => {
    if (stop !== undefined) over.removeEventListener('abort', stop)
  }
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        stop = () => {
          release()
          reader.cancel(over.reason).catch(() => {})
          controller.error(over.reason)
        }
        over.addEventListener('abort', stop)
        if (over.aborted) stop()
      },
      async pull(controller) {
        const { done, value } = await reader.read().catch((cause: unknown) => {
          release()
          throw bodyFailed(cause)
        })
        if (over.aborted) return
        if (value instanceof Uint8Array) return controller.enqueue(value)
        release()
        if (done) return controller.close()
        const wrong = new MixnetError('BAD_ARGUMENT', { argument: 'body', why: 'not bytes' })
        reader.cancel(wrong).catch(() => {})
        throw wrong
      },
      cancel(reason) {
        release()
        return reader.cancel(reason)
      },
    },
    { highWaterMark: 0 },
  )
}
