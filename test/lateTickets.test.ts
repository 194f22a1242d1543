/**
 * Clients that nobody told of tickets, in whole networks in the simulator: issuers, faucet and gateways are what is shipped, on a group
 * whose logarithms are visible, on which all of it computes in no time.
 */
import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { planNetwork } from '../src/app/testnet/layout.ts'
import { type PaidNetwork, startTestnet, type Testnet, type TestnetOptions } from '../src/app/testnet/testnet.ts'
// Here already, so that no virtual minute passes while a real file is read.
import '../src/client/credentials/openTickets.ts'
import { Mixnet, type NodeMixnetOptions } from '../src/client/mixnet.ts'
import { SERVICE_TRAFFIC } from '../src/client/trafficParams.ts'
import { toBase58 } from '../src/foundation/base/base58.ts'
import { fromUtf8, utf8 } from '../src/foundation/base/bytes.ts'
import { isMixnetError, type MixnetError } from '../src/foundation/base/errors.ts'
import { silentLog } from '../src/foundation/base/observe.ts'
import { minutes, seconds } from '../src/foundation/base/units.ts'
import { nodeProvider } from '../src/foundation/crypto/nodeProvider.ts'
import { nullBls } from '../src/foundation/crypto/nullBls.ts'
import { Simulation } from '../src/foundation/platform/simulated/simulation.ts'
import type { World } from '../src/foundation/platform/world.ts'
import { LocalDkgEngine } from '../src/protocol/credentials/dkgEngine.ts'
import { LocalEngine } from '../src/protocol/credentials/localEngine.ts'
import { createScheme } from '../src/protocol/credentials/scheme.ts'

const DIRECTORY_IP = '10.0.0.1'
const ISSUERS = ['10.3.0.1', '10.3.0.2', '10.3.0.3']
const FAUCET = '10.3.0.9'
const [SITE_IP, SITE_PORT] = ['198.51.100.1', 80]
const scheme = createScheme(nullBls)
/** Nothing but what is wanted of it is under way. */
const TRAFFIC = { ...SERVICE_TRAFFIC, loopCoverInterval: undefined }

type HttpRequest = World['net']['request']

class PayingNetwork {
  readonly simulation: Simulation
  testnet!: Testnet
  /** What clients asked by HTTP, outside the mixnet. */
  readonly asked: { readonly client: string; readonly url: string }[] = []
  #clients = 0

  private constructor() {
    this.simulation = new Simulation({ seed: 'late tickets', crypto: nodeProvider })
  }

  /** `free`: there are issuers, and gateways that want none of it. */
  static async start(payment: 'wanted' | 'free' = 'wanted'): Promise<PayingNetwork> {
    const network = new PayingNetwork()
    const { simulation } = network
    const plans = planNetwork({ mixNodes: 3, entries: 1, exits: 1 }, true).map((plan) => ({
      ...plan,
      host: `10.1.0.${plan.nodeId}`,
    }))
    const worlds = new Map<string, World>()
    const worldOf = (ip: string): World => {
      const known = worlds.get(ip) ?? simulation.host(`host-${ip}`, { ips: [ip] })
      worlds.set(ip, known)
      return known
    }
    const paid: PaidNetwork = {
      plan: { hosts: ISSUERS, threshold: 2, faucetHost: FAUCET },
      engine: new LocalEngine(scheme, simulation.random.stream('engine')),
      dkgEngine: new LocalDkgEngine(scheme, simulation.random.stream('dkg')),
      worldOf,
    }
    const options: TestnetOptions = {
      plans,
      folder: 'testnet',
      directory: { host: DIRECTORY_IP, port: 8080 },
      noise: false,
      paid,
      ...(payment === 'wanted' ? {} : { paymentOf: () => ({}) }),
      world: worldOf(DIRECTORY_IP),
      worldOf: ({ host }) => worldOf(host),
      logOf: () => silentLog,
    }
    const site = { host: SITE_IP, port: SITE_PORT }
    const greeted = worldOf(SITE_IP).net.listen(site, (connection) => {
      connection.attach({ data: (chunk) => connection.write([chunk.slice()]), end: () => connection.end(), close() {} })
    })
    await simulation.complete(greeted)
    network.testnet = await simulation.complete(startTestnet(options))
    return network
  }

  /** A machine, on which programs can be started again. */
  machine(change: (url: string, answer: string) => string | undefined = (_, answer) => answer): World {
    const number = ++this.#clients
    const name = `client-${number}`
    const world = this.simulation.host(name, { ips: [`10.2.0.${number}`] })
    const request: HttpRequest = async (options) => {
      this.asked.push({ client: name, url: options.url })
      const response = await world.net.request(options)
      if (!options.url.endsWith('/v1/ecash/epoch')) return response
      const text = change(options.url, fromUtf8(response.body, 'epoch'))
      return text === undefined ? { ...response, status: 404 } : { ...response, body: utf8(text) }
    }
    return { ...world, net: { ...world.net, request } }
  }

  async connect(world: World, options: Partial<NodeMixnetOptions> = {}): Promise<Mixnet> {
    const connecting = Mixnet.connect(world, {
      directories: [this.testnet.directoryUrl],
      traffic: TRAFFIC,
      engine: async () => new LocalEngine(scheme, world.random.stream('engine')),
      ...options,
    })
    return await this.simulation.complete(connecting, minutes(5))
  }

  /** Of what was asked by HTTP, that about payment. */
  get payments(): readonly string[] {
    const others = [...ISSUERS, FAUCET]
    return this.asked
      .map(({ url }) => url)
      .filter((url) => url.includes('/ecash') || others.includes(new URL(url).hostname))
  }

  /** Books that were paid for. */
  get deposits(): number {
    return this.asked.filter(({ url }) => url.endsWith('/v1/faucet/deposit')).length
  }

  get gateway(): string {
    const node = this.testnet.nodes.find(({ plan: { roles } }) => roles.join() === 'entry')
    assert.ok(node)
    return toBase58(node.running.identity)
  }

  async assertServes(mixnet: Mixnet): Promise<void> {
    assert.equal(await this.simulation.complete(echo(mixnet, 'hello\n'), minutes(5)), 'hello\n')
  }

  close(mixnet: Mixnet): Promise<void> {
    return this.simulation.complete(mixnet.close(), seconds(60))
  }
}

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

async function failureOf(work: Promise<unknown>): Promise<MixnetError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(isMixnetError(error), String(error))
  return error
}

describe('a client that was told nothing of tickets', () => {
  let network: PayingNetwork

  before(async () => {
    network = await PayingNetwork.start()
  })

  it('buys from the faucet when a gateway wants to be paid, without a folder', async () => {
    const world = network.machine()
    const [events, deposits]: [string[], number] = [[], network.deposits]
    const mixnet = await network.connect(world, { onEvent: ({ type }) => events.push(type) })
    await network.assertServes(mixnet)
    assert.equal(network.deposits, deposits + 1)
    assert.deepEqual(
      mixnet.tickets.books().map(({ left }) => left),
      [49],
    )
    assert.ok(events.includes('book-bought') && events.includes('ticket-spent'))
    await network.close(mixnet)
    for (const folder of ['tickets', '/tickets', 'undefined/tickets'])
      assert.deepEqual(await network.simulation.complete(world.files.list(folder)), [])
  })

  it('keeps what it bought in its folder', async () => {
    const world = network.machine()
    const deposits = network.deposits
    const first = await network.connect(world, { folder: 'client' })
    const [book] = first.tickets.books()
    await network.close(first)
    const second = await network.connect(world, { folder: 'client' })
    // What its gateway granted before is left: nothing has to be opened for that.
    assert.throws(() => second.tickets, { code: 'BAD_ARGUMENT' })
    await network.assertServes(second)
    await network.close(second)
    const third = await network.connect(world, { folder: 'client', tickets: { buy: 'never' } })
    assert.deepEqual(third.tickets.books(), [book])
    await network.close(third)
    assert.equal(network.deposits, deposits + 1)
  })

  it("buys nothing where it was told 'never', and says what to do", async () => {
    const before = network.payments.length
    const world = network.machine()
    const { gateway } = network
    const error = await failureOf(network.connect(world, { gateway, tickets: { buy: 'never' } }))
    assert.equal(error.code, 'NO_TICKETS')
    assert.match(error.nextStep, /starling credential buy/)
    assert.equal(network.payments.length, before)
  })

  it('says what to do where there is no faucet, and asks issuers for nothing', async () => {
    const world = network.machine((_, answer) => {
      const { faucet_url: _faucet, ...others } = JSON.parse(answer)
      return JSON.stringify(others)
    })
    const before = network.payments.length
    const error = await failureOf(network.connect(world, { gateway: network.gateway, folder: 'client' }))
    assert.equal(error.code, 'NO_TICKETS')
    assert.match(error.nextStep, /starling credential import.*`folder`/)
    assert.deepEqual(
      network.payments.slice(before).filter((url) => !url.endsWith('/v1/ecash/epoch')),
      [],
    )
    assert.deepEqual(await network.simulation.complete(world.files.list('client/tickets')).then(purchasesIn), [])
  })

  it('is refused by its gateway where no directory names issuers', async () => {
    const world = network.machine(() => undefined)
    const error = await failureOf(network.connect(world, { gateway: network.gateway }))
    assert.equal(error.code, 'GATEWAY_REFUSED')
    assert.match(error.nextStep, /starling credential buy/)
  })

  it('is refused by its gateway where it was given a topology, which names none', async () => {
    const asking = await network.connect(network.machine())
    const topology = await network.simulation.complete(asking.topologySnapshot())
    await network.close(asking)
    const before = network.payments.length
    const options = { directories: [], topology, gateway: network.gateway }
    const error = await failureOf(network.connect(network.machine(), options))
    assert.equal(error.code, 'GATEWAY_REFUSED')
    assert.equal(network.payments.length, before)
  })

  it('can be closed while it buys', async () => {
    const world = network.machine()
    const abort = new AbortController()
    const options = { folder: 'client', signal: abort.signal, engine: async () => new Promise<never>(() => {}) }
    network.simulation.clock.after(seconds(5), () => abort.abort())
    assert.equal((await failureOf(network.connect(world, options))).code, 'ABORTED')
    const again = await network.connect(world, { folder: 'client' })
    await network.assertServes(again)
    await network.close(again)
  })
})

const purchasesIn = (names: readonly string[]) => names.filter((name) => name.startsWith('purchase'))

it('where bandwidth is free nothing is loaded, opened or asked', async () => {
  const network = await PayingNetwork.start('free')
  let engines = 0
  const engine = async () => {
    engines++
    return new LocalEngine(scheme, network.simulation.random.stream('engine'))
  }
  const mixnet = await network.connect(network.machine(), { engine, folder: 'client' })
  await network.assertServes(mixnet)
  assert.throws(
    () => mixnet.tickets,
    (error) => isMixnetError(error, 'BAD_ARGUMENT') && /tickets: \{ buy/.test(error.nextStep),
  )
  await network.close(mixnet)
  assert.deepEqual([network.payments, engines], [[], 0])
})
