/**
 * One hash of who takes part in an epoch, with which key, announcement and role: with it a client checks a whole topology that it was
 * handed by anybody. docs/spec/ledger.md, "The root". @module
 */
import { abiWords, type Keccak256 } from './abiWords.ts'
import { ROLE, type Role } from './draw.ts'

export interface RootNode {
  readonly nodeId: number
  /** 32 bytes. */
  readonly identityKey: Uint8Array
  /** 32 bytes: of its announcement at the draw; zeroes where there is none. */
  readonly leaf: Uint8Array
  /** Mixes of any layer are one role here: layers follow from the seed, see `mixLayers`. */
  readonly role: Role
}

/** `nodes`: all that took part, ascending. `epochId`: of the epoch that has the set; `seed`: of the one before. */
export function topologyRoot(
  {
    epochId,
    seed,
    nodes,
  }: { readonly epochId: number; readonly seed: Uint8Array; readonly nodes: readonly RootNode[] },
  keccak256: Keccak256,
): Uint8Array {
  let root = keccak256(abiWords(epochId, seed))
  for (const { nodeId, identityKey, leaf, role } of nodes) {
    const said = role === ROLE.layer2 || role === ROLE.layer3 ? ROLE.layer1 : role
    root = keccak256(abiWords(root, nodeId, identityKey, leaf, said))
  }
  return root
}
