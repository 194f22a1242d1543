/**
 * An independent monitor: measures while an epoch runs, seals what it saw, commits to it, and reveals it when all others have committed.
 * It does one step at each look at the ledger, by what the ledger and the disk say, so that a monitor that was killed goes on wherever it
 * stood. Protocol: docs/spec/monitor.md. @module
 */

import type { EntryParams } from '../../client/entryParams.ts'
import type { TicketSource } from '../../client/ticketSource.ts'
import type { TrafficParams } from '../../client/trafficParams.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import type { Counter, Log, Meter } from '../../foundation/base/observe.ts'
import { type Millis, millis, seconds } from '../../foundation/base/units.ts'
import type { Timer } from '../../foundation/platform/clock.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { TopologyProvider } from '../../network/topology/topologyProvider.ts'
import { scoreEpoch } from './epochScores.ts'
import { expectOurTime, expectSameEnd } from './epochTime.ts'
import { decodeEvidence, encodeEvidence, type Observation, type SeenNode } from './evidence.ts'
import { Fleet } from './fleet.ts'
import type { LedgerEpoch, MonitorLedger } from './monitorLedger.ts'
import { DEFAULT_MONITOR_PARAMS, lookIntervalOf, type MonitorParams, measuringTimes } from './monitorParams.ts'
import { ReportStore, type StoredReport } from './reportStore.ts'
import { placeOf } from './testPlan.ts'

export interface MonitorOptions {
  /** Reports and evidence. */
  readonly folder: string
  readonly ledger: MonitorLedger
  /** Of every bonded node, however badly it performs; must be running. */
  readonly topology: TopologyProvider
  /** Percent by node id, from what nodes say of themselves and what the ledger wants of them: the config part of the score. */
  readonly configScores: () => Promise<ReadonlyMap<number, number>>
  readonly traffic: TrafficParams
  readonly entry?: EntryParams | undefined
  readonly tickets?: TicketSource | undefined
  readonly params?: Partial<MonitorParams>
  readonly meter: Meter
  readonly log: Log
}

export type MonitorPhase = 'waiting' | 'measuring' | 'sealing' | 'committed' | 'revealed'

export interface MonitorStatus {
  readonly epochId: number | undefined
  readonly phase: MonitorPhase
  readonly sessions: number
  readonly observations: number
}

interface Measuring {
  readonly epoch: LedgerEpoch
  readonly nodes: readonly Omit<SeenNode, 'config'>[]
  readonly observations: Observation[]
  /** As of its beginning: the directory may be away when it ends. */
  readonly configs: ReadonlyMap<number, number>
}

const FIRST_LOOK = seconds(1)
const SECRET_BYTES = 32

export class Monitor {
  readonly #world: World
  readonly #options: MonitorOptions
  readonly #params: MonitorParams
  readonly #fleet: Fleet
  readonly #store: ReportStore
  readonly #failures: Counter
  readonly #reports: Record<'sealed' | 'committed' | 'revealed', Counter>
  #measuring: Measuring | undefined
  #epochId: number | undefined
  #phase: MonitorPhase = 'waiting'
  /** Of the newest epoch that ran, whether its evidence may be shown. */
  #revealed: number | undefined
  #interval: Millis = FIRST_LOOK
  #timer: Timer | undefined
  #looking: Promise<void> = Promise.resolve()
  #stopped = false

  private constructor(world: World, options: MonitorOptions) {
    const { meter, log, topology, traffic, entry, tickets, folder } = options
    this.#world = world
    this.#options = options
    this.#params = { ...DEFAULT_MONITOR_PARAMS, ...options.params }
    this.#store = new ReportStore(world.files, folder)
    // What costs nothing begins anew.
    const kept = tickets === undefined ? undefined : `${folder}/sessions`
    this.#fleet = new Fleet(world, {
      topology,
      traffic,
      entry,
      tickets,
      folder: kept,
      params: this.#params,
      meter,
      log,
    })
    this.#failures = meter.counter('monitor_failures_total', 'Looks at the ledger that failed')
    const reports = (step: string) => meter.counter('monitor_reports_total', 'Reports by step', { step })
    this.#reports = { sealed: reports('sealed'), committed: reports('committed'), revealed: reports('revealed') }
    meter.gauge('monitor_observations', 'Observations of the epoch', () => this.#measuring?.observations.length ?? 0)
  }

  static start(world: World, options: MonitorOptions): Monitor {
    const monitor = new Monitor(world, options)
    monitor.#fleet.start()
    monitor.#schedule()
    return monitor
  }

  get status(): MonitorStatus {
    return {
      epochId: this.#epochId,
      phase: this.#phase,
      sessions: this.#fleet.sessionCount,
      observations: this.#measuring?.observations.length ?? 0,
    }
  }

  /** Epochs whose evidence can be had, ascending. */
  async publicEpochs(): Promise<number[]> {
    return (await this.#store.epochs()).filter((epochId) => this.#isPublic(epochId))
  }

  /** Canonical bytes; undefined where there are none, or not yet: before the others have committed they could copy it. */
  async evidence(epochId: number): Promise<Uint8Array | undefined> {
    return this.#isPublic(epochId) ? await this.#store.evidence(epochId) : undefined
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    await this.#looking
    await this.#fleet.stop()
  }

  #isPublic(epochId: number): boolean {
    return this.#epochId !== undefined && (epochId < this.#epochId || epochId === this.#revealed)
  }

  #schedule(): void {
    if (this.#stopped) return
    this.#timer = this.#world.clock.after(this.#interval, () => {
      this.#looking = this.#look().finally(() => this.#schedule())
    })
  }

  async #look(): Promise<void> {
    try {
      await this.#step(await this.#options.ledger.epoch())
    } catch (error) {
      // Nobody waits for a look: thrown on, it would end the process. The next look begins from what the ledger and the disk say.
      this.#failures.value++
      const known = isMixnetError(error)
      const what = known ? String(error.details.what ?? error.details.reason ?? '') : String(error)
      this.#options.log.warn('monitor.step-failed', { code: known ? error.code : 'INTERNAL', what })
    }
  }

  async #step(epoch: LedgerEpoch): Promise<void> {
    const { epochId, now } = epoch
    expectOurTime(epoch, this.#world.clock.now())
    this.#interval = lookIntervalOf(epoch, this.#params)
    if (this.#epochId !== epochId) {
      this.#epochId = epochId
      this.#phase = 'waiting'
      await this.#store.prune(this.#params.keepEpochs)
    }
    if (this.#measuring !== undefined && this.#measuring.epoch.epochId !== epochId) this.#stopMeasuring()
    const sealed = this.#measuring === undefined ? await this.#store.report(epochId) : undefined
    if (sealed !== undefined) return await this.#publish(epoch, sealed)
    const times = measuringTimes(epoch, this.#params)
    if (this.#measuring === undefined) {
      if (now >= times.from && now < times.until) await this.#beginMeasuring(epoch)
    } else if (now >= times.sealAt) await this.#seal(this.#measuring)
    else if (now >= times.until) this.#fleet.wind()
  }

  async #beginMeasuring(epoch: LedgerEpoch): Promise<void> {
    const { topology, ledger } = this.#options
    const known = topology.current()
    // Before the change-over has reached the directory; a report of another epoch's set would be of other roles.
    if (known?.epochId !== epoch.epochId) {
      await topology.refresh()
      return
    }
    try {
      expectSameEnd(epoch, known)
    } catch (error) {
      await topology.refresh()
      throw error
    }
    if (!(await ledger.standing(epoch.epochId)).isMonitor) return
    const configs = await this.#options.configScores()
    const { until, deadline } = measuringTimes(epoch, this.#params)
    // The directory may list what the ledger has never seen. A report with such a node is committed to and could not be revealed, for which
    // we would be excluded.
    const nodes = [...known.nodesById.values()]
      .filter(({ nodeId }) => nodeId >= 1 && nodeId <= epoch.lastNodeId)
      .map((node) => ({ nodeId: node.nodeId, place: placeOf(node) }))
    const observations: Observation[] = []
    this.#measuring = { epoch, nodes, observations, configs }
    this.#phase = 'measuring'
    const isSeen = new Set(nodes.map(({ nodeId }) => nodeId))
    const sessions = Math.max(1, this.#fleet.sessionCount)
    const expected = (this.#fleet.rate * sessions * (until - epoch.now)) / 1000
    this.#fleet.record({
      epochId: epoch.epochId,
      startsAt: epoch.startsAt,
      epochLength: millis(epoch.endsAt - epoch.startsAt),
      deadline,
      share: Math.min(1, this.#params.maxTests / expected),
      observed: (seen) => {
        // A node that came into the topology in the middle of the epoch has its turn in the next.
        for (const one of seen) {
          const fits = observations.length < 2 * this.#params.maxTests && one.route.every((id) => isSeen.has(id))
          if (fits) observations.push(one)
        }
      },
    })
  }

  #stopMeasuring(): void {
    this.#measuring = undefined
    this.#fleet.end()
  }

  async #seal({ epoch, nodes, observations, configs: before }: Measuring): Promise<void> {
    this.#phase = 'sealing'
    this.#fleet.end()
    const { epochId, startsAt } = epoch
    const { crypto, random } = this.#world
    const configs = await this.#options.configScores().catch((error: unknown) => {
      if (!isMixnetError(error)) throw error
      return before
    })
    const bytes = encodeEvidence({
      epochId,
      startsAt: Math.floor(startsAt / 1000),
      nodes: nodes.map((node) => ({ ...node, config: configs.get(node.nodeId) })),
      observations,
    })
    // From the bytes, in their order: what everybody else computes.
    const { nodes: scored, links } = scoreEpoch(decodeEvidence(bytes))
    const scores = new Map(scored.flatMap(({ nodeId, score }) => (score === undefined ? [] : [[nodeId, score]])))
    const report: StoredReport = {
      epochId,
      secret: random.stream('monitor-secret').bytes(SECRET_BYTES),
      evidenceHash: crypto.sha256(bytes),
      notBefore: epoch.revealFrom,
      scores,
    }
    await this.#store.save(report, bytes)
    this.#measuring = undefined
    this.#reports.sealed.value++
    this.#options.log.info('monitor.sealed', {
      epoch: epochId,
      observations: observations.length,
      nodes: scores.size,
      badLinks: links.length,
    })
  }

  async #publish({ epochId, now, revealFrom, endsAt }: LedgerEpoch, report: StoredReport): Promise<void> {
    const { ledger, log } = this.#options
    const { committed, isOurs, revealed } = await ledger.standing(epochId, report)
    this.#phase = revealed ? 'revealed' : committed ? 'committed' : 'sealing'
    if (revealed) {
      this.#revealed = epochId
      return
    }
    if (!committed) {
      if (now >= revealFrom) return
      await ledger.commit(report)
      this.#reports.committed.value++
      this.#phase = 'committed'
      log.info('monitor.committed', { epoch: epochId })
      return
    }
    // Sent too early it would be refused, and read by everybody all the same: so whoever tells us the time must not be able to have it sent
    // early. Not ours: refused, and told for nothing.
    const from = Math.max(revealFrom, report.notBefore)
    if (!isOurs || Math.min(now, this.#world.clock.now()) < from || now >= endsAt) return
    await ledger.reveal(report)
    this.#reports.revealed.value++
    this.#phase = 'revealed'
    this.#revealed = epochId
    log.info('monitor.revealed', { epoch: epochId })
  }
}
