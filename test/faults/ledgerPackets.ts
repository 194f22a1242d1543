/** A ledger and a network that carries packets on it, in the simulator: real nodes, drivers, directory, and clients that ask a site. @module */

import { loadOrCreateLedgerKey } from '../../src/app/node/ledgerKeys.ts'
import { type MonitorConfig, startMonitor } from '../../src/app/node/monitorService.ts'
import { performanceLedger } from '../../src/app/node/performanceLedger.ts'
import { startTestnet, type Testnet } from '../../src/app/testnet/testnet.ts'
import { Mixnet } from '../../src/client/mixnet.ts'
import { DEFAULT_TRAFFIC, SERVICE_TRAFFIC } from '../../src/client/trafficParams.ts'
import { fromUtf8, utf8 } from '../../src/foundation/base/bytes.ts'
import { Meter, silentLog } from '../../src/foundation/base/observe.ts'
import { type Millis, millis, minutes, seconds } from '../../src/foundation/base/units.ts'
import { withDeadline } from '../../src/foundation/platform/clock.ts'
import type { Simulation } from '../../src/foundation/platform/simulated/simulation.ts'
import type { Ledger, LedgerAccount, Signer } from '../../src/network/ledger/ledger.ts'
import { keySigner } from '../../src/network/ledger/signers.ts'
import type { SimulatedChain } from '../support/simulatedChain.ts'
import { DIRECTORY_IP, SIGNATURES_ONLY, SimulatedLedger } from '../support/simulatedLedger.ts'
import { LedgerReplay } from './ledgerReplay.ts'
import { type Habit, keccak, key, PaperMonitor } from './ledgerRun.ts'

const SITE = { host: '10.4.0.1', port: 7 }
/** Chains cost more to simulate than mixing: no packets but those that are asked for. */
const TRAFFIC = { ...SERVICE_TRAFFIC, loopCoverInterval: undefined }
const MONITOR_TRAFFIC = { ...DEFAULT_TRAFFIC, mainStreamInterval: millis(60), loopCoverInterval: millis(600) }
const VALIDITY = 4
const COINS = 10n ** 24n

export interface PacketRunOptions {
  readonly seed: string
  readonly size: { readonly mixNodes: number; readonly entries: number; readonly exits: number }
  readonly epoch?: Millis
  /** Of monitors that measure nothing. */
  readonly habits?: readonly Habit[]
}

export class PacketRun {
  readonly simulation: Simulation
  readonly chain: SimulatedChain
  readonly testnet: Testnet
  readonly ledger: Ledger
  readonly #under: SimulatedLedger

  private constructor(under: SimulatedLedger, testnet: Testnet) {
    this.simulation = under.simulation
    this.chain = under.chain
    this.testnet = testnet
    this.ledger = under.open(under.worldOf(DIRECTORY_IP))
    this.#under = under
  }

  static async start({ seed, size, epoch = seconds(60), habits = [] }: PacketRunOptions): Promise<PacketRun> {
    const under = await SimulatedLedger.deploy(seed, SIGNATURES_ONLY, {
      epochSeconds: epoch / 1000,
      validityEpochs: VALIDITY,
      firstEpochId: VALIDITY,
      rewardedSet: { entryGateways: 2, exitGateways: 1, mixnodes: 6, standby: 2 },
    })
    const { simulation, worldOf, open } = under
    const listening = worldOf(SITE.host).net.listen(SITE, (connection) => {
      const data = (chunk: Uint8Array) => connection.write([chunk.slice()])
      connection.attach({ data, end: () => connection.end(), close() {} })
    })
    await simulation.complete(listening)
    const testnet = await simulation.complete(startTestnet(under.network(size, { drivers: 2 })), minutes(20))
    const run = new PacketRun(under, testnet)
    for (const [i, habit] of habits.entries()) {
      const signer = await run.#joined(i)
      const world = worldOf(`10.5.0.${i + 1}`)
      new PaperMonitor(world, open(world), signer, habit)
    }
    return run
  }

  async #joined(i: number): Promise<Signer> {
    const signer = keySigner(key(300 + i))
    const stake = 1_000_000_000n
    await this.chain.fund(signer.address, COINS)
    const join = async () => {
      await this.ledger.account(this.#under.treasury).write('token', 'transfer', [signer.address, stake])
      const account = this.ledger.account(signer)
      await account.allow('performance', stake)
      await account.write('performance', 'join', [stake, true, ''])
    }
    await this.complete(join())
    return signer
  }

  complete<T>(work: Promise<T>, limit: Millis = minutes(5)): Promise<T> {
    return this.simulation.complete(work, limit)
  }

  get epochId(): number {
    return this.testnet.directory.epochId
  }

  async untilEpoch(epochId: number): Promise<void> {
    const end = this.simulation.clock.monotonic() + minutes(30)
    while (this.epochId < epochId) {
      if (this.simulation.clock.monotonic() > end) throw new Error(`never: epoch ${epochId}`)
      await this.simulation.runFor(millis(500))
    }
  }

  /** A monitor as it is shipped, that reports to the contracts. */
  async startMonitor(i: number): Promise<void> {
    const signer = await this.#joined(i)
    const host = `10.3.0.${i + 1}`
    const world = this.#under.worldOf(host)
    const ledger = this.#under.open(world)
    const config: MonitorConfig = {
      name: `monitor-${i}`,
      listen: { host, port: 8095 },
      data: 'monitor',
      directories: [this.testnet.directoryUrl],
      traffic: 'default',
      keepEpochs: 2,
      local: true,
    }
    const starting = startMonitor(world, config, {
      ledger: performanceLedger(ledger, ledger.account(signer), keccak),
      configScore: () => 100,
      traffic: MONITOR_TRAFFIC,
      meter: new Meter(),
      log: silentLog,
    })
    await this.complete(starting)
  }

  async connect(number: number): Promise<Mixnet> {
    const options = { directories: [this.testnet.directoryUrl], traffic: TRAFFIC }
    return this.complete(Mixnet.connect(this.#under.worldOf(`10.2.0.${number}`), options))
  }

  /** The owner's account of a node. */
  async ownerOf(name: string): Promise<LedgerAccount> {
    const world = this.#under.worldOf(DIRECTORY_IP)
    return this.ledger.account(await this.complete(loadOrCreateLedgerKey(world, `testnet/accounts/${name}.key`)))
  }

  /** Compares what everybody got with the rules. */
  async check(): Promise<LedgerReplay> {
    this.chain.stalled = true
    await this.simulation.runFor(seconds(1))
    const { events, complete } = await this.complete(this.ledger.allEvents({}))
    if (!complete) throw new Error('more events than are asked for at once')
    const replay = LedgerReplay.of(this.#under.deployment, events, (block) => this.chain.timeOf(block))
    this.chain.stalled = false
    return replay
  }

  /** Bytes go out through the exit and come back as they were. Rejects where they do not in time. */
  echo(mixnet: Mixnet, text: string, limit: Millis): Promise<void> {
    const stream = mixnet.connections.open(SITE)
    const asking = new Promise<void>((resolve, reject) => {
      let answer = ''
      stream.attach({
        data: (chunk) => {
          answer += fromUtf8(chunk, 'echo')
          if (answer === text) stream.end()
        },
        end() {},
        close: (error) => (answer === text ? resolve() : reject(error ?? new Error('closed early'))),
      })
      stream.write(utf8(text)).catch(reject)
    })
    return withDeadline(this.simulation.clock, limit, 'echo', asking)
  }
}
