/**
 * A whole epoch's topology as its root on the ledger was made: read from events, and handed on only where it comes to that root.
 * docs/spec/announcements.md, "A topology to check". @module
 */
import { equalBytes, fromHex } from '../../foundation/base/bytes.ts'
import type { Hex } from '../../network/ledger/chain.ts'
import type { EventCursor, Ledger, LedgerEvent } from '../../network/ledger/ledger.ts'
import type { Keccak256 } from '../../protocol/economy/abiWords.ts'
import { announcementLeaf, NO_LEAF } from '../../protocol/economy/announcementLeaf.ts'
import { ROLE } from '../../protocol/economy/draw.ts'
import { topologyRoots } from '../../protocol/economy/topologyRoot.ts'
import type { BundledAnnouncement, BundledNode, TopologyBundle } from '../../protocol/wire/directory/topologyBundle.ts'
import { readBondedIds } from './bondedIds.ts'

type Announced = LedgerEvent<'announcements', 'Announced'>
type Drawn = LedgerEvent<'rewardedSet', 'SetDrawn'>
type Taken = LedgerEvent<'rewardedSet', 'Taken'>
type Place = Pick<Announced, 'block' | 'logIndex'>

/** A draw, and what its driver took with each call: a node counts with what it had announced up to that call, not up to the last. */
interface Draw {
  readonly drawn: Drawn
  readonly calls: readonly Taken[]
}

/** Of those that a node made before the draw: the last one counts, unless the chain takes it back. */
const ANNOUNCEMENTS_KEPT = 4
const ANNOUNCEMENTS_A_PAGE = 1000
/** Of the epoch that runs and the one before it. */
const BUNDLES_KEPT = 2
/** Each costs a root: of a thousand nodes, a few milliseconds. */
const MOST_LATE = 64
/** Layers follow from the seed. */
const BUNDLED_ROLES = [
  [ROLE.entryGateway, ROLE.entryGateway],
  [ROLE.layer1, ROLE.layer1],
  [ROLE.layer2, ROLE.layer1],
  [ROLE.layer3, ROLE.layer1],
  [ROLE.exitGateway, ROLE.exitGateway],
  [ROLE.standby, ROLE.standby],
] as const

const bytes = (hex: Hex): Uint8Array => fromHex(hex.slice(2).toLowerCase(), 'bytes of the ledger')
const isBefore = (a: Place, b: Place): boolean => a.block < b.block || (a.block === b.block && a.logIndex < b.logIndex)
const takenAt = ({ drawn, calls }: Draw, nodeId: number): Place =>
  calls.find(({ args }) => args.from <= nodeId && nodeId < args.nextNodeId) ?? drawn

export class BundleReader {
  readonly #ledger: Ledger
  readonly #keccak256: Keccak256
  readonly #said = new Map<number, Announced[]>()
  readonly #bundles = new Map<number, TopologyBundle>()
  #cursor: EventCursor | undefined
  #reading: Promise<unknown> = Promise.resolve()

  constructor(ledger: Ledger, keccak256: Keccak256) {
    this.#ledger = ledger
    this.#keccak256 = keccak256
  }

  /** undefined where the ledger has no set of that epoch in force, or what we know does not come to its root. Rejects with MixnetErrors. */
  read(epochId: number): Promise<TopologyBundle | undefined> {
    const reading = this.#reading.then(() => this.#read(epochId))
    this.#reading = reading.catch(() => {})
    return reading
  }

  async #read(epochId: number): Promise<TopologyBundle | undefined> {
    const drawn = await this.#drawOf(epochId)
    if (drawn === undefined) return undefined
    const known = this.#bundles.get(epochId)
    // A reorganisation may have drawn it anew.
    if (known !== undefined && equalBytes(known.seed, bytes(drawn.args.seed))) return known
    const draw = { drawn, calls: await this.#callsOf(drawn) }
    await this.#readAnnouncements(draw)
    const nodes = await this.#nodesOf(epochId, draw)
    if (nodes === undefined) return undefined
    const bundle = { epochId, seed: bytes(drawn.args.seed), nodes }
    this.#bundles.set(epochId, bundle)
    for (const old of [...this.#bundles.keys()].sort((a, b) => a - b).slice(0, -BUNDLES_KEPT)) this.#bundles.delete(old)
    return bundle
  }

  async #drawOf(epochId: number): Promise<Drawn | undefined> {
    const { events } = await this.#ledger.events({ contract: 'rewardedSet', event: 'SetDrawn', filter: { epochId } })
    return events.at(-1)
  }

  /** Of the attempt that became the set: its last call told of it last, and its first took node 1. Others' attempts are of no account. */
  async #callsOf(drawn: Drawn): Promise<readonly Taken[]> {
    const attempts = new Map<string, Taken[]>()
    let driver = ''
    const { epochId } = drawn.args
    let cursor: EventCursor | undefined
    for (let complete = false; !complete; ) {
      const page = await this.#ledger.events({ contract: 'rewardedSet', event: 'Taken', filter: { epochId }, cursor })
      for (const call of page.events.filter((one) => isBefore(one, drawn))) {
        driver = call.args.driver
        const before = call.args.from === 1 ? [] : (attempts.get(driver) ?? [])
        attempts.set(driver, [...before, call])
      }
      cursor = page.cursor
      complete = page.complete || cursor.next > drawn.block
    }
    return attempts.get(driver) ?? []
  }

  /**
   * Up to the draw and not much further: what is said behind it can be as much as its author pays for, and would have to be held until the
   * next draw, or push out what counts.
   */
  async #readAnnouncements(draw: Draw): Promise<void> {
    const { drawn } = draw
    for (let complete = false; !complete; ) {
      const cursor = this.#cursor
      const page = await this.#ledger.events({
        contract: 'announcements',
        event: 'Announced',
        cursor,
        limit: ANNOUNCEMENTS_A_PAGE,
      })
      if (page.rolledBack !== undefined) this.#forgetAbove(page.rolledBack.toBlock)
      for (const event of page.events) {
        const said = this.#said.get(event.args.nodeId)
        if (said === undefined) this.#said.set(event.args.nodeId, [event])
        else said.push(event)
      }
      for (const [nodeId, said] of this.#said) {
        const taken = takenAt(draw, nodeId)
        const before = said.findLastIndex((event) => isBefore(event, taken)) + 1
        if (before > ANNOUNCEMENTS_KEPT) this.#said.set(nodeId, said.slice(before - ANNOUNCEMENTS_KEPT))
      }
      this.#cursor = page.cursor
      // Asked at least once, for the chain may have been reorganised behind what was read.
      complete = page.complete || page.cursor.next > drawn.block
    }
  }

  #forgetAbove(block: number): void {
    for (const [nodeId, said] of this.#said) {
      this.#said.set(
        nodeId,
        said.filter((event) => event.block <= block),
      )
    }
  }

  async #nodesOf(epochId: number, draw: Draw): Promise<readonly BundledNode[] | undefined> {
    const ledger = this.#ledger
    const { drawn } = draw
    const { block, results } = await ledger.readAll([
      { contract: 'rewardedSet', fn: 'epochId', args: [] },
      { contract: 'mixnet', fn: 'lastNodeId', args: [] },
      ...BUNDLED_ROLES.map(([role]) => ({ contract: 'rewardedSet', fn: 'nodesOf', args: [role] }) as const),
    ])
    const [inForce, lastNodeId, ...sets] = results as readonly [number, number, ...(readonly number[])[]]
    if (inForce !== epochId) return undefined
    const roles = new Map(sets.flatMap((ids, i) => ids.map((id) => [id, BUNDLED_ROLES[i]![1]] as const)))
    const ids = await readBondedIds(ledger, block, lastNodeId)
    const stakes = await ledger.read('mixnet', 'stakesOf', [ids], { block })
    const nodes = ids.map((nodeId, i): BundledNode => {
      const { identityKey } = stakes[i]!
      const taken = takenAt(draw, nodeId)
      const said = this.#said.get(nodeId)?.findLast((event) => isBefore(event, taken))
      const announcement = said && bundled(said)
      return { nodeId, identity: bytes(identityKey), role: roles.get(nodeId) ?? ROLE.none, announcement }
    })
    const late = await this.#maybeLate(epochId, draw)
    // What was announced for the first time once secrets were revealed is not in the root; when that was only the root says.
    for (let count = 0; count <= late.length; count++) {
      const silent = new Set(late.slice(0, count))
      const heard = nodes.map((node) => (silent.has(node.nodeId) ? { ...node, announcement: undefined } : node))
      const found = this.#thoseOf(epochId, drawn, heard)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** Nodes that announced for the first time in the epoch that the draw ended, the latest first. None where all took part in the draw. */
  async #maybeLate(epochId: number, draw: Draw): Promise<readonly number[]> {
    const before = await this.#drawOf(epochId - 1)
    if (before === undefined) return []
    return [...this.#said]
      .flatMap(([nodeId, said]) => said.filter(({ args }) => args.sequence === 1n).map((first) => ({ nodeId, first })))
      .filter(({ nodeId, first }) => first.block >= before.block && isBefore(first, takenAt(draw, nodeId)))
      .sort((a, b) => b.first.block - a.first.block || b.first.logIndex - a.first.logIndex)
      .slice(0, MOST_LATE)
      .map(({ nodeId }) => nodeId)
  }

  /** Whoever bonded too late did not take part: they are the last ones, and the root says how many. */
  #thoseOf(epochId: number, { args }: Drawn, nodes: readonly BundledNode[]): readonly BundledNode[] | undefined {
    const hash = this.#keccak256
    const leaves = nodes.map(({ nodeId, identity, role, announcement: said }) => ({
      nodeId,
      identityKey: identity,
      role,
      leaf: said === undefined ? NO_LEAF : announcementLeaf({ nodeId, ...said }, said.data, said.signature, hash),
    }))
    let count = 0
    for (const root of topologyRoots({ epochId, seed: bytes(args.seed), nodes: leaves }, hash)) {
      if (equalBytes(root, bytes(args.root))) return nodes.slice(0, count)
      count++
    }
    return undefined
  }
}

const bundled = ({ args }: Announced): BundledAnnouncement => ({
  sequence: args.sequence,
  capabilities: args.capabilities,
  data: bytes(args.data),
  signature: bytes(args.signature),
})
