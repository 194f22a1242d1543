/** HTTP requests through undici: no redirects, one deadline for everything, a bounded body. @module */
import { Agent, request as undiciRequest } from 'undici'
import { MixnetError } from '../../base/errors.ts'
import type { HttpRequest, HttpResponse } from '../net.ts'
import { startDeadline } from './deadline.ts'
import { GrowingBytes } from './growingBytes.ts'
import { socketError } from './systemErrors.ts'

const agent = new Agent({
  // One protocol less to attack; a directory answers the same over both.
  allowH2: false,
  // No connection is used twice: one that its server has just closed would fail a request that a new one serves.
  pipelining: 0,
  // Undici's timeouts start anew with every byte; ours does not.
  headersTimeout: 0,
  bodyTimeout: 0,
  connections: 16,
  maxHeaderSize: 16_384,
})

export async function requestHttp(request: HttpRequest): Promise<HttpResponse> {
  const { url, method = 'GET', headers = {}, body, timeout, maxBodyBytes, signal } = request
  if (signal?.aborted) throw new MixnetError('ABORTED')
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) throw new MixnetError('BAD_ARGUMENT', { argument: 'url' })
  const stop = new AbortController()
  const stopDeadline = startDeadline({ what: 'HTTP request', timeout, signal }, (why) => stop.abort(why))
  let answered = false
  try {
    const response = await undiciRequest(url, {
      dispatcher: agent,
      method,
      headers: { ...headers },
      body: body ?? null,
      signal: stop.signal,
    })
    answered = true
    const received = new GrowingBytes(maxBodyBytes)
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      // Leaving the loop destroys the body and with it the connection.
      if (!received.push(chunk)) throw new MixnetError('MESSAGE_TOO_LONG', { what: 'response body', maxBodyBytes })
    }
    const contentType = response.headers['content-type']
    return {
      status: response.statusCode,
      contentType: typeof contentType === 'string' ? contentType : '',
      body: received.finish(),
    }
  } catch (error) {
    if (stop.signal.aborted) throw stop.signal.reason
    throw requestError(error, answered)
  } finally {
    stopDeadline()
  }
}

function requestError(error: unknown, answered: boolean): MixnetError {
  const { code } = error as { code?: unknown }
  // A server that hangs up in the middle of an answer was reached.
  if (answered || code === 'UND_ERR_SOCKET' || code === 'ECONNRESET') return socketError(error, 'open')
  if (code === 'UND_ERR_INVALID_ARG') return new MixnetError('BAD_ARGUMENT', { argument: 'request' })
  return socketError(error, 'connecting')
}
