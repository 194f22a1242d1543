/** Tickets of an epoch after its issuers have handed their key on, in a network that is paid for. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Meter, silentLog } from '../../src/foundation/base/observe.ts'
import { Secret } from '../../src/foundation/base/secret.ts'
import { millis, minutes, seconds } from '../../src/foundation/base/units.ts'
import { nullBls } from '../../src/foundation/crypto/nullBls.ts'
import { LocalDkgEngine } from '../../src/protocol/credentials/dkgEngine.ts'
import { createScheme } from '../../src/protocol/credentials/scheme.ts'
import type { AgreedKeys } from '../../src/roles/issuer/agreedKeys.ts'
import { faucetDeposits } from '../../src/roles/issuer/deposits.ts'
import { agreeOnKeys } from '../../src/roles/issuer/dkg/dkgParticipant.ts'
import type { DkgPlan } from '../../src/roles/issuer/dkg/dkgSession.ts'
import { MemoryBoard } from '../../src/roles/issuer/dkg/memoryBoard.ts'
import { Faucet } from '../../src/roles/issuer/faucet.ts'
import { Issuer } from '../../src/roles/issuer/issuer.ts'
import { PayingClient } from './payingClient.ts'
import { FAUCET, GATEWAYS, ISSUERS, issuerName, issuerUrl, PayingNetwork, THRESHOLD } from './payingNetwork.ts'

const PRICE = 75_000_000
const FAUCET_ENDPOINT = { host: '10.0.0.2', port: 8099 }
const FAUCET_URL = 'http://10.0.0.2:8099'
const POSITIONS = Array.from({ length: ISSUERS }, (_, i) => i)
const seedOf = (position: number): Secret => new Secret(new Uint8Array(32).fill(100 + position))

/** Issuers that hand their key on, which those of `issuerService.ts` do not do yet. */
class Epochs {
  readonly #network: PayingNetwork
  readonly keys: (readonly AgreedKeys[])[] = []
  readonly issuers: Issuer[] = []

  constructor(network: PayingNetwork) {
    this.#network = network
  }

  async start(): Promise<readonly string[]> {
    const faucet = new Faucet(this.#network.worldOf(FAUCET), { folder: 'testnet/faucet', priceUnym: PRICE })
    await faucet.serve(FAUCET_ENDPOINT)
    this.keys.push(await this.#agree(0))
    await Promise.all(POSITIONS.map((position) => this.startOne(position, 0)))
    return POSITIONS.map(issuerUrl)
  }

  async startOne(position: number, epoch: number, older: readonly number[] = []): Promise<void> {
    const world = this.#network.worldOf(issuerName(position))
    const keysOf = (one: number) => this.keys[one]?.[position] as AgreedKeys
    const { hostname: host, port } = new URL(issuerUrl(position))
    this.issuers[position] = await Issuer.start(world, {
      folder: `testnet/issuers/${position + 1}`,
      identitySeed: seedOf(position),
      keys: keysOf(epoch),
      olderKeys: older.map(keysOf),
      engine: this.#network.engine,
      deposits: faucetDeposits(world, { url: FAUCET_URL, priceUnym: PRICE, timeout: seconds(10) }),
      faucetUrl: FAUCET_URL,
      listen: { host, port: Number(port) },
    })
  }

  async handOn(): Promise<void> {
    const next = await this.#agree(this.keys.length, this.keys.at(-1))
    this.keys.push(next)
    for (const [position, keys] of next.entries()) this.issuers[position]?.adopt(keys)
  }

  #agree(epochId: number, previous?: readonly AgreedKeys[]): Promise<readonly AgreedKeys[]> {
    const { clock } = this.#network.simulation
    const board = new MemoryBoard(clock)
    const engine = new LocalDkgEngine(createScheme(nullBls), this.#network.random)
    const [first] = previous ?? []
    const plan: DkgPlan = {
      network: 'handed on',
      epochId,
      threshold: THRESHOLD,
      members: POSITIONS.map((position) => ({
        index: position + 1,
        identity: this.#network.worldOf(issuerName(position)).crypto.ed25519PublicKey(seedOf(position).expose()),
        url: issuerUrl(position),
      })),
      ...(first === undefined ? {} : { previous: first }),
      startsAt: millis(Math.floor(clock.now())),
      phaseLimit: seconds(20),
    }
    return Promise.all(
      POSITIONS.map(async (position) => {
        const previousKey = previous?.[position]?.own.secretKey
        const outcome = await agreeOnKeys(this.#network.worldOf(issuerName(position)), {
          ...{ plan, board, engine, log: silentLog, meter: new Meter() },
          identitySeed: seedOf(position),
          folder: `testnet/issuers/${position + 1}`,
          previousKey,
        })
        assert.ok(outcome.kind === 'member')
        return outcome.keys
      }),
    )
  }
}

describe('tickets of the epoch before', () => {
  it('are taken and verified beside those of the new one, also by gateways and issuers that were restarted', async () => {
    let epochs: Epochs | undefined
    const network = await PayingNetwork.start({
      seed: 'epochs',
      issuers: (started) => {
        epochs = new Epochs(started)
        return epochs.start()
      },
    })
    assert.ok(epochs)
    const old = new PayingClient(network, { number: 1, every: millis(500) })
    await network.complete(old.start())
    await network.runUntil('the old one pays', () => old.sent > 60)
    await network.complete(epochs.handOn())
    // Directory and gateways ask every minute.
    await network.runFor(minutes(3))
    const young = new PayingClient(network, { number: 2, every: millis(500) })
    await network.complete(young.start())
    await network.runUntil('the young one pays', () => young.sent > 60)
    assert.deepEqual(
      [old, young].map(({ wallet }) => wallet?.books().map(({ epochId }) => epochId)),
      [[0n], [1n]],
    )
    for (const gateway of GATEWAYS) network.kill(gateway)
    network.kill(issuerName(4))
    await network.complete(Promise.all(GATEWAYS.map((gateway) => network.revive(gateway))))
    network.restarted(issuerName(4))
    await network.complete(epochs.startOne(4, 1, [0]))
    const [before, spent] = [[old.made.size, young.made.size], network.tickets('verified')]
    await network.runFor(minutes(2))
    assert.ok(old.made.size > (before[0] as number) && young.made.size > (before[1] as number))
    assert.ok(network.tickets('verified') > spent)
    await network.complete(Promise.all([old.leave(), young.leave()]))
    await network.runFor(minutes(16))
    assert.equal(network.tickets('accepted'), old.made.size + young.made.size)
    assert.equal(network.tickets('verified'), network.tickets('accepted'))
    assert.equal(old.refusedWithTickets + young.refusedWithTickets, 0)
    const epochIds = network.gatewayDatabase('tern').prepare('SELECT epoch_id FROM credential_epochs ORDER BY 1').all()
    assert.deepEqual(
      epochIds.map((row) => Number(row.epoch_id)),
      [0, 1],
    )
  })
})
