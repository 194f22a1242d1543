/** `starling fetch URL`: one anonymous request. The body goes to standard output or a file, everything else to standard error. @module */
import { explainFetchError } from '../../client/fetchErrors.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { seconds } from '../../foundation/base/units.ts'
import { type ClientOptions, connectClient } from './clientSession.ts'
import type { Session } from './session.ts'

export interface FetchCommandOptions extends ClientOptions {
  readonly output?: string
  readonly timeout: number
}

/** Resolves with the exit code: 22 for an HTTP error, as curl does. */
export async function runFetch(session: Session, url: string, options: FetchCommandOptions): Promise<number> {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new MixnetError('BAD_ARGUMENT', { url, why: 'must begin with http:// or https://' })
  }
  if (!(options.timeout > 0)) throw new MixnetError('BAD_ARGUMENT', { option: '--timeout', why: 'must be seconds' })
  const mixnet = await connectClient(session, options)
  try {
    const response = await mixnet.fetch(url, { signal: session.interrupted, timeout: seconds(options.timeout) })
    const body = new Uint8Array(await response.arrayBuffer())
    if (options.output === undefined) process.stdout.write(body)
    else await session.world.files.write(options.output, body)
    return response.ok ? 0 : 22
  } catch (error) {
    throw explainFetchError(error)
  } finally {
    await mixnet.close()
  }
}
