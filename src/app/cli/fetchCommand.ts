/** `starling fetch URL`: one anonymous request. The body goes to standard output or a file, everything else to standard error. @module */
import { explainFetchError } from '../../client/fetchErrors.ts'
import { concat } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { millis, seconds } from '../../foundation/base/units.ts'
import type { Device } from '../../foundation/platform/node/nodeDevice.ts'
import { type ClientOptions, withClient } from './clientSession.ts'
import { explainFileError } from './problems.ts'
import type { Session } from './session.ts'

export interface FetchCommandOptions extends ClientOptions {
  readonly output?: string
  readonly timeout: number
}

/** As curl's: the site answered, with an error. */
const HTTP_ERROR = 22
const LINE_END = 0x0a
const PROGRESS_INTERVAL = millis(200)

/** A file gets the whole body or is not made; anything else gets it as it comes. */
type Destination = { readonly file: string } | Device

export async function runFetch(session: Session, url: string, options: FetchCommandOptions): Promise<number> {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new MixnetError(
      'BAD_ARGUMENT',
      { url },
      { message: 'that is no URL', nextStep: 'It begins with http:// or https://.' },
    )
  }
  const destination = await destinationOf(session, options.output)
  try {
    return await fetchInto(session, url, options, destination)
  } finally {
    if ('close' in destination) await destination.close()
  }
}

function fetchInto(
  session: Session,
  url: string,
  options: FetchCommandOptions,
  destination: Destination,
): Promise<number> {
  const { screen, world, interrupted } = session
  return withClient(session, options, async (mixnet) => {
    const started = world.clock.monotonic()
    const response = await mixnet
      .fetch(url, { signal: interrupted, timeout: seconds(options.timeout) })
      .catch((error: unknown) => {
        throw explained(error)
      })
    if ('file' in destination) {
      const { file } = destination
      const body = await collect(session, response)
      await world.files.write(file, body).catch((error: unknown) => {
        throw explainFileError(error)
      })
      screen.step(
        'fetched',
        `${body.length.toLocaleString('en')} bytes into ${file}`,
        world.clock.monotonic() - started,
        { event: 'fetched', status: response.status, bytes: body.length, file },
      )
    } else {
      let last: Uint8Array | undefined
      for await (const chunk of bodyOf(response)) {
        await destination.write(chunk)
        last = chunk
      }
      // What is said next must not go on in the last line of the body, where both are on one screen.
      if (!response.ok && last?.at(-1) !== LINE_END) screen.line('')
    }
    if (response.ok) return 0
    screen.step('fetched', `the site answered ${response.status} ${response.statusText}`, undefined, {
      event: 'http-error',
      status: response.status,
    })
    return HTTP_ERROR
  })
}

/** Before anything is asked for: found out at the end, the answer would be lost. */
async function destinationOf({ world, output, device }: Session, path: string | undefined): Promise<Destination> {
  if (path === undefined || path === '-') return { write: output, close: async () => {} }
  const kind = path.endsWith('/') ? 'folder' : await world.files.kindOf(path)
  if (kind === 'folder') {
    const nextStep = `Name a file in it: --output ${path.replace(/\/*$/, '')}/answer`
    throw new MixnetError('BAD_ARGUMENT', { '--output': path }, { message: 'that is a folder', nextStep })
  }
  if (kind !== 'other') return { file: path }
  // A device or a pipe is written to, not replaced by a file of its name.
  return device(path)
}

async function* bodyOf(response: Response): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response.body ?? []) yield chunk
  } catch (error) {
    throw explained(error)
  }
}

function explained(error: unknown): MixnetError {
  const known = explainFetchError(error)
  if (known.code !== 'TIMEOUT') return known
  const nextStep = 'Try again, or allow more time: --timeout SECONDS.'
  return new MixnetError('TIMEOUT', known.details, { nextStep, cause: known })
}

async function collect({ screen, world }: Session, response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  const total = Number(response.headers.get('content-length') ?? Number.NaN)
  let bytes = 0
  let shown = world.clock.monotonic()
  for await (const chunk of bodyOf(response)) {
    chunks.push(chunk)
    bytes += chunk.length
    if (world.clock.monotonic() - shown < PROGRESS_INTERVAL) continue
    shown = world.clock.monotonic()
    screen.progress(
      'fetching',
      `${bytes.toLocaleString('en')} ${total > 0 ? `of ${total.toLocaleString('en')} ` : ''}bytes`,
    )
  }
  return concat(...chunks)
}
