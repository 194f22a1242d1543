/** The client that `fetch` and `proxy` share. @module */
import { Mixnet } from '../../client/mixnet.ts'
import { describeTraffic } from '../../client/trafficFigures.ts'
import type { TrafficChoice } from '../../client/trafficProfiles.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { seconds } from '../../foundation/base/units.ts'
import type { Lock } from '../../foundation/platform/files.ts'
import type { Net } from '../../foundation/platform/net.ts'
import { CLIENT_REFRESH } from '../../network/topology/topologyProvider.ts'
import { lockFolder } from './folders.ts'
import type { Session } from './session.ts'

export interface ClientOptions {
  readonly directory: readonly string[]
  readonly data?: string
  readonly gateway?: string
  readonly exit?: string
  readonly revealAddress: boolean
  /** Default true. */
  readonly exitRequired?: boolean
  readonly traffic?: TrafficChoice
  readonly budget?: TrafficChoice
  /** Default: the system's. */
  readonly net?: Net
}

/** Somebody sits in front of it: a directory that is silent is told of soon, not waited for. */
const REFRESH = { ...CLIENT_REFRESH, deadline: seconds(10) }
const CONNECT_TIMEOUT = seconds(20)

/** Runs `work` with a client, and closes it whatever happens. */
export async function withClient<T>(
  session: Session,
  options: ClientOptions,
  work: (mixnet: Mixnet) => Promise<T>,
): Promise<T> {
  const { world, interrupted } = session
  const traffic = options.budget ?? options.traffic
  if (traffic !== undefined) tellTraffic(session, traffic)
  const lock: Lock | undefined = options.data === undefined ? undefined : await lockFolder(world.files, options.data)
  try {
    const mixnet = await Mixnet.connect(options.net === undefined ? world : { ...world, net: options.net }, {
      directories: options.directory,
      folder: options.data,
      locked: true,
      gateway: options.gateway,
      exit: options.exit,
      exitRequired: options.exitRequired,
      anonymous: !options.revealAddress,
      traffic,
      refresh: REFRESH,
      connectTimeout: CONNECT_TIMEOUT,
      signal: interrupted,
      log: session.quietLogOf('client'),
    }).catch((error: unknown) => {
      throw explainDirectory(error, options.directory)
    })
    try {
      return await work(mixnet)
    } finally {
      await mixnet.close()
    }
  } finally {
    await lock?.release()
  }
}

/** Whoever chooses is told what it costs and what it hides. */
function tellTraffic({ screen }: Session, choice: TrafficChoice): void {
  const { words, figures } = describeTraffic(choice)
  screen.line(words.join('\n'), { event: 'traffic', words, figures })
}

/** The one thing a newcomer gets wrong first. */
function explainDirectory(error: unknown, urls: readonly string[]): unknown {
  if (!isMixnetError(error, 'TOPOLOGY_UNAVAILABLE')) return error
  const { code } = isMixnetError(error.cause) ? error.cause : error
  const which =
    urls.length > 1 ? `no directory of ${urls.join(', ')} gives` : `the directory ${urls.join()} does not give`
  return new MixnetError(
    'TOPOLOGY_UNAVAILABLE',
    { why: code === 'TOPOLOGY_UNAVAILABLE' ? (error.details.why ?? code) : code },
    {
      message: `${which} a usable network`,
      nextStep: '"starling up" (in a clone: "npm start") runs a network here; --directory URL names another.',
      cause: error,
    },
  )
}
