/** HTTP requests through the runtime's own fetch: nothing of the page goes along, no redirects, one deadline, a bounded body. @module */
import { isMixnetError, MixnetError } from '../../base/errors.ts'
import { startDeadline } from '../deadline.ts'
import { GrowingBytes } from '../growingBytes.ts'
import type { HttpRequest, HttpResponse } from '../net.ts'

export async function requestHttp(request: HttpRequest): Promise<HttpResponse> {
  const { url, method = 'GET', headers = {}, body, timeout, maxBodyBytes, signal } = request
  if (signal?.aborted) throw new MixnetError('ABORTED')
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) throw new MixnetError('BAD_ARGUMENT', { argument: 'url' })
  const stop = new AbortController()
  const stopDeadline = startDeadline({ what: 'HTTP request', timeout, signal }, (why) => stop.abort(why))
  try {
    const response = await fetch(url, {
      method,
      headers: { ...headers },
      signal: stop.signal,
      // Neither cookies nor the page's address: a directory must not learn which site embeds the client.
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
      cache: 'no-store',
      // A redirect is an answer like any other here, and no directory needs one: the browser says no more than that it was one.
      redirect: 'manual',
      ...(body === undefined ? {} : { body }),
    })
    return {
      status: response.status,
      contentType: response.headers.get('content-type') ?? '',
      body: await readBody(response, maxBodyBytes, stop),
    }
  } catch (error) {
    if (stop.signal.aborted) throw stop.signal.reason
    if (isMixnetError(error)) throw error
    // Browsers do not tell a refused connection from an unknown host, a missing CORS header or a bad certificate.
    throw new MixnetError('CONNECTION_REFUSED', { what: 'HTTP request' }, { cause: error })
  } finally {
    stopDeadline()
  }
}

async function readBody(response: Response, maxBodyBytes: number, stop: AbortController): Promise<Uint8Array> {
  const reader = response.body?.getReader()
  if (reader === undefined) return new Uint8Array(0)
  const received = new GrowingBytes(maxBodyBytes)
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return received.finish()
    if (!received.push(value)) {
      const why = new MixnetError('MESSAGE_TOO_LONG', { what: 'response body', maxBodyBytes })
      stop.abort(why)
      throw why
    }
  }
}
