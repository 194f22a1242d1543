/** A network in the simulator with a monitor beside it, and a ledger that does nothing but keep time and take reports. */
import assert from 'node:assert/strict'
import { type MonitorConfig, type RunningMonitor, startMonitor } from '../../src/app/node/monitorService.ts'
import { openMonitorTickets } from '../../src/app/node/monitorTickets.ts'
import { type NodePlan, planNetwork } from '../../src/app/testnet/layout.ts'
import {
  type PaidNetwork,
  type Payment,
  startTestnet,
  type Testnet,
  type TestnetNode,
} from '../../src/app/testnet/testnet.ts'
import type { TicketSource } from '../../src/client/ticketSource.ts'
import { DEFAULT_TRAFFIC, type TrafficParams } from '../../src/client/trafficParams.ts'
import { equalBytes } from '../../src/foundation/base/bytes.ts'
import { MixnetError } from '../../src/foundation/base/errors.ts'
import { Meter, silentLog } from '../../src/foundation/base/observe.ts'
import { type Millis, millis, minutes, seconds } from '../../src/foundation/base/units.ts'
import { nullBls } from '../../src/foundation/crypto/nullBls.ts'
import { nullProvider } from '../../src/foundation/crypto/nullProvider.ts'
import { Simulation } from '../../src/foundation/platform/simulated/simulation.ts'
import type { World } from '../../src/foundation/platform/world.ts'
import { DirectoryClient } from '../../src/network/topology/directoryClient.ts'
import type { Topology } from '../../src/network/topology/topology.ts'
import { nodeViewSource } from '../../src/network/topology/topologySources.ts'
import { LocalDkgEngine } from '../../src/protocol/credentials/dkgEngine.ts'
import { LocalEngine } from '../../src/protocol/credentials/localEngine.ts'
import { createScheme } from '../../src/protocol/credentials/scheme.ts'
import { type EpochScores, scoreEpoch } from '../../src/roles/monitor/epochScores.ts'
import { decodeEvidence, MAX_EVIDENCE_BYTES } from '../../src/roles/monitor/evidence.ts'
import type { Monitor } from '../../src/roles/monitor/monitor.ts'
import type { LedgerEpoch, MonitorLedger, SealedReport, Standing } from '../../src/roles/monitor/monitorLedger.ts'
import type { MonitorParams } from '../../src/roles/monitor/monitorParams.ts'

const DIRECTORY_IP = '10.0.0.1'
const MONITOR = 'monitor'
const MONITOR_IP = '10.3.0.1'
export const EPOCH: Millis = seconds(120)
/** A third of a client's, or most of the time is cover. */
const TRAFFIC: TrafficParams = { ...DEFAULT_TRAFFIC, mainStreamInterval: millis(60), loopCoverInterval: millis(600) }

/** Keeps what a ledger keeps, and refuses what it refuses. */
export class TestLedger implements MonitorLedger {
  readonly commits: Map<number, SealedReport> = new Map()
  readonly reveals: Map<number, { readonly report: SealedReport; readonly at: Millis }> = new Map()
  readonly #clock: World['clock']
  readonly #first: { readonly epochId: number; readonly startsAt: Millis }
  /** Until it is cleared, calls fail by this. */
  trouble: MixnetError | undefined
  /** How far its blocks are behind. */
  behind: Millis = millis(0)
  /** What the server that is asked makes of it; writes are judged by the truth. */
  told: (truth: LedgerEpoch) => LedgerEpoch = (truth) => truth
  refusesCommits = false
  lastNodeId = 0xffff_ffff
  refused = 0

  constructor(clock: World['clock'], { epochId, validUntil }: Topology) {
    this.#clock = clock
    this.#first = { epochId, startsAt: millis(validUntil - EPOCH) }
  }

  async epoch(): Promise<LedgerEpoch> {
    this.#check()
    return this.told(this.now())
  }

  now(): LedgerEpoch {
    const now = millis(this.#clock.now() - this.behind)
    const passed = Math.floor((now - this.#first.startsAt) / EPOCH)
    const startsAt = millis(this.#first.startsAt + passed * EPOCH)
    const [revealFrom, endsAt] = [millis(startsAt + 0.75 * EPOCH), millis(startsAt + EPOCH)]
    return { epochId: this.#first.epochId + passed, startsAt, revealFrom, endsAt, now, lastNodeId: this.lastNodeId }
  }

  async standing(epochId: number, report?: SealedReport): Promise<Standing> {
    this.#check()
    const commit = this.commits.get(epochId)
    const isOurs = commit !== undefined && report !== undefined && equalBytes(commit.secret, report.secret)
    return { isMonitor: true, committed: commit !== undefined, isOurs, revealed: this.reveals.has(epochId) }
  }

  async commit(report: SealedReport): Promise<void> {
    this.#check()
    if (this.refusesCommits) {
      this.refused++
      throw outage
    }
    const { epochId, now, revealFrom } = this.now()
    assert.ok(report.epochId === epochId && now < revealFrom, 'a commitment too late')
    assert.ok(!this.commits.has(epochId), 'a second commitment')
    this.commits.set(epochId, report)
  }

  async reveal(report: SealedReport): Promise<void> {
    this.#check()
    const { epochId, now, revealFrom } = this.now()
    assert.ok(report.epochId === epochId && now >= revealFrom, 'a reveal too early')
    assert.deepEqual(this.commits.get(epochId), report, 'another report than the one committed to')
    this.reveals.set(epochId, { report, at: now })
  }

  #check(): void {
    if (this.trouble !== undefined) throw this.trouble
  }
}

interface Choice {
  readonly seed: string
  readonly mixNodes?: number
  /** Names of the gateways that want tickets. */
  readonly paid?: readonly string[]
  /** The monitor buys some. */
  readonly tickets?: boolean
  readonly params?: Partial<MonitorParams>
}

const ISSUER_HOSTS = ['10.5.0.1', '10.5.0.2', '10.5.0.3']
const FAUCET_HOST = '10.5.0.9'
const scheme = createScheme(nullBls)

function paying(simulation: Simulation, engine: LocalEngine, names: readonly string[]) {
  const hosts = new Map([...ISSUER_HOSTS, FAUCET_HOST].map((ip) => [ip, simulation.host(`host-${ip}`, { ips: [ip] })]))
  const paid: PaidNetwork = {
    plan: { hosts: ISSUER_HOSTS, threshold: 2, faucetHost: FAUCET_HOST },
    engine,
    dkgEngine: new LocalDkgEngine(scheme, simulation.random.stream('dkg')),
    worldOf: (host) => hosts.get(host) as World,
  }
  const paymentOf = ({ name }: NodePlan): Payment =>
    names.includes(name) ? { tickets: { required: true, compatible: false }, credentials: engine } : {}
  return { paid, paymentOf }
}

export class MonitoredNetwork {
  readonly simulation: Simulation
  readonly testnet: Testnet
  readonly ledger: TestLedger
  readonly #operator: World
  /** Of the monitor's tickets. */
  readonly #engine: LocalEngine | undefined
  #monitor: RunningMonitor

  private constructor(
    simulation: Simulation,
    testnet: Testnet,
    ledger: TestLedger,
    { monitor, engine }: { readonly monitor: RunningMonitor; readonly engine: LocalEngine | undefined },
  ) {
    this.#engine = engine
    this.simulation = simulation
    this.testnet = testnet
    this.ledger = ledger
    this.#operator = simulation.host('operator', { ips: ['10.4.0.1'] })
    this.#monitor = monitor
  }

  static async start({
    seed,
    mixNodes = 6,
    paid = [],
    tickets = false,
    params = {},
  }: Choice): Promise<MonitoredNetwork> {
    const simulation = new Simulation({ seed, crypto: nullProvider })
    const plans = planNetwork({ mixNodes, entries: 2, exits: 1 }, true).map((plan) => ({
      ...plan,
      host: `10.1.0.${plan.nodeId}`,
    }))
    const engine = new LocalEngine(scheme, simulation.random.stream('engine'))
    const worlds = new Map(plans.map(({ name, host }) => [name, simulation.host(name, { ips: [host] })] as const))
    const testnet = await simulation.complete(
      startTestnet({
        plans,
        folder: 'testnet',
        directory: { host: DIRECTORY_IP, port: 8080 },
        noise: false,
        epochs: { epochLength: EPOCH },
        world: simulation.host('directory', { ips: [DIRECTORY_IP] }),
        worldOf: ({ name }) => worlds.get(name) as World,
        ...(paid.length === 0 ? {} : paying(simulation, engine, paid)),
        logOf: () => silentLog,
      }),
      minutes(2),
    )
    const world = simulation.host(MONITOR, { ips: [MONITOR_IP] })
    const directory = new DirectoryClient(world.net, { baseUrls: [testnet.directoryUrl] })
    const view = await simulation.complete(
      nodeViewSource({ clock: world.clock, directory })(new AbortController().signal),
    )
    const ledger = new TestLedger(simulation.clock, view.topology)
    const wallet = tickets ? await simulation.complete(walletIn(world, testnet, engine)) : undefined
    const monitor = await simulation.complete(monitorIn(world, ledger, testnet, wallet, params), minutes(1))
    return new MonitoredNetwork(simulation, testnet, ledger, { monitor, engine: tickets ? engine : undefined })
  }

  get monitor(): Monitor {
    return this.#monitor.monitor
  }

  get nodeIds(): number[] {
    return this.testnet.nodes.map(({ plan }) => plan.nodeId)
  }

  /** At least one. */
  mixesOf(layer: 1 | 2 | 3): [TestnetNode, ...TestnetNode[]] {
    return this.testnet.nodes.filter(({ plan }) => plan.layer === layer) as [TestnetNode, ...TestnetNode[]]
  }

  /** It loses so much of what it should hand on. */
  degradeNode(node: TestnetNode, loss: number): void {
    for (const other of this.testnet.nodes) if (other !== node) this.degradeLink(node, other, loss)
  }

  degradeLink(from: TestnetNode, to: TestnetNode, loss: number): void {
    this.simulation.shapeLink(from.plan.name, to.plan.name, { loss })
  }

  /** Kills the monitor, and starts it anew on what it left behind. */
  async restartMonitor(): Promise<void> {
    const world = this.simulation.restart(MONITOR)
    const wallet = this.#engine && (await this.simulation.complete(walletIn(world, this.testnet, this.#engine)))
    this.#monitor = await this.simulation.complete(monitorIn(world, this.ledger, this.testnet, wallet), minutes(1))
  }

  crashMonitor(): void {
    this.simulation.crash(MONITOR)
  }

  /** Virtual time until it holds; fails where it does not come to hold. */
  async until(what: string, holds: () => boolean, limit: Millis = millis(3 * EPOCH)): Promise<void> {
    const end = this.simulation.clock.monotonic() + limit
    while (!holds()) {
      assert.ok(this.simulation.clock.monotonic() < end, `never: ${what}`)
      await this.simulation.runFor(millis(250))
    }
  }

  /** As somebody somewhere on the net. */
  async ask(path: string): Promise<{ readonly status: number; readonly body: Uint8Array }> {
    const { host, port } = this.#monitor.endpoint
    const asking = this.#operator.net.request({
      url: `http://${host}:${port}/api${path}`,
      timeout: seconds(5),
      maxBodyBytes: MAX_EVIDENCE_BYTES,
    })
    return await this.simulation.complete(asking)
  }

  /** Of the first whole epoch from now: what its evidence says, which is what was revealed. */
  async epochScores(): Promise<EpochScores> {
    const whole = this.ledger.now().epochId + 1
    await this.until('a reveal', () => this.ledger.reveals.has(whole))
    const { body: bytes } = await this.ask(`/v1/monitor/epochs/${whole}/evidence`)
    const { report } = this.ledger.reveals.get(whole) as { report: SealedReport }
    assert.deepEqual(report.evidenceHash, this.#operator.crypto.sha256(bytes))
    const scores = scoreEpoch(decodeEvidence(bytes))
    assert.deepEqual(
      [...report.scores],
      scores.nodes.flatMap(({ nodeId, score }) => (score === undefined ? [] : [[nodeId, score]])),
    )
    await this.simulation.complete(this.#monitor.stop())
    return scores
  }
}

async function walletIn(world: World, { directoryUrl }: Testnet, engine: LocalEngine): Promise<TicketSource> {
  const { wallet } = await openMonitorTickets(world, {
    folder: `${MONITOR}/tickets`,
    directories: [directoryUrl],
    engine: () => engine,
    log: silentLog,
  })
  return wallet
}

function monitorIn(
  world: World,
  ledger: MonitorLedger,
  { directoryUrl }: Testnet,
  tickets?: TicketSource,
  params: Partial<MonitorParams> = {},
): Promise<RunningMonitor> {
  const config: MonitorConfig = {
    name: MONITOR,
    listen: { host: MONITOR_IP, port: 8095 },
    data: 'monitor',
    directories: [directoryUrl],
    traffic: 'default',
    keepEpochs: 2,
    local: true,
  }
  const meter = new Meter()
  const options = { ledger, configScore: () => 100, traffic: TRAFFIC, tickets, params, meter, log: silentLog }
  return startMonitor(world, config, options)
}

export const outage: MixnetError = new MixnetError('TIMEOUT', { what: 'ledger' })
