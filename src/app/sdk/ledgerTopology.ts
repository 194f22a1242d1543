/** `connect({ ledger })`: topologies that were checked against the contracts. Loaded when it is asked for. @module */
import { keccak_256 } from '@noble/hashes/sha3.js'
import { fromHex } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import type { World } from '../../foundation/platform/world.ts'
import { readDeployment } from '../../network/ledger/deployment.ts'
import { rpcTruth } from '../../network/topology/rpcTruth.ts'
import type { clientTopologySource } from '../../network/topology/topologySources.ts'
import { agreedTruth, verifiedTopologySource } from '../../network/topology/verifiedTopology.ts'

const MAX_RPCS = 16

/** Throws BAD_ARGUMENT, FILE_UNUSABLE, and what `readDeployment` does. */
export async function ledgerTopologySource(
  { net, files, crypto }: Pick<World, 'net' | 'files' | 'crypto'>,
  { rpc, deployment: path }: { readonly rpc: string | readonly string[]; readonly deployment: string },
): Promise<typeof clientTopologySource> {
  const urls: readonly string[] = typeof rpc === 'string' ? [rpc] : rpc
  if (urls.length < 1 || urls.length > MAX_RPCS || urls.some((url) => !/^https?:\/\/./.test(url))) {
    const nextStep = `Give 1 to ${MAX_RPCS} addresses like 'http://127.0.0.1:8545'.`
    throw new MixnetError('BAD_ARGUMENT', { argument: 'ledger.rpc' }, { nextStep })
  }
  const deployment = await readDeployment(files, path)
  if (deployment === undefined) {
    const nextStep =
      'Name the file that `starling ledger deploy` wrote; a network on this machine has .starling/up/ledger.json.'
    throw new MixnetError('FILE_UNUSABLE', { path, why: 'there is no such file' }, { nextStep })
  }
  const { chainId, addresses } = deployment
  const truth = agreedTruth(urls.map((url) => rpcTruth({ net, url, chainId, addresses, keccak256: keccak_256 })))
  const announcements = { chainId, contract: fromHex(addresses.announcements.slice(2).toLowerCase(), 'address') }
  return ({ clock, directory }) =>
    verifiedTopologySource({ clock, directory, truth, crypto, keccak256: keccak_256, announcements })
}
