/**
 * The monitor's sessions, one a gateway, and the tests that go between them. They stay open and send all the time, as clients do that are
 * left running; what is noted for a report is decided apart, packet by packet and before it leaves, so that nothing outside shows it.
 * @module
 */

import type { EntryParams } from '../../client/entryParams.ts'
import type { TicketSource } from '../../client/ticketSource.ts'
import type { TrafficParams } from '../../client/trafficParams.ts'
import type { Counter, Log, Meter } from '../../foundation/base/observe.ts'
import { type Millis, seconds } from '../../foundation/base/units.ts'
import type { Timer } from '../../foundation/platform/clock.ts'
import type { ClientWorld } from '../../foundation/platform/world.ts'
import type { NodeDescriptor, Topology } from '../../network/topology/topology.ts'
import type { TopologyProvider } from '../../network/topology/topologyProvider.ts'
import type { MixnetPacket } from '../../protocol/packet/prepare.ts'
import { Deck } from './decks.ts'
import { MAX_SECOND, type Observation } from './evidence.ts'
import type { MonitorParams } from './monitorParams.ts'
import { prepareTestPacket } from './testPacket.ts'
import { TestPlan, testedGateways } from './testPlan.ts'
import { TestSession, type TestSessionOptions } from './testSession.ts'
import { type Test, TestTracker } from './testTracker.ts'

export interface FleetOptions {
  readonly topology: TopologyProvider
  readonly traffic: TrafficParams
  readonly entry?: EntryParams | undefined
  readonly tickets?: TicketSource | undefined
  /**
   * Where sessions that pay are kept between starts: one for each gateway that is left, and no more. Who starts anew with strangers to
   * every gateway pays them all again, and shows all of them that it was started. Default: they end with the process.
   */
  readonly folder?: string | undefined
  readonly params: MonitorParams
  readonly meter: Meter
  readonly log: Log
}

/** What is noted while an epoch is measured. */
export interface Recording {
  readonly epochId: number
  /** Wall clock. */
  readonly startsAt: Millis
  readonly epochLength: Millis
  readonly deadline: Millis
  /** Of the tests that are sent, the part that is noted: 0 to 1. */
  readonly share: number
  readonly observed: (observations: readonly Observation[]) => void
}

const REVIEW_INTERVAL = seconds(1)
const MOST_NUMBER = 2 ** 31 - 1

interface Prepared {
  readonly packet: MixnetPacket
  readonly test: Omit<Test, 'sentAt' | 'second' | 'epochId'>
}

export class Fleet {
  readonly #world: ClientWorld
  readonly #options: FleetOptions
  readonly #tracker: TestTracker
  readonly #sessions = new Map<number, TestSession>()
  readonly #opening = new Set<number>()
  /** Those that are opening, and those that close: waited for when it stops. */
  readonly #underWay = new Set<Promise<void>>()
  readonly #sent: Counter
  #plan: TestPlan | undefined
  #ends: Deck<TestSession> | undefined
  #gateways: Deck<number> | undefined
  #recording: Recording | undefined
  #prepared: Prepared | undefined
  #review: Timer | undefined
  #unsubscribe: () => void = () => {}
  #number = 0
  #sessionNumber = 0
  /** By gateway: the next session there begins when it is over, in the same folder. */
  readonly #ending = new Map<number, Promise<void>>()
  #owed = new Map<number, number>()
  #stopped = false

  constructor(world: ClientWorld, options: FleetOptions) {
    this.#world = world
    this.#options = options
    const { meter, params } = options
    this.#sent = meter.counter('monitor_tests_total', 'Test packets that left and were noted')
    meter.gauge('monitor_sessions', 'Sessions that are open', () => this.#openSessions().length)
    meter.gauge('monitor_sessions_unpaid', 'Sessions whose gateway waits for a ticket that we do not have', () =>
      [...this.#sessions.values()].reduce((sum, { isUnpaid }) => sum + Number(isUnpaid), 0),
    )
    this.#tracker = new TestTracker({
      crypto: world.crypto,
      most: params.maxOutstanding,
      deadline: () => this.#recording?.deadline ?? params.packetDeadline,
      settled: (epochId, observations) => {
        if (this.#recording?.epochId === epochId) this.#recording.observed(observations)
      },
      meter,
    })
  }

  start(): void {
    const { topology } = this.#options
    this.#number = this.#world.random.stream('monitor-numbers').u32() % MOST_NUMBER
    this.#unsubscribe = topology.onChange(() => this.#networkChanged())
    this.#networkChanged()
    this.#scheduleReview()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#review?.cancel()
    this.#unsubscribe()
    await Promise.all([...this.#sessions.values()].map((session) => session.close()))
    this.#sessions.clear()
    await Promise.all(this.#underWay)
  }

  /** From now on; the tests of an earlier recording are forgotten. */
  record(recording: Recording): void {
    this.#tracker.forgetAll()
    this.#owed.clear()
    this.#recording = recording
    // Its turn for those that had none.
    this.#changeSome(recording.epochLength)
  }

  /** No new ones are noted; those on their way go on until `end`. */
  wind(): void {
    if (this.#recording !== undefined) this.#recording = { ...this.#recording, share: 0 }
  }

  /** Judges what can be judged, and notes nothing any more. */
  end(): void {
    this.#tracker.review(this.#world.clock.monotonic())
    this.#tracker.forgetAll()
    this.#recording = undefined
  }

  /** Packets a second of a session, both streams. */
  get rate(): number {
    const { mainStreamInterval, loopCoverInterval } = this.#options.traffic
    const perSecond = (interval: Millis | undefined) => (interval === undefined ? 0 : 1000 / interval)
    return perSecond(mainStreamInterval) + perSecond(loopCoverInterval)
  }

  get sessionCount(): number {
    return this.#sessions.size
  }

  #networkChanged(): void {
    const topology = this.#options.topology.current()
    if (topology === undefined || this.#stopped) return
    this.#plan = new TestPlan(this.#world.random, topology)
    this.#manTheGateways(topology)
  }

  #manTheGateways(topology: Topology): void {
    const gateways = testedGateways(topology)
    const byId = new Map(gateways.map((node) => [node.nodeId, node]))
    for (const nodeId of this.#sessions.keys()) if (!byId.has(nodeId)) this.#close(nodeId)
    const ids = gateways.map(({ nodeId }) => nodeId)
    if (this.#gateways === undefined || this.#gateways.size !== ids.length) {
      this.#gateways = new Deck(this.#world.random.stream('monitor-gateways'), ids)
    }
    const isManned = (id: number) => this.#sessions.has(id) || this.#opening.has(id)
    const free = () => Math.min(ids.length, this.#options.params.maxSessions) - this.#sessions.size - this.#opening.size
    for (let tries = 2 * ids.length; free() > 0 && tries > 0; tries--) {
      const node = byId.get(this.#gateways.drawWhere((id) => byId.has(id) && !isManned(id)) ?? 0)
      if (node !== undefined) this.#open(node)
    }
  }

  /** A part of the sessions ends and others begin: gateways without one have their turn, and no gateway keeps one for ever. */
  #changeSome(epochLength: Millis): void {
    const topology = this.#options.topology.current()
    if (topology === undefined) return
    const stream = this.#world.random.stream('monitor-sessions')
    const { maxSessions, sessionLife } = this.#options.params
    const isCrowded = testedGateways(topology).length > maxSessions
    for (const nodeId of [...this.#sessions.keys()]) {
      if (isCrowded || stream.uniform() * sessionLife < epochLength) this.#end(nodeId)
    }
    this.#manTheGateways(topology)
  }

  #open(gateway: NodeDescriptor): void {
    const { topology, traffic, entry, tickets, folder, log } = this.#options
    const { clock } = this.#world
    const number = ++this.#sessionNumber
    const { nodeId, identity } = gateway
    this.#opening.add(nodeId)
    const options: TestSessionOptions = {
      number,
      gateway: { nodeId, identity },
      topology,
      traffic,
      entry,
      tickets,
      folder: folder === undefined ? undefined : `${folder}/${nodeId}`,
      log,
      prepare: (session) => this.#prepare(session, gateway),
      transmitted: (packet) => this.#transmitted(packet),
      arrived: (session, pushed) => this.#tracker.arrived(session.number, pushed, clock.monotonic()),
      acknowledged: (session, test) => this.#tracker.acknowledged(session.number, test, clock.monotonic()),
    }
    this.#waitFor(
      (this.#ending.get(nodeId) ?? Promise.resolve())
        .then(() => TestSession.open(this.#world, options))
        .finally(() => this.#opening.delete(nodeId))
        .then(async (session) => {
          if (this.#stopped) return await session.close()
          this.#sessions.set(nodeId, session)
          this.#ends = undefined
        }),
    )
  }

  /** Its gateway is not listed any more. Where it comes back, so does its session. */
  #close(nodeId: number): void {
    this.#endWith(nodeId, (session) => session.close())
  }

  #end(nodeId: number): void {
    this.#endWith(nodeId, (session) => session.end(this.#world))
  }

  #endWith(nodeId: number, end: (session: TestSession) => Promise<void>): void {
    const session = this.#sessions.get(nodeId)
    if (session === undefined) return
    this.#sessions.delete(nodeId)
    this.#ends = undefined
    const ending = this.#waitFor(end(session)).finally(() => {
      if (this.#ending.get(nodeId) === ending) this.#ending.delete(nodeId)
    })
    this.#ending.set(nodeId, ending)
  }

  /** Never rejects. */
  #waitFor(work: Promise<void>): Promise<void> {
    const waiting = work
      .catch(() => this.#options.log.warn('monitor.session-failed'))
      .finally(() => this.#underWay.delete(waiting))
    this.#underWay.add(waiting)
    return waiting
  }

  #prepare(session: TestSession, gateway: NodeDescriptor): MixnetPacket | undefined {
    const plan = this.#plan
    this.#ends ??= new Deck(this.#world.random.stream('monitor-ends'), [...this.#sessions.values()])
    const end = this.#ends.drawWhere(({ isOpen }) => isOpen)
    const [mixes, way] = [plan?.mixes(), plan?.wayHome()]
    const last = end && plan?.topology.nodesById.get(end.nodeId)
    // By the topology of the moment: keys change under a session.
    const first = plan?.topology.nodesById.get(gateway.nodeId)
    if (!plan || !end || !mixes || !way || !last || !first) return undefined
    this.#number = (this.#number % MOST_NUMBER) + 1
    const { averagePacketDelay: packetDelay, averageAckDelay: ackDelay } = this.#options.traffic
    const { crypto, random } = this.#world
    const packet = prepareTestPacket(crypto, random.stream('monitor-packets'), {
      topology: plan.topology,
      out: [...mixes, last],
      home: [...way, first],
      sender: { address: session.address, ackKey: session.keys.ackKey.expose() },
      recipient: end.address,
      number: this.#number,
      packetDelay,
      ackDelay,
    })
    const { variant, key } = packet
    const idsOf = (nodes: readonly NodeDescriptor[]) => nodes.map(({ nodeId }) => nodeId)
    this.#prepared = {
      packet,
      test: {
        number: this.#number,
        variant,
        key,
        from: session.number,
        to: end.number,
        out: [first.nodeId, ...idsOf(mixes), last.nodeId],
        home: [last.nodeId, ...idsOf(way), first.nodeId],
      },
    }
    return packet
  }

  #transmitted(packet: MixnetPacket): void {
    const prepared = this.#prepared
    const recording = this.#recording
    this.#prepared = undefined
    if (prepared?.packet !== packet || recording === undefined || recording.epochId !== this.#plan?.topology.epochId) {
      return
    }
    if (!this.#tracker.hasRoom || this.#world.random.stream('monitor-share').uniform() >= recording.share) return
    const { clock } = this.#world
    this.#sent.value++
    this.#tracker.sent({
      ...prepared.test,
      sentAt: clock.monotonic(),
      second: this.#secondOf(recording),
      epochId: recording.epochId,
    })
  }

  #scheduleReview(): void {
    this.#review = this.#world.clock.after(REVIEW_INTERVAL, () => {
      this.#tracker.review(this.#world.clock.monotonic())
      this.#accountForClosedDoors()
      this.#scheduleReview()
    })
  }

  /**
   * A gateway that does not let us in: the tests that would have left count as lost by it. Where half of the gateways are away, it is
   * we who are: then nothing that is on its way counts either, whoever is to blame. One that waits for a ticket which we do not have has
   * done nothing wrong, and is not heard of.
   */
  #accountForClosedDoors(): void {
    const recording = this.#recording
    const sessions = [...this.#sessions.values()].filter(({ isUnpaid }) => !isUnpaid)
    if (recording === undefined || sessions.length === 0) return
    const { loginGrace } = this.#options.params
    const grace = Math.min(loginGrace, recording.deadline)
    const away = sessions.filter((session) => session.downFor > grace)
    if (2 * this.#openSessions().length < sessions.length) {
      if (away.length > 0) this.#tracker.forgetAll()
      return
    }
    for (const { nodeId } of away) {
      const owed = (this.#owed.get(nodeId) ?? 0) + (this.rate * recording.share * REVIEW_INTERVAL) / 1000
      const whole = Math.floor(owed)
      this.#owed.set(nodeId, owed - whole)
      const login: Observation = {
        kind: 'login',
        second: this.#secondOf(recording),
        route: [nodeId],
        delivered: false,
      }
      if (whole > 0) recording.observed(Array.from({ length: whole }, () => login))
    }
  }

  #openSessions(): TestSession[] {
    return [...this.#sessions.values()].filter(({ isOpen }) => isOpen)
  }

  #secondOf({ startsAt }: Recording): number {
    return Math.min(MAX_SECOND, Math.max(0, Math.floor((this.#world.clock.now() - startsAt) / 1000)))
  }
}
