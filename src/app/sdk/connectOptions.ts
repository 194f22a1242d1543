/** What `connect` takes, in Node and in browsers. @module */
import type { MixnetOptions } from '../../client/openClient.ts'
import { expectKnown, expectOptions, type OptionKinds, type Plain } from '../../client/optionKinds.ts'
import type { TrafficChoice } from '../../client/trafficProfiles.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { type Millis, millis } from '../../foundation/base/units.ts'

type Own = 'directories' | 'connectTimeout' | 'locked' | 'topologySource' | 'open' | 'traffic' | 'entry' | 'refresh'

export interface CommonOptions extends Omit<MixnetOptions, Own> {
  /** URL of the network's directory, or several with the same contents: http://127.0.0.1:8080/api. Or a `topology`. */
  readonly directory?: string | readonly string[] | undefined
  /** Milliseconds for `connect` to succeed. Default 60,000. */
  readonly connectTimeout?: number | undefined
  /**
   * A profile ('default', 'frugal', 'fast', 'private'), a budget ({ perDay: '500 MB' }), or parameters, times in milliseconds.
   * `describeTraffic` says what a choice costs and what it hides.
   */
  readonly traffic?: Plain<TrafficChoice> | undefined
  /** How it deals with its gateway. Times in milliseconds. */
  readonly entry?: Plain<MixnetOptions['entry']>
  /** How it asks the directory. Times in milliseconds. */
  readonly refresh?: Plain<MixnetOptions['refresh']>
}

const KINDS: OptionKinds = {
  directory: 'any',
  topology: 'any',
  folder: 'text',
  passphrase: 'text',
  gateway: 'text',
  forceTls: 'flag',
  exit: 'text',
  exitRequired: 'flag',
  anonymous: 'flag',
  traffic: 'any',
  entry: 'any',
  refresh: 'any',
  connectTimeout: 'milliseconds',
  signal: 'signal',
  onEvent: 'function',
  onMessage: 'function',
  onPacket: 'function',
  log: 'any',
  meter: 'any',
  ca: 'pem',
  parts: 'any',
}

/** The same for the client below. Throws BAD_ARGUMENT for what cannot be an option. */
export function clientOptions<T extends CommonOptions>(
  options: T,
): Omit<T, Own | 'directory'> & Pick<MixnetOptions, Exclude<Own, 'locked' | 'open'>> {
  expectConnectOptions(options)
  const { directory, connectTimeout, ...others } = options
  const limit: { readonly connectTimeout?: Millis } =
    connectTimeout === undefined ? {} : { connectTimeout: millis(connectTimeout) }
  const directories = typeof directory === 'string' ? [directory] : (directory ?? [])
  return { ...(others as Omit<T, Own | 'directory'>), ...limit, directories }
}

/** Throws BAD_ARGUMENT. */
export function expectConnectOptions(options: object): void {
  const given: unknown = options
  if (typeof given !== 'object' || given === null) {
    const nextStep = "Give an object: connect({ directory: 'http://127.0.0.1:8080/api' })."
    throw new MixnetError('BAD_ARGUMENT', { argument: 'directory' }, { nextStep })
  }
  expectKnown(given, KINDS)
  expectOptions(given, KINDS)
}

/**
 * Those of one client of a pool: no two have an identity in common. `replaces`, as of `PoolConnect`, takes the place of the caller's signal,
 * which was for connecting the pool and may have fired long ago: a deadline, for instance.
 */
export function memberOptions<T extends Pick<MixnetOptions, 'folder' | 'signal'>>(
  options: T,
  number: number,
  replaces: AbortSignal | undefined,
): T {
  return {
    ...options,
    ...(options.folder === undefined ? {} : { folder: `${options.folder}/client-${number}` }),
    ...(replaces === undefined ? {} : { signal: replaces }),
  }
}
