/** What `connect` takes, in Node and in browsers. @module */
import type { MixnetOptions } from '../../client/openClient.ts'
import { type Millis, millis } from '../../foundation/base/units.ts'

export interface CommonOptions extends Omit<MixnetOptions, 'directories' | 'connectTimeout'> {
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

/** Those of one client of a pool: no two have an identity in common. */
export function memberOptions<T extends { readonly folder?: string | undefined }>(options: T, number: number): T {
  return options.folder === undefined ? options : { ...options, folder: `${options.folder}/client-${number}` }
}
