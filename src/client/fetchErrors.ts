/** What went wrong, out of whatever `fetch` or the reading of a body threw. @module */
import { type ErrorDetails, isMixnetError, MixnetError } from '../foundation/base/errors.ts'
import { badUrl } from './web/httpUrl.ts'

const MAX_CAUSES = 8
const WHAT = 'HTTP response'

// OpenSSL's verification results and Node's own; they carry no address, unlike the messages that come with them.
const TLS =
  /^(?:ERR_TLS_|ERR_SSL_|CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERROR_IN_|HOSTNAME_MISMATCH|INVALID_|PATH_LENGTH_|EPROTO)/
const CLOSED = /^(?:UND_ERR_SOCKET|UND_ERR_DESTROYED|UND_ERR_CLOSED|ECONNRESET|EPIPE|ERR_STREAM_)/
const BAD_RESPONSE = /^(?:UND_ERR_HEADERS_OVERFLOW|UND_ERR_RES_|Z_)/
const BAD_ARGUMENT = /^(?:ERR_INVALID_|UND_ERR_INVALID_ARG|UND_ERR_NOT_SUPPORTED|UND_ERR_REQ_)/

/** The MixnetError among an error's causes, or the one that says the same. */
export function explainFetchError(error: unknown): MixnetError {
  let found: MixnetError | undefined
  for (let cause = error, depth = 0; cause instanceof Error && depth < MAX_CAUSES; cause = cause.cause, depth++) {
    if (isMixnetError(cause)) return cause
    found = translate(cause) ?? found
  }
  return found ?? new MixnetError('INTERNAL', {}, { cause: error })
}

/** Whether the other side closed a connection that was fine before: a request may have met it on its way. */
export function isClosedByPeer(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined
  return cause instanceof Error && CLOSED.test(codeOf(cause))
}

function translate(error: Error): MixnetError | undefined {
  if (error.name === 'AbortError') return new MixnetError('ABORTED')
  if (error.name === 'TimeoutError') return new MixnetError('TIMEOUT', { what: 'request' })
  // Its code is not always there, and it carries what the server sent.
  if (error.name === 'HTTPParserError') return new MixnetError('MALFORMED', { what: WHAT })
  const system = codeOf(error)
  const details: ErrorDetails = { system }
  if (system === '') return translateText(error)
  // undici has one code for all ends of a socket; these are none, but answers to a question that was not asked.
  if (error.message === 'bad upgrade' || error.message === 'bad response')
    return new MixnetError('MALFORMED', { what: WHAT, why: error.message })
  if (BAD_ARGUMENT.test(system)) return badArgument(error, details)
  if (CLOSED.test(system)) return new MixnetError('CONNECTION_CLOSED', details)
  if (BAD_RESPONSE.test(system)) return new MixnetError('MALFORMED', { what: WHAT, why: system })
  if (TLS.test(system)) return new MixnetError('TLS_FAILED', details)
  return undefined
}

/** What undici says without a code. */
function translateText(error: Error): MixnetError | undefined {
  // Of mail servers and the like: the Fetch standard, "port blocking".
  if (error.message === 'bad port')
    return new MixnetError('BAD_ARGUMENT', { argument: 'URL', why: 'a port that fetch must not use' })
  if (/redirect|URL scheme must be/.test(error.message))
    return new MixnetError('MALFORMED', { what: WHAT, why: 'redirect' })
  if (/too many content-encodings/.test(error.message))
    return new MixnetError('MALFORMED', { what: WHAT, why: 'too many content codings' })
  // A "network error" of the standard without a reason: a redirect of a body that is gone, or a proxy's 407 where there is none.
  if (error.message === '' && error.cause === undefined)
    return new MixnetError('MALFORMED', { what: WHAT, why: 'an answer that must not be followed' })
  if (/scheme|not implemented/.test(error.message)) return badUrl('neither http nor https')
  if (error.message === 'integrity mismatch') return new MixnetError('MALFORMED', { what: WHAT, why: error.message })
  if (error instanceof TypeError && error.cause === undefined) return badArgument(error)
  return undefined
}

/** undici's words for an argument of the caller's → what we call it. Not repeated: they quote headers, and messages are for logs. */
const SLIPS: readonly (readonly [RegExp, argument: string, why?: string, nextStep?: string])[] = [
  [/duplex option/, 'duplex', 'missing', "Add duplex: 'half', which a body that is a stream needs."],
  [/GET\/HEAD method/, 'body', 'GET and HEAD have none', "Leave it out, or name another method: { method: 'POST' }."],
  [/header name/, 'headers', 'a name that cannot be one'],
  [/header value/, 'headers', 'a value that cannot be one'],
  [/header|content-length/i, 'headers', 'one that is not the caller’s to set, or contradicts the body'],
  [/method/, 'method'],
  [/one of follow/, 'redirect', 'neither follow, manual nor error'],
  [/only-if-cached/, 'cache'],
  [/one of navigate/, 'mode'],
  [/one of omit/, 'credentials'],
  [/\.body is/, 'body'],
]

/** undici's own words are in the cause. */
function badArgument(error: Error, details: ErrorDetails = {}): MixnetError {
  const [, argument, why, nextStep] = SLIPS.find(([words]) => words.test(error.message)) ?? []
  const next = nextStep ?? (argument === undefined ? 'The cause of this error says which.' : undefined)
  return new MixnetError(
    'BAD_ARGUMENT',
    { ...(argument === undefined ? {} : { argument }), ...(why === undefined ? {} : { why }), ...details },
    { cause: error, ...(next === undefined ? {} : { nextStep: next }) },
  )
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : ''
}
