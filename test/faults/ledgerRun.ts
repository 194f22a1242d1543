/**
 * A ledger with everything around it that moves it, in the simulator: a chain with the deployed contracts, bonded nodes that announce,
 * monitors that report, people who delegate and leave, epoch drivers, and a directory that listens. No packets. @module
 */
import { keccak256 } from 'viem/utils'
import { announceOnce } from '../../src/app/node/ledgerAnnouncing.ts'
import { epochLedger, hexOfBytes, ledgerSource } from '../../src/app/node/ledgerSources.ts'
import { performanceLedger } from '../../src/app/node/performanceLedger.ts'
import { fromHex } from '../../src/foundation/base/bytes.ts'
import { isMixnetError } from '../../src/foundation/base/errors.ts'
import { Meter, silentLog } from '../../src/foundation/base/observe.ts'
import { Secret } from '../../src/foundation/base/secret.ts'
import { type Millis, millis, minutes, seconds } from '../../src/foundation/base/units.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { sleep } from '../../src/foundation/platform/clock.ts'
import { below, type RandomStream } from '../../src/foundation/platform/random.ts'
import { Simulation } from '../../src/foundation/platform/simulated/simulation.ts'
import type { Trace } from '../../src/foundation/platform/simulated/trace.ts'
import type { World } from '../../src/foundation/platform/world.ts'
import { CONTRACT_ARTEFACTS } from '../../src/network/ledger/contractArtefacts.ts'
import { deployLedger } from '../../src/network/ledger/deploy.ts'
import type { Deployment } from '../../src/network/ledger/deployment.ts'
import { type DeploymentParams, localNetwork } from '../../src/network/ledger/deploymentParams.ts'
import type { AnyLedgerEvent, Ledger, LedgerAccount, Signer } from '../../src/network/ledger/ledger.ts'
import { openLedger } from '../../src/network/ledger/rpcLedger.ts'
import { keySigner } from '../../src/network/ledger/signers.ts'
import { bondingPayload } from '../../src/protocol/economy/bondingPayload.ts'
import { CAPABILITY } from '../../src/protocol/economy/draw.ts'
import type { RewardedSet } from '../../src/protocol/wire/directory/epochs.ts'
import { EpochDriver, type EpochDriverParams, type EpochStep } from '../../src/roles/directory/epochDriver.ts'
import { LedgerNetwork } from '../../src/roles/directory/ledgerNetwork.ts'
import type { MonitorLedger, SealedReport } from '../../src/roles/monitor/monitorLedger.ts'
import { SimulatedChain } from '../support/simulatedChain.ts'

export const EPOCH: Millis = seconds(60)
export const BLOCK: Millis = seconds(2)
const COSTS = {
  profitMargin: 2n * 10n ** 17n,
  intervalOperatingCost: 40_000_000n,
}
const NYM = 1_000_000n
const CHAIN_IP = '10.0.0.1'
const COINS = 10n ** 21n
/** Small batches, so that an epoch takes many transactions. */
const DRIVER: Partial<EpochDriverParams> = {
  batches: { settle: 1, reward: 3, reconcile: 2, draw: 5 },
  stagger: seconds(2),
  patience: seconds(4),
  blockLag: seconds(5),
  poll: seconds(20),
  longestRetry: seconds(10),
}
const CONFIRMATIONS = 5
const { mix, entry, exitRequester } = CAPABILITY
/** In the order of their ids. */
export const CAPABILITIES: readonly number[] = [
  ...[mix, mix, mix, mix, mix, mix],
  ...[entry, entry, entry],
  ...[entry | exitRequester, entry | exitRequester, entry | exitRequester],
]

export const key = (n: number): Secret => new Secret(fromHex(String(n).padStart(64, '0')))
export const keccak = (bytes: Uint8Array): Uint8Array => keccak256(bytes, 'bytes')

/** Percent; undefined where it says nothing. */
export type Opinion = (nodeId: number, epochId: number) => number | undefined

export interface Habit {
  readonly opinion: Opinion
  /** Whether it commits, and reveals, in that epoch. Default: it does. */
  readonly commits?: (epochId: number) => boolean
  readonly reveals?: (epochId: number) => boolean
  /** Before the end of the epoch; default: as soon as it may. */
  readonly revealsBefore?: Millis
  /** NYM. */
  readonly stake?: bigint
}

/** What becomes of the driver that is about to write, or has: `when` it dies. */
export type Death = 'before' | 'midway' | 'after'
export interface Write {
  readonly driver: number
  readonly epochId: number
  /** From 0, of all drivers in the epoch. */
  readonly number: number
  readonly step: EpochStep | 'restart'
}

export interface LedgerRunOptions {
  readonly seed: string
  readonly monitors: readonly Habit[]
  readonly params?: Partial<DeploymentParams>
  readonly trace?: Trace
  /** When it is in a block. */
  readonly onWritten?: (write: Write) => void
  /** Asked before each write of a driver. */
  readonly death?: (write: Write) => Death | undefined
  readonly drivers?: number
  /** People who delegate, undelegate and take what they earned all the time. Default: 3. */
  readonly crowd?: number
}

/** What the directory told last of an epoch. */
export interface Told {
  readonly epochId: number
  readonly set: RewardedSet
}

export class LedgerRun {
  readonly simulation: Simulation
  readonly chain: SimulatedChain
  readonly url: string
  readonly options: LedgerRunOptions
  deployment!: Deployment
  readonly owners: LedgerAccount[] = []
  readonly monitors: PaperMonitor[] = []
  /** In the order in which it was heard; an epoch again where another set was told for it. */
  readonly told: Told[] = []
  readonly writes: Write[] = []
  readonly deaths: (Write & { readonly death: Death })[] = []
  /** Of topologies to check, per epoch: whether the directory had one when it was asked. */
  readonly bundles: Map<number, boolean> = new Map()
  readonly #drivers = new Map<number, EpochDriver>()
  readonly #writesIn = new Map<number, number>()
  #hosts = 0
  network!: LedgerNetwork
  ledger!: Ledger

  private constructor(simulation: Simulation, chain: SimulatedChain, url: string, options: LedgerRunOptions) {
    this.simulation = simulation
    this.chain = chain
    this.url = url
    this.options = options
  }

  static async start(options: LedgerRunOptions): Promise<LedgerRun> {
    const { seed, trace, monitors, drivers = 2, crowd = 3 } = options
    const simulation = new Simulation({ seed, crypto: nodeProvider, ...(trace === undefined ? {} : { trace }) })
    const host = simulation.host('chain', { ips: [CHAIN_IP] })
    const chain = await SimulatedChain.create(host, { host: CHAIN_IP, blockTime: BLOCK })
    const url = await simulation.complete(chain.serve({ host: CHAIN_IP }))
    const run = new LedgerRun(simulation, chain, url, options)
    await run.#deploy()
    await run.#bondAll(monitors, crowd)
    const directory = run.host('directory')
    run.network = await run.complete(
      LedgerNetwork.open({
        world: directory,
        source: ledgerSource(run.open(directory), keccak),
        params: { confirmations: CONFIRMATIONS, poll: seconds(5) },
        meter: new Meter(),
        log: silentLog,
      }),
    )
    run.#hear()
    run.network.start(() => run.#hear())
    for (let i = 0; i < drivers; i++) run.startDriver(i, run.host(driverName(i)))
    return run
  }

  complete<T>(work: Promise<T>, limit: Millis = minutes(10)): Promise<T> {
    return this.simulation.complete(work, limit)
  }

  host(name: string): World {
    return this.simulation.host(name, { ips: [`10.0.1.${++this.#hosts}`] })
  }

  open(world: World, urls: readonly string[] = [this.url]): Ledger {
    return openLedger(world, { urls, deployment: this.deployment, replaceAfter: seconds(15) })
  }

  async #deploy(): Promise<void> {
    const world = this.host('deployer')
    const signer = keySigner(key(1))
    await this.chain.fund(signer.address, COINS)
    const params = {
      ...localNetwork(Math.floor(world.clock.now() / 1000)),
      epochsInInterval: 5,
      epochSeconds: EPOCH / 1000,
      ...this.options.params,
    }
    const wanted = { urls: [this.url], chainId: undefined, signer, params, artefacts: CONTRACT_ARTEFACTS }
    this.deployment = await this.complete(deployLedger(world, { ...wanted, path: 'deployment.json' }))
    this.ledger = this.open(world)
  }

  async #bondAll(monitors: readonly Habit[], crowd: number): Promise<void> {
    // One after the other, for their ids; all of what comes before at once.
    for (const i of CAPABILITIES.keys()) await this.complete(this.bond(i))
    await this.complete(Promise.all(CAPABILITIES.map((_, i) => this.announce(i, 1789))))
    for (const [i, habit] of monitors.entries()) {
      const stake = (habit.stake ?? 1000n) * NYM
      const account = await this.complete(this.#funded(300 + i, stake))
      const join = async () => {
        await account.allow('performance', stake)
        await account.write('performance', 'join', [stake, true, ''])
      }
      await this.complete(join())
      const world = this.host(`monitor-${i}`)
      this.monitors.push(new PaperMonitor(world, this.open(world), keySigner(key(300 + i)), habit))
    }
    for (let i = 0; i < crowd; i++) {
      const account = await this.complete(this.#funded(400 + i, 5_000_000n * NYM))
      await this.complete(account.allow('mixnet', 5_000_000n * NYM))
      void delegateAllTheTime(this.ledger, this.host(`delegator-${i}`), account)
    }
  }

  async #funded(n: number, unym: bigint): Promise<LedgerAccount> {
    const treasury = this.ledger.account(keySigner(key(1)))
    const signer = keySigner(key(n))
    await this.chain.fund(signer.address, COINS)
    if (unym > 0n) await treasury.write('token', 'transfer', [signer.address, unym])
    return this.ledger.account(signer)
  }

  async bond(i: number): Promise<void> {
    const pledge = pledgeOf(i)
    const owner = await this.#funded(100 + i, pledge)
    this.owners[i] = owner
    await owner.allow('mixnet', pledge)
    const identityKey = nodeProvider.ed25519PublicKey(identitySeed(i))
    const [host, httpPort] = [`n${i + 1}.example`, 0]
    const { chainId, addresses } = this.ledger.deployment
    const place = { chainId, mixnet: addresses.mixnet, owner: owner.address, nonce: 0 }
    const payload = bondingPayload({ ...place, identityKey, host, httpPort, ...COSTS, pledge })
    const signature = nodeProvider.ed25519Sign(identitySeed(i), payload)
    const [r, s] = [hexOfBytes(signature.subarray(0, 32)), hexOfBytes(signature.subarray(32))]
    await owner.write('mixnet', 'bond', [hexOfBytes(identityKey), host, httpPort, COSTS, pledge, r, s])
  }

  /** Says what the node has to say, with another port where it is to be something new. */
  announce(i: number, mixPort: number): Promise<boolean | undefined> {
    return announceOnce({
      ledger: this.ledger,
      account: this.owners[i]!,
      keccak256: keccak,
      world: { clock: this.simulation.clock, crypto: nodeProvider },
      identity: nodeProvider.ed25519PublicKey(identitySeed(i)),
      identitySeed: identitySeed(i),
      said: () => ({
        announcement: {
          ipAddresses: [`10.9.0.${i + 1}`],
          mixPort,
          hostname: undefined,
          wsPort: 0,
          wssPort: undefined,
          sphinxKeys: [{ rotationId: 1, publicKey: nodeProvider.x25519Base(identitySeed(i)) }],
          noiseKey: undefined,
          buildVersion: '1.0.0',
        },
        capabilities: CAPABILITIES[i] ?? mix,
      }),
      log: silentLog,
    })
  }

  // ---- drivers

  startDriver(i: number, world: World, urls: readonly string[] = [this.url]): void {
    const ledger = this.open(world, urls)
    const signer = keySigner(key(10 + i))
    void this.chain.fund(signer.address, COINS)
    const steps = epochLedger(ledger, ledger.account(signer), keccak)
    let epochId = 0
    const write = (step: Write['step'], send: () => Promise<void>) => this.#write(i, epochId, step, send)
    const driver = new EpochDriver({
      world,
      ledger: {
        async read() {
          const reading = await steps.read()
          epochId = reading.epochId
          return reading
        },
        plan: (id) => steps.plan(id),
        settle: (...args) => write('settle', () => steps.settle(...args)),
        begin: () => write('begin', () => steps.begin()),
        reward: (...args) => write('reward', () => steps.reward(...args)),
        reconcile: (...args) => write('reconcile', () => steps.reconcile(...args)),
        draw: (...args) => write('draw', () => steps.draw(...args)),
        restart: () => write('restart', () => steps.restart()),
      },
      params: DRIVER,
      meter: new Meter(),
      log: silentLog,
    })
    this.#drivers.set(i, driver)
    driver.start()
  }

  async #write(driver: number, epochId: number, step: Write['step'], send: () => Promise<void>): Promise<void> {
    const number = this.#writesIn.get(epochId) ?? 0
    this.#writesIn.set(epochId, number + 1)
    const write = { driver, epochId, number, step }
    this.writes.push(write)
    const death = this.options.death?.(write)
    if (death === undefined) {
      await send()
      return this.options.onWritten?.(write)
    }
    this.deaths.push({ ...write, death })
    if (death === 'before') return this.#die(driver)
    if (death === 'after') {
      await send()
      return this.#die(driver)
    }
    // It is on its way or in a block, and nobody is there any more who would know.
    void send().catch(() => {})
    await sleep(this.simulation.clock, millis(300))
    return this.#die(driver)
  }

  /** Comes back after a while, and finds what the others did. Never resolves: who would it tell? */
  #die(i: number): Promise<never> {
    this.killDriver(i, seconds(25))
    return new Promise(() => {})
  }

  killDriver(i: number, away: Millis): void {
    const { clock } = this.simulation
    clock.after(millis(0), () => this.simulation.crash(driverName(i)))
    clock.after(away, () => this.startDriver(i, this.simulation.restart(driverName(i))))
  }

  // ---- time

  get epochId(): number {
    return this.network.snapshot.epochId
  }

  async until(what: string, holds: () => boolean | Promise<boolean>, limit: Millis = minutes(10)): Promise<void> {
    const end = this.simulation.clock.monotonic() + limit
    while (!(await holds())) {
      if (this.simulation.clock.monotonic() >= end) throw new Error(`never: ${what}`)
      await this.simulation.runFor(millis(500))
    }
  }

  /** Until the directory has heard of that epoch. */
  untilEpoch(epochId: number, limit: Millis = minutes(10)): Promise<void> {
    return this.until(`epoch ${epochId}`, () => this.epochId >= epochId, limit)
  }

  #hear(): void {
    const { epochId } = this.network.snapshot
    const last = this.told.at(-1)
    const { set } = this.network.roles.assign(this.network.epochs.current(), [])
    if (last?.epochId === epochId && JSON.stringify(last.set) === JSON.stringify(set)) return
    this.told.push({ epochId, set })
    if (last?.epochId === epochId) return
    this.simulation.clock.after(seconds(10), () => {
      void this.network.topology(epochId).then((text) => this.bundles.set(epochId, text !== undefined))
    })
  }

  /** Everything that happened on the chain as it is now. */
  async events(): Promise<readonly AnyLedgerEvent[]> {
    const found: AnyLedgerEvent[] = []
    let page = await this.complete(this.ledger.allEvents({}))
    found.push(...page.events)
    while (!page.complete) {
      page = await this.complete(this.ledger.allEvents({ cursor: page.cursor }))
      found.push(...page.events)
    }
    return found
  }
}

const driverName = (i: number): string => `driver-${i}`
const identitySeed = (i: number): Uint8Array => nodeProvider.sha256(key(200 + i).expose())
/** Different ones, none round. */
export const pledgeOf = (i: number): bigint => (200_000n + 61_003n * BigInt(i)) * NYM + BigInt(i)

/** A monitor that measured nothing: its opinions are given, and it brings them to the ledger as monitors do. */
export class PaperMonitor {
  readonly account: LedgerAccount
  readonly habit: Habit
  readonly #ledger: MonitorLedger
  readonly #world: World
  readonly #random: RandomStream
  readonly #reports = new Map<number, SealedReport>()

  /** `signer`: of somebody who has joined. */
  constructor(world: World, ledger: Ledger, signer: Signer, habit: Habit) {
    this.habit = habit
    this.#world = world
    this.#random = world.random.stream('paper monitor')
    this.account = ledger.account(signer)
    this.#ledger = performanceLedger(ledger, this.account, keccak)
    void this.#work()
  }

  async #work(): Promise<void> {
    for (;;) {
      await this.#turn().catch((error: unknown) => {
        if (!isMixnetError(error)) throw error
      })
      await sleep(this.#world.clock, millis(4000 + 2000 * this.#random.uniform()))
    }
  }

  async #turn(): Promise<void> {
    const { commits = () => true, reveals = () => true, revealsBefore } = this.habit
    const { epochId, now, revealFrom, startsAt, endsAt } = await this.#ledger.epoch()
    if (now >= endsAt || !commits(epochId)) return
    const report = this.#reportOf(epochId)
    const standing = await this.#ledger.standing(epochId, report)
    if (now < revealFrom) {
      if (standing.isMonitor && !standing.committed && now > startsAt + EPOCH / 10) await this.#ledger.commit(report)
      return
    }
    if (!standing.isOurs || standing.revealed || !reveals(epochId)) return
    if (revealsBefore !== undefined && now < endsAt - revealsBefore) return
    await this.#ledger.reveal(report)
  }

  #reportOf(epochId: number): SealedReport {
    const known = this.#reports.get(epochId)
    if (known !== undefined) return known
    const scores = new Map<number, number>()
    for (const i of CAPABILITIES.keys()) {
      const score = this.habit.opinion(i + 1, epochId)
      if (score !== undefined) scores.set(i + 1, score)
    }
    const report = { epochId, secret: this.#random.bytes(32), evidenceHash: this.#random.bytes(32), scores }
    this.#reports.set(epochId, report)
    for (const old of this.#reports.keys()) if (old + 3 < epochId) this.#reports.delete(old)
    return report
  }
}

async function delegateAllTheTime(ledger: Ledger, world: World, account: LedgerAccount): Promise<void> {
  const random = world.random.stream('delegator')
  const nodes = new Map<number, bigint>()
  for (;;) {
    await sleep(world.clock, millis(8_000 + 30_000 * random.uniform()))
    const nodeId = 1 + below(random, CAPABILITIES.length)
    const amount = BigInt(1 + below(random, 50_000)) * NYM + BigInt(below(random, 1_000_000))
    try {
      if (!nodes.has(nodeId)) {
        await account.write('mixnet', 'delegate', [nodeId, amount])
        nodes.set(nodeId, amount)
      } else if (random.uniform() < 0.5) await account.write('mixnet', 'withdrawDelegatorReward', [nodeId])
      else {
        await account.write('mixnet', 'undelegate', [nodeId])
        nodes.delete(nodeId)
      }
      if ((await ledger.read('mixnet', 'owed', [account.address])) > 0n) await account.write('mixnet', 'claim', [])
    } catch (error) {
      if (!isMixnetError(error)) throw error
      // Unbonded meanwhile, an epoch that ends, a chain that went back: people look again later.
      nodes.delete(nodeId)
    }
  }
}
