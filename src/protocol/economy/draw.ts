/**
 * The draw of an epoch's nodes from the public seed: what a driver hands in, `contracts/RewardedSet.sol` checks and everybody can
 * recompute. The same distribution as the official sampling without replacement (tokenomics 7.3), with exponential keys in whole
 * numbers. docs/spec/ledger.md, "The draw". @module
 */
import { malformed } from '../../foundation/base/errors.ts'
import { abiWords, type Keccak256, numberOf } from './abiWords.ts'

/** As in the contract. None is a bonded node outside the set. */
export const ROLE = { entryGateway: 0, layer1: 1, layer2: 2, layer3: 3, exitGateway: 4, standby: 5, none: 6 } as const
export type Role = (typeof ROLE)[keyof typeof ROLE]

/** Bits of what a node announces that it can do. */
export const CAPABILITY = { mix: 1, entry: 2, exitRequester: 4, exitRouter: 8 } as const
const ALL_CAPABILITIES = 15

export interface DrawNode {
  readonly nodeId: number
  /** Decimal: operator's and delegators'. */
  readonly stake: bigint
  /** Percent. */
  readonly performance: bigint
  /** 0 where nothing is announced. */
  readonly capabilities: number
  /** Not unbonding. */
  readonly eligible: boolean
  /** Unix seconds. */
  readonly bondedAt: bigint
}

export interface SetSizes {
  readonly entryGateways: number
  readonly exitGateways: number
  readonly mixnodes: number
  readonly standby: number
}

export interface DrawInput {
  /** 32 bytes: of the epoch that ends. */
  readonly seed: Uint8Array
  /** All bonded nodes, ascending by id. */
  readonly nodes: readonly DrawNode[]
  /** Unix seconds: where secrets began to be revealed. Undefined while no set is in force: then all take part. */
  readonly bondedBefore?: bigint
  /** Decimal. */
  readonly saturationPoint: bigint
  readonly wanted: SetSizes
  readonly keccak256: Keccak256
}

export interface Draw {
  /** Of every node that takes part, `none` too. */
  readonly roles: ReadonlyMap<number, Role>
  /** What the contract takes: a byte a node that takes part, ascending; mixes as layer 1. */
  readonly choices: Uint8Array
}

const STAGES = [
  { role: ROLE.entryGateway, needed: CAPABILITY.entry, size: 'entryGateways' },
  { role: ROLE.exitGateway, needed: CAPABILITY.exitRequester | CAPABILITY.exitRouter, size: 'exitGateways' },
  { role: ROLE.layer1, needed: CAPABILITY.mix, size: 'mixnodes' },
  { role: ROLE.standby, needed: ALL_CAPABILITIES, size: 'standby' },
] as const

const LAYER_LABEL = new Uint8Array(32)
LAYER_LABEL.set([0x6c, 0x61, 0x79, 0x65, 0x72])

/** Throws MALFORMED where the nodes are not strictly ascending. */
export function drawSet(input: DrawInput): Draw {
  const { seed, keccak256, saturationPoint, wanted } = input
  const nodes = takingPart(input)
  const chosen = new Map<number, Role>(nodes.map(({ nodeId }) => [nodeId, ROLE.none]))
  const weights = new Map(
    nodes.map((node) => [
      node.nodeId,
      { weight: drawWeight(node, saturationPoint), saturation: saturationOf(node.stake, saturationPoint) },
    ]),
  )
  for (const { role, needed, size } of STAGES) {
    const lots = nodes
      .filter((node) => chosen.get(node.nodeId) === ROLE.none && node.eligible && (node.capabilities & needed) !== 0)
      .map(({ nodeId }) => ({
        nodeId,
        key: drawKey(keccak256(abiWords(seed, role, nodeId)), weights.get(nodeId) ?? NOTHING),
      }))
      .sort((a, b) => (a.key === b.key ? a.nodeId - b.nodeId : a.key < b.key ? -1 : 1))
    for (const { nodeId } of lots.slice(0, wanted[size])) chosen.set(nodeId, role)
  }
  const choices = Uint8Array.from(nodes, ({ nodeId }) => chosen.get(nodeId) ?? ROLE.none)
  const mixes = nodes.map(({ nodeId }) => nodeId).filter((nodeId) => chosen.get(nodeId) === ROLE.layer1)
  for (const [nodeId, layer] of mixLayers(seed, mixes, keccak256)) chosen.set(nodeId, layer)
  return { roles: chosen, choices }
}

/** Ids are given in the order of bonding, so those that came too late are the last. */
function takingPart({ nodes, bondedBefore }: DrawInput): readonly DrawNode[] {
  for (const [i, { nodeId }] of nodes.entries()) {
    if (i > 0 && nodeId <= nodes[i - 1]!.nodeId) throw malformed('nodes', 'ids not ascending')
  }
  if (bondedBefore === undefined) return nodes
  const late = nodes.findIndex(({ bondedAt }) => bondedAt >= bondedBefore)
  return late === -1 ? nodes : nodes.slice(0, late)
}

/**
 * Layers of mixes: in order of a hash of their own, the i-th goes to layer i mod 3. The root says only who mixes, for the contract
 * must know all of them first; a reader of the root puts them into layers with this.
 */
export function mixLayers(
  seed: Uint8Array,
  nodeIds: readonly number[],
  keccak256: Keccak256,
): ReadonlyMap<number, Role> {
  const order = nodeIds
    .map((nodeId) => ({ nodeId, lot: numberOf(keccak256(abiWords(seed, LAYER_LABEL, nodeId))) >> 32n }))
    .sort((a, b) => (a.lot === b.lot ? a.nodeId - b.nodeId : a.lot < b.lot ? -1 : 1))
  const layers = [ROLE.layer1, ROLE.layer2, ROLE.layer3] as const
  return new Map(order.map(({ nodeId }, i) => [nodeId, layers[i % 3]!]))
}

const ONE = 10n ** 18n
const times = (a: bigint, b: bigint): bigint => (a * b) / ONE

/** Percent: of the point at which more stake changes nothing. */
export const saturationOf = (stake: bigint, saturationPoint: bigint): bigint =>
  stake > saturationPoint ? ONE : stake === 0n ? 0n : (stake * ONE) / saturationPoint

/** Decimal: saturation times the 20th power of the performance, floored in the order of tokenomics 1. */
export function drawWeight({ stake, performance }: DrawNode, saturationPoint: bigint): bigint {
  const saturation = saturationOf(stake, saturationPoint)
  const p2 = times(performance, performance)
  const p4 = times(p2, p2)
  const p8 = times(p4, p4)
  return times(saturation, times(p4, times(p8, p8)))
}

/**
 * The smallest of several is each one's with the chance of its share of the weights. `lot`: 32 bytes, of which the first 16 count.
 * Weights of nothing come behind all others, and among themselves by stake: where nobody has a score, sets must not go by number of
 * nodes.
 */
export function drawKey(lot: Uint8Array, { weight, saturation }: DrawWeights): bigint {
  const u = numberOf(lot.subarray(0, 16))
  if (weight !== 0n) return (negativeLog2(u) << 96n) / weight
  return saturation === 0n ? (1n << 201n) + u : (1n << 200n) + (negativeLog2(u) << 96n) / saturation
}

export interface DrawWeights {
  readonly weight: bigint
  readonly saturation: bigint
}

const NOTHING: DrawWeights = { weight: 0n, saturation: 0n }

// floor(2^128 · 2/ln(2) / (2k+1)), k from 10 to 0.
const SERIES = [
  0x232c9d8df92921a9db261827b27f79a0n,
  0x26e0783e9a1ffcc93595e4cd8f6478f4n,
  0x2b735936e87e1a86872f0ec7a0431dc5n,
  0x313e762d299ffbedcc688837937f43e0n,
  0x38d1ead1a62ec039c4789d2c6f1cb0c7n,
  0x4326a1265008b4a15c8e8b34835073d4n,
  0x5212c4f5f00aa3e1aa038db1f5d41bcbn,
  0x6985d8a9eb7b64fd91724877177e6ce0n,
  0x93bb62877cdff3c9653998a6ba7dcba0n,
  0xf6384ee1d01feba4fe0aa915e17c5361n,
  0x2e2a8eca5705fc2eefa1ffb41a474fa23n,
] as const

/**
 * -log2 of `u`/2^128 in steps of 2^-32, upwards: 1 to 2^39. `u` below 2^128; 0 counts as 1. By the series of the inverse hyperbolic
 * tangent, 128 bits behind the point, everything cut downwards: contracts/draw/Keys.sol says why.
 */
export function negativeLog2(u: bigint): bigint {
  const positive = u === 0n ? 1n : u
  const whole = BigInt(positive.toString(2).length - 1)
  const x = positive << (127n - whole)
  const z = ((x - (1n << 127n)) << 128n) / (x + (1n << 127n))
  const square = (z * z) >> 128n
  const sum = SERIES.reduce((higher, term) => term + ((higher * square) >> 128n), 0n)
  return (128n << 32n) - ((whole << 32n) | ((sum * z) >> 224n))
}
