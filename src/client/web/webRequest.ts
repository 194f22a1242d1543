/** What a caller of `fetch` gave, read once and checked. @module */
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { normalizeMethod } from './http1Request.ts'
import { badUrl, httpUrl } from './httpUrl.ts'
import type { Hop } from './redirects.ts'
import { bodyOfRequest, requestBody } from './requestBody.ts'
import type { RequestLimits } from './requestLimits.ts'

export interface WebRequest {
  readonly hop: Hop
  readonly redirect: 'follow' | 'error' | 'manual'
}

/** Throws BAD_ARGUMENT. */
export async function webRequest(
  input: string | URL | Request,
  init: RequestInit,
  limits: Pick<RequestLimits, 'onStop'>,
): Promise<WebRequest> {
  let argument = 'URL'
  try {
    const request = isRequest(input) ? input : undefined
    // What `new URL` throws carries the URL into whoever logs its causes.
    const parsed = URL.parse(isRequest(input) ? input.url : input)
    if (parsed === null) throw badUrl('none')
    const url = httpUrl(parsed)
    argument = 'method'
    const method = normalizeMethod(init.method ?? request?.method ?? 'GET')
    argument = 'headers'
    const headers = new Headers(init.headers ?? request?.headers)
    argument = 'body'
    const given = init.body ?? undefined
    const body =
      given === undefined && request !== undefined
        ? await bodyOfRequest(request, (stop) => limits.onStop(stop))
        : await ownBody(given)
    if (body !== undefined && (method === 'GET' || method === 'HEAD')) {
      throw new MixnetError('BAD_ARGUMENT', { argument: 'body', why: `${method} has none` })
    }
    if (body?.type !== undefined && !headers.has('content-type')) headers.set('content-type', body.type)
    // Ignoring it would promise a check that nobody makes.
    if ((init.integrity ?? request?.integrity ?? '') !== '') {
      throw new MixnetError('BAD_ARGUMENT', { argument: 'integrity', why: 'not supported' })
    }
    const redirect = init.redirect ?? request?.redirect ?? 'follow'
    if (redirect !== 'follow' && redirect !== 'error' && redirect !== 'manual') {
      throw new MixnetError('BAD_ARGUMENT', { argument: 'redirect' })
    }
    return { hop: { method, url, headers, spelling: spellingOf(init.headers), body }, redirect }
  } catch (error) {
    if (isMixnetError(error)) throw error
    // What the runtime's own classes say of an argument may quote it, and messages are for logs.
    throw argument === 'URL' ? badUrl('none', error) : new MixnetError('BAD_ARGUMENT', { argument }, { cause: error })
  }
}

export function signalsOf(input: string | URL | Request, init: RequestInit): readonly AbortSignal[] {
  // As in the standard: a signal in `init` takes the place of the request's, null removes it.
  const signal = init.signal === undefined && isRequest(input) ? input.signal : init.signal
  return signal === undefined || signal === null ? [] : [signal]
}

function spellingOf(headers: RequestInit['headers']): readonly string[] {
  if (headers === undefined || headers instanceof Headers) return []
  return Array.isArray(headers) ? headers.map(([name]) => String(name)) : Object.keys(headers)
}

function ownBody(body: unknown): Promise<Hop['body']> {
  return body === undefined ? Promise.resolve(undefined) : requestBody(body)
}

function isRequest(input: string | URL | Request): input is Request {
  return typeof input === 'object' && !(input instanceof URL)
}
