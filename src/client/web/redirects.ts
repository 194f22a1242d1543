/** Redirects as the Fetch standard follows them ("HTTP-redirect fetch"), and what of a request goes along. @module */
import { MixnetError, malformed } from '../../foundation/base/errors.ts'
import { httpUrl } from './httpUrl.ts'
import type { RequestBody } from './requestBody.ts'

export interface Hop {
  readonly method: string
  readonly url: URL
  readonly headers: Headers
  /** See `RequestHead`. */
  readonly spelling: readonly string[]
  readonly body: RequestBody | undefined
}

export const MAX_REDIRECTS = 20

const REDIRECTS = new Set([301, 302, 303, 307, 308])
const BODY_HEADERS = ['content-encoding', 'content-language', 'content-location', 'content-type', 'content-length']
/** What a caller gave to one server is not for another. The standard says the first; browsers have the others in no request at all. */
const CREDENTIALS = ['authorization', 'proxy-authorization', 'cookie']

export function isRedirect(status: number, location: string | null): location is string {
  return location !== null && REDIRECTS.has(status)
}

/** The next request. Throws MALFORMED where the server asks for what must not be followed. */
export function redirected(hop: Hop, status: number, location: string): Hop {
  const url = targetOf(hop.url, location)
  const headers = new Headers(hop.headers)
  const toGet =
    ((status === 301 || status === 302) && hop.method === 'POST') ||
    (status === 303 && hop.method !== 'GET' && hop.method !== 'HEAD')
  if (!toGet && hop.body?.repeatable === false) throw malformed('HTTP response', 'redirect of a body that is gone')
  if (toGet) for (const name of BODY_HEADERS) headers.delete(name)
  if (url.origin !== hop.url.origin) for (const name of CREDENTIALS) headers.delete(name)
  return { ...hop, method: toGet ? 'GET' : hop.method, url, headers, body: toGet ? undefined : hop.body }
}

function targetOf(from: URL, location: string): URL {
  // Header values are bytes; servers write UTF-8. `parse`: what `new URL` throws carries both URLs into whoever logs its causes.
  const url = URL.parse(utf8Of(location), from)
  if (url === null) throw malformed('HTTP response', 'redirect')
  try {
    return httpUrl(url)
  } catch (error) {
    throw new MixnetError('MALFORMED', { what: 'HTTP response', why: 'redirect' }, { cause: error })
  }
}

function utf8Of(value: string): string {
  const bytes = Uint8Array.from(value, (unit) => unit.charCodeAt(0))
  return new TextDecoder().decode(bytes)
}
