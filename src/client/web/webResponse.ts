/** An answer as the runtime's own `Response`. @module */

import { type BodyFailure, remembering, tellWhy } from './bodyFailure.ts'
import { decompressed } from './decompression.ts'
import type { HttpAnswer } from './http1Connection.ts'
import { type HeaderField, listOf } from './http1Head.ts'
import { targetOf } from './http1Request.ts'
import type { Hop } from './redirects.ts'

interface Shown {
  readonly url: string
  readonly redirected: boolean
  readonly failure: BodyFailure
}

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
  tellWhy(response, shown.failure)
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
