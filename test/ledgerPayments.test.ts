/**
 * Tickets on the ledger from end to end, in the simulator: issuers that agree over the contract's board, a client that pays from an account
 * of its own, and a gateway that is paid by the issuers' votes.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { planNetwork } from '../src/app/testnet/layout.ts'
import { LOCAL_DRIVER } from '../src/app/testnet/ledger.ts'
import { startTestnet, type Testnet, type TestnetOptions } from '../src/app/testnet/testnet.ts'
import { Mixnet } from '../src/client/mixnet.ts'
import { SERVICE_TRAFFIC } from '../src/client/trafficParams.ts'
import { silentLog } from '../src/foundation/base/observe.ts'
import { type Millis, minutes, seconds } from '../src/foundation/base/units.ts'
import { nodeProvider } from '../src/foundation/crypto/nodeProvider.ts'
import { nullBls } from '../src/foundation/crypto/nullBls.ts'
import { nullProvider } from '../src/foundation/crypto/nullProvider.ts'
import { Simulation } from '../src/foundation/platform/simulated/simulation.ts'
import type { World } from '../src/foundation/platform/world.ts'
import { CONTRACT_ARTEFACTS } from '../src/network/ledger/contractArtefacts.ts'
import { deployLedger } from '../src/network/ledger/deploy.ts'
import { localNetwork } from '../src/network/ledger/deploymentParams.ts'
import type { Ledger } from '../src/network/ledger/ledger.ts'
import { openLedger } from '../src/network/ledger/rpcLedger.ts'
import { keySigner, newKey } from '../src/network/ledger/signers.ts'
import { LocalDkgEngine } from '../src/protocol/credentials/dkgEngine.ts'
import { LocalEngine } from '../src/protocol/credentials/localEngine.ts'
import { createScheme } from '../src/protocol/credentials/scheme.ts'
import { SimulatedChain } from './support/simulatedChain.ts'

const CHAIN_IP = '10.0.0.9'
const DIRECTORY_IP = '10.0.0.1'
const CLIENT_IP = '10.2.0.1'
const ISSUER_IPS = ['10.6.0.1', '10.6.0.2', '10.6.0.3']
const FAUCET_IP = '10.6.0.9'
const TRAFFIC = { ...SERVICE_TRAFFIC, loopCoverInterval: undefined }
/** The contracts verify what identity keys sign; nothing else here needs true cryptography. */
const CRYPTO = {
  ...nullProvider,
  ed25519PublicKey: nodeProvider.ed25519PublicKey,
  ed25519Sign: nodeProvider.ed25519Sign,
  ed25519Verify: nodeProvider.ed25519Verify,
}
const DEPLOYMENT = 'ledger.json'
const CLIENT_KEY = 'account.key'

class PaidRun {
  readonly simulation: Simulation
  readonly chain: SimulatedChain
  readonly url: string
  readonly ledger: Ledger
  readonly earned: { readonly gateway: string; readonly unym: bigint; readonly tickets: number }[] = []
  /** How often it was waited for the chain to be kept. */
  kept = 0
  readonly #worlds = new Map<string, World>()
  readonly #options: TestnetOptions
  testnet!: Testnet

  private constructor(
    parts: Pick<PaidRun, 'simulation' | 'chain' | 'url' | 'ledger'>,
    worlds: Map<string, World>,
    options: (run: PaidRun) => TestnetOptions,
  ) {
    this.simulation = parts.simulation
    this.chain = parts.chain
    this.url = parts.url
    this.ledger = parts.ledger
    this.#worlds = worlds
    this.#options = options(this)
  }

  static async make(seed: string): Promise<PaidRun> {
    const simulation = new Simulation({ seed, crypto: CRYPTO })
    const worlds = new Map<string, World>()
    const worldOf = (host: string): World => {
      const world = worlds.get(host) ?? simulation.host(host, { ips: [host] })
      worlds.set(host, world)
      return world
    }
    const chain = await SimulatedChain.create(worldOf(CHAIN_IP), { host: CHAIN_IP, blockTime: seconds(2) })
    const url = await simulation.complete(chain.serve({ host: CHAIN_IP }))
    const treasury = keySigner(newKey(worldOf(DIRECTORY_IP).random))
    await chain.fund(treasury.address, 10n ** 24n)
    const params = {
      ...localNetwork(Math.floor(simulation.clock.now() / 1000)),
      rewardedSet: { entryGateways: 1, exitGateways: 1, mixnodes: 3, standby: 0 },
      governanceDelaySeconds: 0,
    }
    const where = { urls: [url], chainId: undefined, signer: treasury, params, artefacts: CONTRACT_ARTEFACTS }
    const deploying = deployLedger(worldOf(DIRECTORY_IP), { ...where, path: DEPLOYMENT })
    const deployment = await simulation.complete(deploying, minutes(5))
    const open = (world: World): Ledger => openLedger(world, { urls: [url], deployment })
    const scheme = createScheme(nullBls)
    const random = simulation.random.stream('engine')
    const engine = new LocalEngine(scheme, random)
    const run = new PaidRun({ simulation, chain, url, ledger: open(worldOf(DIRECTORY_IP)) }, worlds, (self) => ({
      plans: planNetwork({ mixNodes: 3, entries: 1, exits: 1 }, true).map((plan) => ({
        ...plan,
        host: `10.1.0.${plan.nodeId}`,
      })),
      folder: 'testnet',
      directory: { host: DIRECTORY_IP, port: 8080 },
      noise: false,
      world: worldOf(DIRECTORY_IP),
      worldOf: ({ host }) => worldOf(host),
      logOf: () => silentLog,
      readyLimit: minutes(5),
      paid: {
        engine,
        dkgEngine: new LocalDkgEngine(scheme, random),
        plan: { hosts: ISSUER_IPS, threshold: 2, faucetHost: FAUCET_IP },
        worldOf,
      },
      ledger: {
        open,
        keccak256: keccak_256,
        treasury,
        fund: (address, wei) => chain.fund(address, wei),
        driver: LOCAL_DRIVER,
        directory: { confirmations: 1, poll: seconds(2) },
        durable: async () => {
          self.kept++
        },
        onEarned: (gateway, unym, tickets) => self.earned.push({ gateway, unym, tickets }),
      },
    }))
    return run
  }

  complete<T>(work: Promise<T>, limit: Millis = minutes(5)): Promise<T> {
    return this.simulation.complete(work, limit)
  }

  async start(): Promise<void> {
    this.testnet = await this.complete(startTestnet(this.#options), minutes(20))
  }

  /** The client of a person: its key file is brought to where it runs. */
  async connect(): Promise<Mixnet> {
    const home = this.#worlds.get(DIRECTORY_IP) as World
    const world = this.#worlds.get(CLIENT_IP) ?? this.simulation.host(CLIENT_IP, { ips: [CLIENT_IP] })
    this.#worlds.set(CLIENT_IP, world)
    const path = await this.complete(this.testnet.ledger?.clientKey() as Promise<string>)
    const bring = async (from: string, to: string): Promise<void> =>
      world.files.write(to, (await home.files.read(from)) as Uint8Array)
    await this.complete(Promise.all([bring(path, CLIENT_KEY), bring(DEPLOYMENT, DEPLOYMENT)]))
    const ledger = { rpc: this.url, deployment: DEPLOYMENT, key: CLIENT_KEY, confirmations: 1 }
    const engine = new LocalEngine(createScheme(nullBls), world.random.stream('engine'))
    return this.complete(
      Mixnet.connect(world, {
        directories: [this.testnet.directoryUrl],
        traffic: TRAFFIC,
        folder: 'client',
        gateway: undefined,
        tickets: { buy: 'ledger', ledger },
        engine: async () => engine,
        connectTimeout: minutes(3),
      }),
    )
  }

  async until(what: string, holds: () => boolean): Promise<void> {
    for (let i = 0; i < 600; i++) {
      if (holds()) return
      await this.simulation.runFor(seconds(1))
    }
    assert.fail(`never: ${what}`)
  }
}

test('issuers agree over the contract, a client pays from its own account, and its gateway is paid', {
  timeout: 300_000,
}, async (t) => {
  const run = await PaidRun.make('paid on the ledger')
  const { ledger } = run
  await run.start()
  const [agreed, planned] = await run.complete(ledger.read('issuers', 'epochs', []))
  assert.deepEqual([agreed, planned], [1n, 1n])
  assert.ok(run.kept > 0, 'nobody waited for the board to be kept')
  const mixnet = await run.connect()
  assert.equal(mixnet.tickets.books()[0]?.left, 49)
  assert.equal(await run.complete(ledger.read('ecash', 'depositCount', [])), 1)
  await run.until('a gateway is paid', () => run.earned.length > 0)
  const [{ gateway, unym, tickets }] = run.earned as [(typeof run.earned)[number]]
  assert.deepEqual([tickets, unym], [1, 750_000n])
  const paid = run.testnet.nodes.find(({ plan }) => plan.name === gateway)
  const key = `0x${Buffer.from(paid?.running.identity ?? []).toString('hex')}` as const
  assert.equal(await run.complete(ledger.read('ecash', 'earned', [key])), 750_000n)
  await run.complete(mixnet.close())

  // The same again on what is there: nobody makes keys a second time, and nothing is bought.
  const board = await run.complete(ledger.read('issuers', 'boardLength', [1n]))
  await run.complete(run.testnet.stop(), minutes(2))
  await run.start()
  const again = await run.connect()
  assert.deepEqual(await run.complete(ledger.read('issuers', 'epochs', [])), [1n, 1n])
  assert.equal(await run.complete(ledger.read('issuers', 'boardLength', [1n])), board)
  assert.equal(await run.complete(ledger.read('ecash', 'depositCount', [])), 1)
  assert.ok((again.tickets.books()[0]?.left ?? 0) >= 48)
  await run.complete(again.close())
  await run.complete(run.testnet.stop(), minutes(2))
  t.diagnostic(`${process.cpuUsage().user / 1e6} CPU s`)
})
