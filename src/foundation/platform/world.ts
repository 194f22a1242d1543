/** Everything a role or a client may touch outside itself. Production, tests and simulations differ in nothing else. @module */
import type { AsyncCurve } from '../crypto/asyncCurve.ts'
import type { CryptoProvider, LinkCryptoProvider } from '../crypto/provider.ts'
import type { Clock } from './clock.ts'
import type { Databases } from './database.ts'
import type { ClientFiles, Files } from './files.ts'
import type { Net } from './net.ts'
import type { Random } from './random.ts'

export interface World {
  readonly clock: Clock
  readonly random: Random
  readonly net: Net
  readonly files: Files
  readonly databases: Databases
  readonly crypto: LinkCryptoProvider
}

/** What a client needs of it: a page can listen to nobody, and has no databases and no files that only grow. */
export interface ClientWorld extends Pick<World, 'clock' | 'random'> {
  readonly crypto: CryptoProvider
  readonly net: Pick<Net, 'request' | 'connectWebSocket'>
  readonly files: ClientFiles
  /** Where `crypto` is slow at the curve: packets' keys are then made ahead. */
  readonly curve?: AsyncCurve | undefined
}
