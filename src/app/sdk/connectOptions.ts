/** What `connect` takes, in Node and in browsers. @module */
import type { MixnetOptions } from '../../client/openClient.ts'
import { type Millis, millis } from '../../foundation/base/units.ts'

export interface CommonOptions extends Omit<MixnetOptions, 'directories' | 'connectTimeout' | 'locked'> {
  /** URL of the network's directory, or several with the same contents: http://127.0.0.1:8080/api. Or a `topology`. */
  readonly directory?: string | readonly string[] | undefined
  /** Milliseconds for `connect` to succeed. Default 60,000. */
  readonly connectTimeout?: number | undefined
}

/** The same for the client below. */
export function clientOptions<T extends CommonOptions>({
  directory,
  connectTimeout,
  ...options
}: T): Omit<T, 'directory' | 'connectTimeout'> & Pick<MixnetOptions, 'directories' | 'connectTimeout'> {
  const limit: { readonly connectTimeout?: Millis } =
    connectTimeout === undefined ? {} : { connectTimeout: millis(connectTimeout) }
  return { ...options, ...limit, directories: typeof directory === 'string' ? [directory] : (directory ?? []) }
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
