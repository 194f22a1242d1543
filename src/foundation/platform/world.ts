/** Everything a role or a client may touch outside itself. Production, tests and simulations differ in nothing else. @module */
import type { CryptoProvider } from '../crypto/provider.ts'
import type { Clock } from './clock.ts'
import type { Databases } from './database.ts'
import type { Files } from './files.ts'
import type { Net } from './net.ts'
import type { Random } from './random.ts'

export interface World {
  readonly clock: Clock
  readonly random: Random
  readonly net: Net
  readonly files: Files
  readonly databases: Databases
  readonly crypto: CryptoProvider
}
