/** `starling fetch URL`: one anonymous request. The body goes to standard output or a file, everything else to standard error. @module */
import { explainFetchError } from '../../client/fetchErrors.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { seconds } from '../../foundation/base/units.ts'
import { type ClientOptions, withClient } from './clientSession.ts'
import { explainFileError } from './problems.ts'
import type { Session } from './session.ts'

export interface FetchCommandOptions extends ClientOptions {
  readonly output?: string
  readonly timeout: number
}

/** As curl's: the site answered, with an error. */
const HTTP_ERROR = 22

export async function runFetch(session: Session, url: string, options: FetchCommandOptions): Promise<number> {
  const { screen, world, interrupted } = session
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new MixnetError(
      'BAD_ARGUMENT',
      { url },
      { message: 'that is no URL', nextStep: 'It begins with http:// or https://.' },
    )
  }
  return withClient(session, options, async (mixnet) => {
    const started = world.clock.monotonic()
    const { response, body } = await mixnet
      .fetch(url, { signal: interrupted, timeout: seconds(options.timeout) })
      .then(async (response) => ({ response, body: new Uint8Array(await response.arrayBuffer()) }))
      .catch((error: unknown) => {
        throw explainFetchError(error)
      })
    if (options.output === undefined) await written(body)
    else {
      await world.files.write(options.output, body).catch((error: unknown) => {
        throw explainFileError(error)
      })
      screen.step(
        'fetched',
        `${body.length.toLocaleString('en')} bytes into ${options.output}`,
        world.clock.monotonic() - started,
        { event: 'fetched', status: response.status, bytes: body.length, file: options.output },
      )
    }
    if (response.ok) return 0
    screen.step('fetched', `the site answered ${response.status} ${response.statusText}`, undefined, {
      event: 'http-error',
      status: response.status,
    })
    return HTTP_ERROR
  })
}

function written(body: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(body, (error) => (error ? reject(error) : resolve()))
  })
}
