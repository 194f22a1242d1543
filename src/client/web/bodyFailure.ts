/**
 * Why a body failed, told to whoever reads it by the readers of a `Response`: Chromium's say "Failed to fetch" of every stream that a
 * script has made. @module
 */

/** What the body ended with. */
export interface BodyFailure {
  given?: { readonly reason: unknown }
}

const READERS = ['arrayBuffer', 'blob', 'bytes', 'formData', 'json', 'text'] as const

/** The same bytes; what `body` fails with is kept in `failure`. */
export function remembering(body: ReadableStream<Uint8Array>, failure: BodyFailure): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await reader.read().catch((reason: unknown) => {
          failure.given = { reason }
          throw reason
        })
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}

/** Its readers reject with what is in `failure` by then. */
export function tellWhy(response: Response, failure: BodyFailure): void {
  for (const name of READERS) {
    const read = (response as Partial<Record<typeof name, () => Promise<unknown>>>)[name]
    if (read === undefined) continue
    const value = () =>
      read.call(response).catch((error: unknown) => {
        throw failure.given === undefined ? error : failure.given.reason
      })
    Object.defineProperty(response, name, { value })
  }
}
