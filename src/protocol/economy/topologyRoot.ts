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

interface Rooted {
  readonly epochId: number
  readonly seed: Uint8Array
  readonly nodes: readonly RootNode[]
}

/** `nodes`: all that took part, ascending. `epochId`: of the epoch that has the set; `seed`: of the one before. */
export function topologyRoot(rooted: Rooted, keccak256: Keccak256): Uint8Array {
  let last: Uint8Array = new Uint8Array()
  for (const root of topologyRoots(rooted, keccak256)) last = root
  return last
}

/** Of no node, of the first, of the first two, and so on: for who does not know how many took part, at one hash a node. */
export function* topologyRoots({ epochId, seed, nodes }: Rooted, keccak256: Keccak256): Generator<Uint8Array, void> {
  let root = keccak256(abiWords(epochId, seed))
  yield root
  for (const { nodeId, identityKey, leaf, role } of nodes) {
    const said = role === ROLE.layer2 || role === ROLE.layer3 ? ROLE.layer1 : role
    root = keccak256(abiWords(root, nodeId, identityKey, leaf, said))
    yield root
  }
}
