/**
 * A whole network of the shipped roles on a ledger of the shipped contracts, in the simulator: drawn sets, key rotations and a client
 * whose requests must not notice any of it.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTestnet, type Testnet, type TestnetOptions } from '../src/app/testnet/testnet.ts'
import { Mixnet } from '../src/client/mixnet.ts'
import { SERVICE_TRAFFIC } from '../src/client/trafficParams.ts'
import { fromUtf8, utf8 } from '../src/foundation/base/bytes.ts'
import { hours, type Millis, minutes, seconds } from '../src/foundation/base/units.ts'
import { nodeProvider } from '../src/foundation/crypto/nodeProvider.ts'
import type { Simulation } from '../src/foundation/platform/simulated/simulation.ts'
import type { World } from '../src/foundation/platform/world.ts'
import type { Ledger } from '../src/network/ledger/ledger.ts'
import type { SimulatedChain } from './support/simulatedChain.ts'
import { DIRECTORY_IP, SimulatedLedger } from './support/simulatedLedger.ts'

const SITE_IP = '10.4.0.1'
const SITE_PORT = 7
const CLIENT_IP = '10.2.0.1'
/** Chains cost more to simulate than mixing: no packets but those that are asked for. */
const TRAFFIC = { ...SERVICE_TRAFFIC, loopCoverInterval: undefined }
const VALIDITY = 3
const EPOCH: Millis = seconds(60)

class LedgerNetworkRun {
  readonly simulation: Simulation
  readonly chain: SimulatedChain
  readonly ledger: Ledger
  readonly client: World
  readonly longEpochs: { readonly epochId: number; readonly length: number }[] = []
  readonly #options: TestnetOptions
  testnet!: Testnet

  private constructor(
    simulation: Simulation,
    {
      chain,
      ledger,
      client,
      options,
    }: { chain: SimulatedChain; ledger: Ledger; client: World; options: TestnetOptions },
  ) {
    this.simulation = simulation
    this.chain = chain
    this.ledger = ledger
    this.client = client
    this.#options = options
  }

  /** More mixes than the set has places, so that it changes. */
  static async start(seed: string, mixNodes = 7): Promise<LedgerNetworkRun> {
    const under = await SimulatedLedger.deploy(seed, nodeProvider, {
      validityEpochs: VALIDITY,
      firstEpochId: VALIDITY,
      rewardedSet: { entryGateways: 2, exitGateways: 1, mixnodes: 6, standby: 2 },
    })
    const { simulation, chain, worldOf, open } = under
    await simulation.complete(
      worldOf(SITE_IP).net.listen({ host: SITE_IP, port: SITE_PORT }, (connection) => {
        connection.attach({
          data: (chunk) => connection.write([chunk.slice()]),
          end: () => connection.end(),
          close() {},
        })
      }),
    )
    let run: LedgerNetworkRun
    const options = under.network(
      { mixNodes, entries: 2, exits: 1 },
      { drivers: 2, onLongEpoch: (epochId, length) => run.longEpochs.push({ epochId, length }) },
    )
    const [ledger, client] = [open(worldOf(DIRECTORY_IP)), worldOf(CLIENT_IP)]
    run = new LedgerNetworkRun(simulation, { chain, ledger, client, options })
    await run.startNetwork()
    return run
  }

  /** On what an earlier one left behind, where there was one. */
  async startNetwork(): Promise<void> {
    this.testnet = await this.simulation.complete(startTestnet(this.#options), minutes(10))
  }

  async connect(): Promise<Mixnet> {
    const options = { directories: [this.testnet.directoryUrl], traffic: TRAFFIC }
    return await this.simulation.complete(Mixnet.connect(this.client, options), minutes(2))
  }

  get epochId(): number {
    return this.testnet.directory.epochId
  }

  mixes(): string {
    const mixes = this.testnet.directory.nodes.filter(({ role }) => role.startsWith('layer'))
    return JSON.stringify(mixes.map(({ nodeId, role }) => [nodeId, role]).sort())
  }
}

test('epochs pass, sets change, keys rotate twice, and not one request is lost', { timeout: 600_000 }, async (t) => {
  const run = await LedgerNetworkRun.start('ledger network')
  const { simulation, testnet, ledger } = run
  const first = run.epochId
  assert.equal(first, VALIDITY + 1, 'the first set is drawn at once')
  const bonded = await simulation.complete(ledger.read('mixnet', 'lastNodeId', []))
  assert.equal(bonded, testnet.nodes.length)
  for (const { plan, running } of testnet.nodes) {
    const key = `0x${Buffer.from(running.identity).toString('hex')}` as const
    assert.equal(await simulation.complete(ledger.read('mixnet', 'nodeIdOfKey', [key])), plan.nodeId)
  }

  const mixnet = await run.connect()
  const rotations = new Set<number>()
  const sets = new Set<string>()
  const roots = new Set<string>()
  const until = simulation.clock.monotonic() + (2 * VALIDITY + 1) * EPOCH
  let requests = 0
  while (simulation.clock.monotonic() < until) {
    const text = `request ${++requests}\n`
    assert.equal(await simulation.complete(echo(mixnet, text), seconds(60)), text, `epoch ${run.epochId}`)
    rotations.add(testnet.directory.keyRotationId)
    sets.add(run.mixes())
    roots.add(await simulation.complete(ledger.read('rewardedSet', 'rootOf', [run.epochId])))
    await simulation.runFor(seconds(5))
  }
  const passed = run.epochId - first
  t.diagnostic(`${requests} requests over ${passed} epochs, ${sets.size} sets, rotations ${[...rotations].join(' ')}`)
  assert.ok(passed >= 2 * VALIDITY - 1, `only ${passed} epochs`)
  assert.ok(rotations.size >= 3, `only ${rotations.size} key rotations`)
  assert.ok(sets.size > passed / 2, `${sets.size} sets`)
  assert.ok(roots.size >= passed)
  // What the nodes say of themselves followed their keys.
  for (const { plan } of testnet.nodes) {
    const said = await simulation.complete(ledger.read('announcements', 'sequenceOf', [plan.nodeId]))
    assert.ok(said >= 5n, `${plan.name} announced ${said} times`)
  }
  await simulation.complete(mixnet.close(), minutes(1))
  await simulation.complete(testnet.stop(), minutes(1))
})

test('a day in which nobody ran it is one long epoch, and then they are as long as before', {
  timeout: 300_000,
}, async () => {
  const run = await LedgerNetworkRun.start('a day asleep', 3)
  const { simulation, chain, ledger } = run
  await simulation.complete(run.testnet.stop(), minutes(1))
  const { totalElapsedEpochs: asleepIn } = await simulation.complete(ledger.read('mixnet', 'interval', []))
  chain.stalled = true
  await simulation.runFor(hours(24))
  chain.stalled = false
  await run.startNetwork()
  const [long] = run.longEpochs
  assert.equal(run.longEpochs.length, 1)
  assert.ok(long?.epochId === asleepIn && long.length > 86_000, JSON.stringify(long))
  assert.ok(run.epochId <= asleepIn + 3, `from epoch ${asleepIn} to ${run.epochId}`)
  const { epochLength, currentEpochStart } = await simulation.complete(ledger.read('mixnet', 'interval', []))
  assert.equal(epochLength, 60)
  assert.ok((Number(currentEpochStart) + epochLength) * 1000 > simulation.clock.now(), 'an epoch that is over')
  const mixnet = await run.connect()
  assert.equal(await simulation.complete(echo(mixnet, 'awake\n'), minutes(1)), 'awake\n')
  // Its bonds are those from before.
  assert.equal(await simulation.complete(ledger.read('mixnet', 'lastNodeId', [])), run.testnet.nodes.length)
  await simulation.complete(mixnet.close(), minutes(1))
  await simulation.complete(run.testnet.stop(), minutes(1))
})

/** Bytes go out through the exit and come back as they were. */
function echo(mixnet: Mixnet, text: string): Promise<string> {
  const stream = mixnet.connections.open({ host: SITE_IP, port: SITE_PORT })
  return new Promise((resolve, reject) => {
    let answer = ''
    stream.attach({
      data: (chunk) => {
        answer += fromUtf8(chunk, 'echo')
        if (answer.endsWith('\n')) stream.end()
      },
      end() {},
      close: (error) => (answer.endsWith('\n') ? resolve(answer) : reject(error)),
    })
    stream.write(utf8(text)).catch(reject)
  })
}
