/**
 * Which answers a page may read: the rules of `@nymproject/mix-fetch` 1.4.4, which imitates a browser behind the exit. They
 * protect nothing of the user's here, for no cookie, no certificate and no address of the user's is on the request, and nothing
 * of the user's own network can be reached. They are kept because page code may count on them, and stricter where the official
 * ones looked only at the URL that was asked first: a redirect leads to another site. There is no preflight, as there.
 *
 * `mode: 'unsafe-ignore-cors'` goes without, and so does a program that is no page. @module
 */
import { type BodyFailure, remembering, tellWhy } from '../../client/web/bodyFailure.ts'
import { MixnetError } from '../../foundation/base/errors.ts'

export type MixFetchMode = 'cors' | 'no-cors' | 'same-origin' | 'unsafe-ignore-cors'

export interface CorsRequest {
  readonly mode: MixFetchMode
  readonly credentials: string
  readonly redirect: string
  /** Of the page; undefined where there is none. */
  readonly origin: string | undefined
}

/** The Fetch standard, "CORS-safelisted response-header name". */
const SAFELISTED = [
  'cache-control',
  'content-language',
  'content-length',
  'content-type',
  'expires',
  'last-modified',
  'pragma',
]
/** The Fetch standard, "forbidden response-header name". */
const FORBIDDEN = new Set(['set-cookie', 'set-cookie2'])
const ALLOW_ORIGIN = 'Access-Control-Allow-Origin'
const REDIRECTS = new Set([301, 302, 303, 307, 308])

/** Throws BAD_ARGUMENT for what nobody has heard of. */
export function modeOf(mode: unknown): MixFetchMode {
  if (mode === undefined || mode === null) return 'cors'
  if (mode === 'cors' || mode === 'no-cors' || mode === 'same-origin' || mode === 'unsafe-ignore-cors') return mode
  throw new MixnetError('BAD_ARGUMENT', { argument: 'mode' })
}

/** Before anything is sent. Throws BAD_ARGUMENT. */
export function checkRequest(url: URL, { mode, origin, redirect }: CorsRequest): void {
  if (mode === 'same-origin' && url.origin !== origin) {
    throw new MixnetError('BAD_ARGUMENT', { argument: 'mode', why: "the URL is not of the page's own origin" })
  }
  if (mode === 'no-cors' && redirect !== 'follow') {
    throw new MixnetError('BAD_ARGUMENT', { argument: 'redirect', why: "mode 'no-cors' follows" })
  }
}

/**
 * Whether the site is told which page asks. As there: with whatever is no GET and no HEAD, for services that answer to the origins of
 * their customers only; not where the page says `no-referrer` in a mode that needs none.
 */
export function tellsOrigin(method: string, referrerPolicy: unknown, { mode, origin }: CorsRequest): boolean {
  if (origin === undefined || method === 'GET' || method === 'HEAD') return false
  return mode === 'cors' || referrerPolicy !== 'no-referrer'
}

/** What the page may see of it. Throws CORS_REFUSED; the body is then let go. */
export function admitted(response: Response, request: CorsRequest): Response {
  const { mode, origin, redirect } = request
  if (mode === 'unsafe-ignore-cors') return response
  if (mode === 'no-cors' && new URL(response.url).origin !== origin) return hidden(response, 'opaque')
  if (origin === undefined) return response
  if (redirect === 'manual' && REDIRECTS.has(response.status)) return hidden(response, 'opaqueredirect')
  if (new URL(response.url).origin === origin) return shown(response, 'basic', (name) => !FORBIDDEN.has(name))
  const why = mode === 'same-origin' ? "redirected from the page's own origin" : corsFailure(response, request)
  if (why !== undefined) {
    letGo(response)
    throw new MixnetError('CORS_REFUSED', { why })
  }
  const exposed = exposedBy(response, request)
  return shown(response, 'cors', (name) => !FORBIDDEN.has(name) && (exposed.has('*') || exposed.has(name)))
}

/** The Fetch standard, "CORS check". */
function corsFailure({ headers }: Response, { origin, credentials }: CorsRequest): string | undefined {
  const allowed = headers.get(ALLOW_ORIGIN)
  if (allowed === null) return `${ALLOW_ORIGIN} is missing`
  if (credentials !== 'include') return allowed === '*' || allowed === origin ? undefined : `${ALLOW_ORIGIN} is another`
  if (allowed !== origin) return `${ALLOW_ORIGIN} is another`
  return headers.get('access-control-allow-credentials') === 'true' ? undefined : 'credentials are not allowed'
}

function exposedBy({ headers }: Response, { credentials }: CorsRequest): ReadonlySet<string> {
  const named = (headers.get('access-control-expose-headers') ?? '').split(',').map((name) => name.trim().toLowerCase())
  const isNoWildcard = credentials === 'include'
  return new Set([...SAFELISTED, ...named.filter((name) => name !== '*' || !isNoWildcard)])
}

function shown(response: Response, type: ResponseType, isShown: (name: string) => boolean): Response {
  const headers = new Headers([...response.headers].filter(([name]) => isShown(name)))
  const { status, statusText, url, redirected, body } = response
  const failure: BodyFailure = {}
  const made = new Response(body && remembering(body, failure), { status, statusText, headers })
  return seenAs(made, { type, url, redirected, failure })
}

/** Status 0, no headers, no body. */
function hidden(response: Response, type: ResponseType): Response {
  letGo(response)
  const url = type === 'opaqueredirect' ? response.url : ''
  return seenAs(Response.error(), { type, url, redirected: false, failure: {} })
}

interface Seen {
  readonly type: ResponseType
  readonly url: string
  readonly redirected: boolean
  readonly failure: BodyFailure
}

function seenAs(response: Response, seen: Seen): Response {
  const { clone } = response
  tellWhy(response, seen.failure)
  return Object.defineProperties(response, {
    type: { value: seen.type },
    url: { value: seen.url },
    redirected: { value: seen.redirected },
    clone: { value: () => seenAs(clone.call(response), seen) },
  })
}

type ResponseType = Response['type']

function letGo({ body }: Response): void {
  body?.cancel().catch(() => {})
}
