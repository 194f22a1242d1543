/** A ledger and a network that carries packets on it, in the simulator: real nodes, drivers, directory, and clients that ask a site. @module */

import { loadOrCreateLedgerKey } from '../../src/app/node/ledgerKeys.ts'
import { type MonitorConfig, startMonitor } from '../../src/app/node/monitorService.ts'
import { performanceLedger } from '../../src/app/node/performanceLedger.ts'
import { planNetwork } from '../../src/app/testnet/layout.ts'
import { LOCAL_DRIVER } from '../../src/app/testnet/ledger.ts'
import { startTestnet, type Testnet } from '../../src/app/testnet/testnet.ts'
import { Mixnet } from '../../src/client/mixnet.ts'
import { DEFAULT_TRAFFIC, SERVICE_TRAFFIC } from '../../src/client/trafficParams.ts'
import { fromUtf8, utf8 } from '../../src/foundation/base/bytes.ts'
import { Meter, silentLog } from '../../src/foundation/base/observe.ts'
import { type Millis, millis, minutes, seconds } from '../../src/foundation/base/units.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { nullProvider } from '../../src/foundation/crypto/nullProvider.ts'
import { withDeadline } from '../../src/foundation/platform/clock.ts'
import { Simulation } from '../../src/foundation/platform/simulated/simulation.ts'
import type { World } from '../../src/foundation/platform/world.ts'
import { CONTRACT_ARTEFACTS } from '../../src/network/ledger/contractArtefacts.ts'
import { deployLedger } from '../../src/network/ledger/deploy.ts'
import type { Deployment } from '../../src/network/ledger/deployment.ts'
import { localNetwork } from '../../src/network/ledger/deploymentParams.ts'
import type { Ledger, LedgerAccount, Signer } from '../../src/network/ledger/ledger.ts'
import { openLedger } from '../../src/network/ledger/rpcLedger.ts'
import { keySigner } from '../../src/network/ledger/signers.ts'
import { SimulatedChain } from '../support/simulatedChain.ts'
import { LedgerReplay } from './ledgerReplay.ts'
import { type Habit, keccak, key, PaperMonitor } from './ledgerRun.ts'

const CHAIN_IP = '10.0.0.9'
const DIRECTORY_IP = '10.0.0.1'
const SITE = { host: '10.4.0.1', port: 7 }
/** Chains cost more to simulate than mixing: no packets but those that are asked for. */
const TRAFFIC = { ...SERVICE_TRAFFIC, loopCoverInterval: undefined }
const MONITOR_TRAFFIC = { ...DEFAULT_TRAFFIC, mainStreamInterval: millis(60), loopCoverInterval: millis(600) }
const VALIDITY = 4
/** The contracts verify what identity keys sign; nothing else here needs true cryptography. */
const CRYPTO = {
  ...nullProvider,
  ed25519PublicKey: nodeProvider.ed25519PublicKey,
  ed25519Sign: nodeProvider.ed25519Sign,
  ed25519Verify: nodeProvider.ed25519Verify,
}
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
  readonly #deployment: Deployment
  readonly #worldOf: (host: string) => World
  readonly #open: (world: World) => Ledger
  readonly #treasury: Signer

  private constructor(
    parts: Pick<PacketRun, 'simulation' | 'chain' | 'testnet' | 'ledger'> & {
      readonly deployment: Deployment
      readonly worldOf: (host: string) => World
      readonly open: (world: World) => Ledger
      readonly treasury: Signer
    },
  ) {
    this.simulation = parts.simulation
    this.chain = parts.chain
    this.testnet = parts.testnet
    this.ledger = parts.ledger
    this.#deployment = parts.deployment
    this.#worldOf = parts.worldOf
    this.#open = parts.open
    this.#treasury = parts.treasury
  }

  static async start({ seed, size, epoch = seconds(60), habits = [] }: PacketRunOptions): Promise<PacketRun> {
    const simulation = new Simulation({ seed, crypto: CRYPTO })
    const worlds = new Map<string, World>()
    const worldOf = (host: string): World => {
      const world = worlds.get(host) ?? simulation.host(host, { ips: [host] })
      worlds.set(host, world)
      return world
    }
    const chain = await SimulatedChain.create(worldOf(CHAIN_IP), { host: CHAIN_IP, blockTime: seconds(2) })
    const url = await simulation.complete(chain.serve({ host: CHAIN_IP }))
    const treasury = keySigner(key(1))
    await chain.fund(treasury.address, COINS)
    const directory = worldOf(DIRECTORY_IP)
    const params = {
      ...localNetwork(Math.floor(simulation.clock.now() / 1000)),
      epochSeconds: epoch / 1000,
      validityEpochs: VALIDITY,
      firstEpochId: VALIDITY,
      rewardedSet: { entryGateways: 2, exitGateways: 1, mixnodes: 6, standby: 2 },
      governanceDelaySeconds: 0,
    }
    const wanted = { urls: [url], chainId: undefined, signer: treasury, params, artefacts: CONTRACT_ARTEFACTS }
    const deploying = deployLedger(directory, { ...wanted, path: 'deployment.json' })
    const deployment = await simulation.complete(deploying, minutes(5))
    const open = (world: World): Ledger => openLedger(world, { urls: [url], deployment })
    const listening = worldOf(SITE.host).net.listen(SITE, (connection) => {
      const data = (chunk: Uint8Array) => connection.write([chunk.slice()])
      connection.attach({ data, end: () => connection.end(), close() {} })
    })
    await simulation.complete(listening)
    const starting = startTestnet({
      plans: planNetwork(size, true).map((plan) => ({ ...plan, host: `10.1.0.${plan.nodeId}` })),
      folder: 'testnet',
      directory: { host: DIRECTORY_IP, port: 8080 },
      noise: false,
      world: directory,
      worldOf: ({ host }) => worldOf(host),
      logOf: () => silentLog,
      readyLimit: minutes(5),
      ledger: {
        open,
        keccak256: keccak,
        treasury,
        fund: (address, wei) => chain.fund(address, wei),
        drivers: 2,
        driver: LOCAL_DRIVER,
        directory: { confirmations: 1, poll: seconds(2) },
      },
    })
    const testnet = await simulation.complete(starting, minutes(20))
    const ledger = open(directory)
    const run = new PacketRun({ simulation, chain, testnet, ledger, deployment, worldOf, open, treasury })
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
      await this.ledger.account(this.#treasury).write('token', 'transfer', [signer.address, stake])
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
    const world = this.#worldOf(host)
    const ledger = this.#open(world)
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
    return this.complete(Mixnet.connect(this.#worldOf(`10.2.0.${number}`), options))
  }

  /** The owner's account of a node. */
  async ownerOf(name: string): Promise<LedgerAccount> {
    const world = this.#worldOf(DIRECTORY_IP)
    return this.ledger.account(await this.complete(loadOrCreateLedgerKey(world, `testnet/accounts/${name}.key`)))
  }

  /** Compares what everybody got with the rules. */
  async check(): Promise<LedgerReplay> {
    this.chain.stalled = true
    await this.simulation.runFor(seconds(1))
    const { events, complete } = await this.complete(this.ledger.allEvents({}))
    if (!complete) throw new Error('more events than are asked for at once')
    const replay = LedgerReplay.of(this.#deployment, events, (block) => this.chain.timeOf(block))
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
