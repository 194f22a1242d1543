/** The world as it is. @module */
import type { LinkCryptoProvider } from '../../crypto/provider.ts'
import type { World } from '../world.ts'
import { nodeClock } from './nodeClock.ts'
import { nodeDatabases } from './nodeDatabase.ts'
import { nodeFiles } from './nodeFiles.ts'
import { nodeNet } from './nodeNet.ts'
import { nodeRandom } from './nodeRandom.ts'

export function nodeWorld(crypto: LinkCryptoProvider): World {
  return { clock: nodeClock, random: nodeRandom, net: nodeNet, files: nodeFiles, databases: nodeDatabases, crypto }
}
