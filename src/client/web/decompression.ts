/** Undoing a response's content codings with what the runtime has. @module */
import { malformed } from '../../foundation/base/errors.ts'

type Format = ConstructorParameters<typeof DecompressionStream>[0]

/** As undici asks by default over plain http. Node and Deno could undo more; asking for it would say which runtime this is. */
export const ACCEPT_ENCODING: string = typeof DecompressionStream === 'undefined' ? '' : 'gzip, deflate'
/** Nobody compresses three times; each layer multiplies what a small answer can become. */
const MAX_CODINGS = 2
/** Deflate makes up to 1,032 bytes of one, and a chunk's are held at once: 2 MiB. */
const FED_BYTES = 2048

/**
 * The body as it was before `codings`, in the order they were applied. Unknown ones are left to the caller, as everywhere.
 * Reading throws MALFORMED where it is not what its coding says, or cut off.
 */
export function decompressed(body: ReadableStream<Uint8Array>, codings: readonly string[]): ReadableStream<Uint8Array> {
  const known = codings.map((coding) => coding.toLowerCase()).filter((coding) => coding !== 'identity' && coding !== '')
  if (ACCEPT_ENCODING === '' || !known.every(isKnown)) return body
  if (known.length > MAX_CODINGS) throw malformed('HTTP response', 'too many content codings')
  return known.reduceRight(undo, body)
}

function isKnown(coding: string): boolean {
  return coding === 'gzip' || coding === 'x-gzip' || coding === 'deflate' || (coding === 'br' && BROTLI !== undefined)
}

/** Newer than the others. Nobody asks for it but a caller by a header of his own, or gets it from a server that does not listen. */
const BROTLI: Format | undefined = brotli()

function brotli(): Format | undefined {
  const format = 'brotli' as Format
  try {
    return new DecompressionStream(format) && format
  } catch {
    return undefined
  }
}

function undo(body: ReadableStream<Uint8Array>, coding: string): ReadableStream<Uint8Array> {
  const source = new Source(body)
  let output: ReadableStreamDefaultReader<Uint8Array> | undefined

  /** Writes go as far as the reader reads: the decompressor's own queues hold one piece. */
  async function feed(first: Uint8Array, writer: WritableStreamDefaultWriter<Uint8Array>): Promise<void> {
    try {
      for (let chunk: Uint8Array | undefined = first; chunk !== undefined; chunk = await source.read()) {
        for (let at = 0; at < chunk.length; at += FED_BYTES) await writer.write(chunk.subarray(at, at + FED_BYTES))
      }
      await writer.close()
    } catch (error) {
      // The reader of the output learns of it there.
      await Promise.all([source.cancel(error), writer.abort(error).catch(nothing)])
    }
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          if (output === undefined) {
            const first = await source.read()
            // An empty body may come under any coding.
            if (first === undefined) return controller.close()
            const stream = new DecompressionStream(formatOf(coding, first))
            output = (stream.readable as ReadableStream<Uint8Array>).getReader()
            void feed(first, stream.writable.getWriter() as WritableStreamDefaultWriter<Uint8Array>)
          }
          const { done, value } = await output.read()
          if (done) controller.close()
          else controller.enqueue(value)
        } catch {
          if (source.failure !== undefined) throw source.failure.reason
          throw malformed('HTTP response', 'its compression is broken')
        }
      },
      async cancel(reason) {
        await Promise.all([source.cancel(reason), output?.cancel(reason).catch(nothing)])
      },
    },
    { highWaterMark: 0 },
  )
}

/** What failed on the way here is told apart from what the decompressor makes of it. */
class Source {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  failure: { readonly reason: unknown } | undefined

  constructor(body: ReadableStream<Uint8Array>) {
    this.#reader = body.getReader()
  }

  /** Never empty; undefined at the end. */
  async read(): Promise<Uint8Array | undefined> {
    try {
      for (;;) {
        const { done, value } = await this.#reader.read()
        if (done || value.length > 0) return value
      }
    } catch (reason) {
      this.failure = { reason }
      throw reason
    }
  }

  cancel(reason: unknown): Promise<void> {
    return this.#reader.cancel(reason).catch(nothing)
  }
}

/** "deflate" is zlib's format (RFC 9110 8.4.1.2); some servers send what is inside of it. Only zlib begins with an 8. */
function formatOf(coding: string, first: Uint8Array): Format {
  if (coding === 'br') return BROTLI as Format
  if (coding !== 'deflate') return 'gzip'
  return ((first[0] as number) & 0x0f) === 8 ? 'deflate' : 'deflate-raw'
}

function nothing(): void {}
