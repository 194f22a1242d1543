/** An answer as the runtime's own `Response`. @module */

import { decompressed } from './decompression.ts'
import type { HttpAnswer } from './http1Connection.ts'
import { type HeaderField, listOf } from './http1Head.ts'
import { targetOf } from './http1Request.ts'
import type { Hop } from './redirects.ts'

interface Shown {
  readonly url: string
  readonly redirected: boolean
  readonly failure: Failure
}

/** What the body ended with. */
interface Failure {
  given?: { readonly reason: unknown }
}

const READERS = ['arrayBuffer', 'blob', 'bytes', 'formData', 'json', 'text'] as const

/** The Fetch standard, "null body status", without 1xx. */
const WITHOUT_BODY = new Set([204, 205, 304])

export function headersOf(fields: readonly HeaderField[]): Headers {
  const headers = new Headers()
  for (const { name, value } of fields) headers.append(name, value)
  return headers
}

/** Throws MALFORMED where the codings of the body cannot be meant. */
export function webResponse({ head, body }: HttpAnswer, { method, url }: Hop, redirected: boolean): Response {
  const headers = headersOf(head.fields)
  const shown = { url: `${url.origin}${targetOf(url)}`, redirected, failure: {} }
  if (WITHOUT_BODY.has(head.status) || method === 'HEAD') {
    // 205 may have been sent with one all the same.
    body?.cancel().catch(() => {})
    return shownAs(new Response(null, { status: head.status, statusText: head.reason, headers }), headers, shown)
  }
  const decoded = body === undefined ? empty() : decompressed(body, listOf(head.fields, 'content-encoding'))
  return shownAs(
    new Response(remembering(decoded, shown.failure), { status: head.status, statusText: head.reason, headers }),
    headers,
    shown,
  )
}

/**
 * A `Response` made by a script has no URL, was never redirected, and in browsers has lost its cookies: what servers set is for
 * whoever asked through the mixnet, and the browser's jar never sees it. Its clones are the same.
 */
function shownAs(response: Response, headers: Headers, shown: Shown): Response {
  const { clone } = response
  for (const name of READERS) {
    const read = (response as Partial<Record<typeof name, () => Promise<unknown>>>)[name]
    if (read === undefined) continue
    const value = () =>
      read.call(response).catch((error: unknown) => {
        throw shown.failure.given === undefined ? error : shown.failure.given.reason
      })
    Object.defineProperty(response, name, { value })
  }
  return Object.defineProperties(response, {
    url: { value: shown.url },
    redirected: { value: shown.redirected },
    type: { value: 'basic' },
    headers: { value: headers },
    clone: { value: () => shownAs(clone.call(response), new Headers(headers), shown) },
  })
}

function empty(): ReadableStream<Uint8Array> {
  return new ReadableStream({ start: (controller) => controller.close() })
}

/** Chromium's own readers say "Failed to fetch" of every stream that fails; whoever reads through them is told what it was. */
function remembering(body: ReadableStream<Uint8Array>, failure: Failure): ReadableStream<Uint8Array> {
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
