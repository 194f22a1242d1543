/**
 * Tickets on the ledger from end to end, in the simulator: issuers that agree over the contract's board, a client that pays from an account
 * of its own, and a gateway that is paid by the issuers' votes.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTestnet, type Testnet, type TestnetOptions } from '../src/app/testnet/testnet.ts'
import { Mixnet } from '../src/client/mixnet.ts'
import { SERVICE_TRAFFIC } from '../src/client/trafficParams.ts'
import { type Millis, minutes, seconds } from '../src/foundation/base/units.ts'
import { nullBls } from '../src/foundation/crypto/nullBls.ts'
import type { Simulation } from '../src/foundation/platform/simulated/simulation.ts'
import type { Ledger } from '../src/network/ledger/ledger.ts'
import { LocalDkgEngine } from '../src/protocol/credentials/dkgEngine.ts'
import { LocalEngine } from '../src/protocol/credentials/localEngine.ts'
import { createScheme } from '../src/protocol/credentials/scheme.ts'
import type { SimulatedChain } from './support/simulatedChain.ts'
import { DEPLOYMENT_FILE, DIRECTORY_IP, SIGNATURES_ONLY, SimulatedLedger } from './support/simulatedLedger.ts'

const CLIENT_IP = '10.2.0.1'
const ISSUER_IPS = ['10.6.0.1', '10.6.0.2', '10.6.0.3']
const FAUCET_IP = '10.6.0.9'
const TRAFFIC = { ...SERVICE_TRAFFIC, loopCoverInterval: undefined }
const CLIENT_KEY = 'account.key'

class PaidRun {
  readonly simulation: Simulation
  readonly chain: SimulatedChain
  readonly ledger: Ledger
  readonly earned: { readonly gateway: string; readonly unym: bigint; readonly tickets: number }[] = []
  /** How often it was waited for the chain to be kept. */
  kept = 0
  readonly #under: SimulatedLedger
  readonly #options: TestnetOptions
  testnet!: Testnet

  private constructor(under: SimulatedLedger) {
    this.simulation = under.simulation
    this.chain = under.chain
    this.ledger = under.open(under.worldOf(DIRECTORY_IP))
    this.#under = under
    const scheme = createScheme(nullBls)
    const random = this.simulation.random.stream('engine')
    this.#options = {
      ...under.network(
        { mixNodes: 3, entries: 1, exits: 1 },
        {
          durable: async () => {
            this.kept++
          },
          onEarned: (gateway, unym, tickets) => this.earned.push({ gateway, unym, tickets }),
        },
      ),
      paid: {
        engine: new LocalEngine(scheme, random),
        dkgEngine: new LocalDkgEngine(scheme, random),
        plan: { hosts: ISSUER_IPS, threshold: 2, faucetHost: FAUCET_IP },
        worldOf: under.worldOf,
      },
    }
  }

  static async make(seed: string): Promise<PaidRun> {
    const rewardedSet = { entryGateways: 1, exitGateways: 1, mixnodes: 3, standby: 0 }
    return new PaidRun(await SimulatedLedger.deploy(seed, SIGNATURES_ONLY, { rewardedSet }))
  }

  complete<T>(work: Promise<T>, limit: Millis = minutes(5)): Promise<T> {
    return this.simulation.complete(work, limit)
  }

  async start(): Promise<void> {
    this.testnet = await this.complete(startTestnet(this.#options), minutes(20))
  }

  /** The client of a person: its key file is brought to where it runs. */
  async connect(): Promise<Mixnet> {
    const [home, world] = [this.#under.worldOf(DIRECTORY_IP), this.#under.worldOf(CLIENT_IP)]
    const path = await this.complete(this.testnet.ledger?.clientKey() as Promise<string>)
    const bring = async (from: string, to: string): Promise<void> =>
      world.files.write(to, (await home.files.read(from)) as Uint8Array)
    await this.complete(Promise.all([bring(path, CLIENT_KEY), bring(DEPLOYMENT_FILE, DEPLOYMENT_FILE)]))
    const ledger = { rpc: this.#under.url, deployment: DEPLOYMENT_FILE, key: CLIENT_KEY, confirmations: 1 }
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
