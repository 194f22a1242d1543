/**
 * What a monitor saw in an epoch: which nodes there were, and for each test packet its route, the second it left in, and whether it
 * arrived. One list has one encoding, so its hash names it; who holds the bytes can compute the report anew. Format: docs/spec/monitor.md,
 * "Evidence".
 *
 *       0    8  "starlmon"
 *       8    1  version, 1
 *       9    4  epoch
 *      13    8  its beginning, Unix seconds
 *      21    2  nodes, then as many entries of 6 bytes, node ids ascending: id (4), place (1), config score (1: percent, 255 unknown)
 *       .    4  observations, then as many entries, sorted by their bytes: second since the beginning (4), kind (1), delivered (1: 0 or 1),
 *               and the nodes passed, in order, as places in the list above (2 each): 5 of a packet, 1 of a login
 *
 * @module
 */
import { utf8 } from '../../foundation/base/bytes.ts'
import { Reader } from '../../foundation/base/reader.ts'
import { Writer } from '../../foundation/base/writer.ts'

/**
 * `out`: entry gateway, three mixes, the gateway that hands it to us. `home`: its ack, from that gateway through three mixes back to the
 * first, known only of those that had something to acknowledge. `login`: a packet that never left because the gateway did not let us in.
 */
export type ObservationKind = 'out' | 'home' | 'login'

export interface Observation {
  readonly kind: ObservationKind
  /** Whole seconds since the epoch began. */
  readonly second: number
  /** Node ids. */
  readonly route: readonly number[]
  readonly delivered: boolean
}

/** What the rewarded set makes of a node. `outside`: nothing; it is tested for what it says it can do. */
export type Place = 'outside' | 'layer1' | 'layer2' | 'layer3' | 'gateway'

export interface SeenNode {
  readonly nodeId: number
  readonly place: Place
  /** Percent; undefined where nobody told the monitor. */
  readonly config: number | undefined
}

export interface Evidence {
  readonly epochId: number
  /** Unix seconds. */
  readonly startsAt: number
  /** By id, ascending. */
  readonly nodes: readonly SeenNode[]
  readonly observations: readonly Observation[]
}

const MAGIC: Uint8Array = utf8('starlmon')
const VERSION = 1
const PLACES: readonly Place[] = ['outside', 'layer1', 'layer2', 'layer3', 'gateway']
const KINDS: readonly ObservationKind[] = ['out', 'home', 'login']
const UNKNOWN = 255
const HUNDRED = 100
export const MAX_EVIDENCE_NODES: number = 10_000
const MAX_OBSERVATIONS = 200_000
/** What anybody may hand out as evidence: 200,000 observations of 16 bytes, 10,000 nodes. */
export const MAX_EVIDENCE_BYTES: number = 4 * 1024 * 1024
const DAY_SECONDS = 86_400
/** No epoch lasts longer than a month. */
export const MAX_SECOND: number = 31 * DAY_SECONDS
const NODE_BYTES = 6

const nodesOf = (kind: ObservationKind): number => (kind === 'login' ? 1 : 5)

/** The one encoding. Nodes of routes must be in `nodes`; a route of another length is ours to have made: RangeError. */
export function encodeEvidence({ epochId, startsAt, nodes, observations }: Evidence): Uint8Array {
  const sorted = [...nodes].sort((a, b) => a.nodeId - b.nodeId)
  const placeOf = new Map(sorted.map(({ nodeId }, i) => [nodeId, i]))
  const entries = observations.map(({ kind, second, route, delivered }) => {
    if (route.length !== nodesOf(kind)) throw new RangeError('a route of another length')
    const entry = new Writer(6 + 2 * route.length).u32(second).u8(KINDS.indexOf(kind)).u8(Number(delivered))
    for (const nodeId of route) {
      const index = placeOf.get(nodeId)
      if (index === undefined) throw new RangeError('a node that was not seen')
      entry.u16(index)
    }
    return entry.finish()
  })
  entries.sort(compareBytes)
  const writer = new Writer(32 + NODE_BYTES * sorted.length + 16 * entries.length)
  writer.bytes(MAGIC).u8(VERSION).u32(epochId).u64(BigInt(startsAt)).u16(sorted.length)
  for (const { nodeId, place, config } of sorted) {
    writer
      .u32(nodeId)
      .u8(PLACES.indexOf(place))
      .u8(config ?? UNKNOWN)
  }
  writer.u32(entries.length)
  for (const entry of entries) writer.bytes(entry)
  return writer.finish()
}

/** Throws MALFORMED, also for bytes that are another encoding of the same. */
export function decodeEvidence(bytes: Uint8Array): Evidence {
  const reader = new Reader(bytes, 'evidence')
  const magic = reader.bytes(MAGIC.length, 'magic')
  if (compareBytes(magic, MAGIC) !== 0) reader.refuse('magic', 'of something else')
  reader.u8('version', { min: VERSION, max: VERSION })
  const epochId = reader.u32('epoch')
  const startsAt = Number(reader.u64('beginning'))
  if (!Number.isSafeInteger(startsAt)) reader.refuse('beginning', 'too late')
  const nodes: SeenNode[] = []
  const count = reader.u16('nodes', { max: MAX_EVIDENCE_NODES })
  for (let i = 0; i < count; i++) {
    const nodeId = reader.u32('node id')
    if (nodeId <= (nodes.at(-1)?.nodeId ?? -1)) reader.refuse('node id', 'not ascending')
    const place = PLACES[reader.u8('place', { max: PLACES.length - 1 })] as Place
    const config = reader.u8('config score')
    if (config > HUNDRED && config !== UNKNOWN) reader.refuse('config score', 'more than all')
    nodes.push({ nodeId, place, config: config === UNKNOWN ? undefined : config })
  }
  const observations: Observation[] = []
  const total = reader.u32('observations', { max: MAX_OBSERVATIONS })
  let previous: Uint8Array | undefined
  for (let i = 0; i < total; i++) {
    const start = reader.offset
    const second = reader.u32('second', { max: MAX_SECOND })
    const kind = KINDS[reader.u8('kind', { max: KINDS.length - 1 })] as ObservationKind
    const delivered = reader.u8('delivered', { max: kind === 'login' ? 0 : 1 }) === 1
    const route: number[] = []
    for (let hop = nodesOf(kind); hop > 0; hop--) {
      route.push((nodes[reader.u16('node', { max: nodes.length - 1 })] as SeenNode).nodeId)
    }
    const entry = bytes.subarray(start, reader.offset)
    if (previous !== undefined && compareBytes(previous, entry) > 0) reader.refuse('observations', 'not sorted')
    previous = entry
    observations.push({ kind, second, route, delivered })
  }
  reader.expectEnd()
  return { epochId, startsAt, nodes, observations }
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return (a[i] as number) - (b[i] as number)
  return a.length - b.length
}
