/** What a caller may give as a body, as bytes to send. @module */
import { MixnetError } from '../../foundation/base/errors.ts'

export interface RequestBody {
  /** Bytes; 'unknown' where only the end will tell. */
  readonly length: number | 'unknown'
  /** For the request's headers, where the caller names none. */
  readonly type: string | undefined
  /** Whether `open` may be called again: a redirect sends the body anew. */
  readonly repeatable: boolean
  readonly open: () => ReadableStream<Uint8Array>
}

type Given = Exclude<NonNullable<ConstructorParameters<typeof Response>[0]>, string>

/** A Request does not say how long its body is, and some servers take no chunks: what is shorter than this is measured first. */
const MEASURED_BYTES = 1024 * 1024

/** What a stream of the caller's failed with stays its own: it may say anything, and messages are for logs. */
export function bodyFailed(cause: unknown): MixnetError {
  const nextStep = 'What its stream failed with is the cause of this error.'
  return new MixnetError('BAD_ARGUMENT', { argument: 'body', why: 'its stream failed' }, { cause, nextStep })
}

/** Throws BAD_ARGUMENT. */
export async function requestBody(body: unknown): Promise<RequestBody> {
  if (body instanceof ReadableStream) return streamed(body as ReadableStream<Uint8Array>)
  if (isIterable(body)) return streamed(streamOf(body))
  if (body instanceof Blob) {
    return {
      length: body.size,
      type: body.type === '' ? undefined : body.type,
      repeatable: true,
      open: () => body.stream() as ReadableStream<Uint8Array>,
    }
  }
  // What the runtime makes of it, form boundaries included, is what its own fetch would send.
  const made = new Response(body as Given)
  const bytes = new Uint8Array(await made.arrayBuffer())
  return { ...ofBytes([bytes]), type: made.headers.get('content-type') ?? undefined }
}

/** As Node and Deno take it for a body. A `Response` would read it to the end, and browsers' would make it "[object Object]". */
export function isIterable(body: unknown): body is AsyncIterable<unknown> {
  return typeof body === 'object' && body !== null && Symbol.asyncIterator in body
}

/** What it yields, when somebody reads, until the reader cancels: then it is told. */
export function streamOf(body: AsyncIterable<unknown>): ReadableStream<Uint8Array> {
  const iterator = body[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await iterator.next()
        if (done === true) controller.close()
        else controller.enqueue(value as Uint8Array)
      },
      async cancel(reason) {
        await iterator.return?.(reason)
      },
    },
    { highWaterMark: 0 },
  )
}

/** `onStop`, as of `RequestLimits`: nobody else can tell the stream that is being measured. Throws BAD_ARGUMENT where it was read before. */
export async function bodyOfRequest(
  request: Request,
  onStop: (stop: (reason: unknown) => void) => void,
): Promise<RequestBody | undefined> {
  if (request.bodyUsed) throw new MixnetError('BAD_ARGUMENT', { argument: 'Request', why: 'its body was read before' })
  if (request.method === 'GET' || request.method === 'HEAD' || request.body === null) return undefined
  // Firefox has no `body` on a Request.
  if (request.body === undefined) {
    const bytes = new Uint8Array(await request.arrayBuffer())
    return bytes.length === 0 ? undefined : ofBytes([bytes])
  }
  return await measured(request.body as ReadableStream<Uint8Array>, onStop)
}

async function measured(
  body: ReadableStream<Uint8Array>,
  onStop: (stop: (reason: unknown) => void) => void,
): Promise<RequestBody> {
  const reader = body.getReader()
  onStop((reason) => void reader.cancel(reason).catch(() => {}))
  const begun: Uint8Array[] = []
  for (let length = 0; length < MEASURED_BYTES; ) {
    const { done, value } = await reader.read()
    if (done) return ofBytes(begun)
    begun.push(value)
    length += value.length
  }
  const whole = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const first = begun.shift()
      if (first !== undefined) return controller.enqueue(first)
      const { done, value } = await reader.read()
      if (done) controller.close()
      else controller.enqueue(value)
    },
    cancel: (reason) => reader.cancel(reason),
  })
  return streamed(whole)
}

function streamed(body: ReadableStream<Uint8Array>): RequestBody {
  if (body.locked) throw new MixnetError('BAD_ARGUMENT', { argument: 'body', why: 'somebody else reads it' })
  return { length: 'unknown', type: undefined, repeatable: false, open: () => body }
}

function ofBytes(chunks: readonly Uint8Array[]): RequestBody {
  const open = () =>
    new ReadableStream<Uint8Array>({
      start(controller) {
        for (const chunk of chunks) if (chunk.length > 0) controller.enqueue(chunk)
        controller.close()
      },
    })
  return { length: chunks.reduce((sum, { length }) => sum + length, 0), type: undefined, repeatable: true, open }
}
