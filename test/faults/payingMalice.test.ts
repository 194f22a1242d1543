/** Issuers, gateways and clients that lie, in a network that is paid for. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { loadOrCreateNodeKeys } from '../../src/app/node/nodeKeys.ts'
import { TicketWallet } from '../../src/client/credentials/ticketWallet.ts'
import { EntrySelector } from '../../src/client/entrySelector.ts'
import { toBase58 } from '../../src/foundation/base/base58.ts'
import { toHex } from '../../src/foundation/base/bytes.ts'
import { isMixnetError } from '../../src/foundation/base/errors.ts'
import { Meter, silentLog } from '../../src/foundation/base/observe.ts'
import { Secret } from '../../src/foundation/base/secret.ts'
import { millis, minutes, seconds } from '../../src/foundation/base/units.ts'
import type { SpendOrder } from '../../src/protocol/credentials/engine.ts'
import {
  decodeCoinList,
  decodeDateList,
  encodeCoinList,
  encodeDateList,
  LIST_PATHS,
} from '../../src/protocol/wire/issuer/publicLists.ts'
import {
  decodeRedeemAnswer,
  encodeRedeemRequest,
  signRedeemRequest,
} from '../../src/protocol/wire/issuer/redemption.ts'
import { encodeTicketVerdict } from '../../src/protocol/wire/issuer/ticketVerification.ts'
import { ENTRY, PayingClient, scaledSource } from './payingClient.ts'
import {
  GATEWAYS,
  ISSUERS,
  issuerName,
  issuerUrl,
  type Lie,
  markedPacket,
  PACKET_BYTES,
  PayingNetwork,
  THRESHOLD,
  TICKET_BYTES,
} from './payingNetwork.ts'

const JSON_HEADERS = { 'content-type': 'application/json' }
const json = (value: unknown): Response => new Response(JSON.stringify(value), { headers: JSON_HEADERS })

/** Another issuer's signature instead of its own, and lists in another order. */
const wrongSignatures: Lie = async ({ path, body }, honest, net) => {
  if (path === '/v1/ecash/blind-sign') {
    const other = await net.request({
      url: `${issuerUrl(1)}${path}`,
      method: 'POST',
      headers: JSON_HEADERS,
      body,
      timeout: seconds(10),
      maxBodyBytes: 4096,
    })
    return new Response(other.body.slice(), { status: other.status, headers: JSON_HEADERS })
  }
  const answer = await honest()
  const paths = (kind: 'dates' | 'coins') => Object.values(LIST_PATHS[kind]).map((name) => `/v1/ecash${name}`)
  if (answer.status !== 200) return answer
  if (paths('coins').includes(path)) {
    const { epochId, signatures } = decodeCoinList(await answer.text())
    return json(encodeCoinList({ epochId, signatures: turned(signatures) }))
  }
  if (paths('dates').includes(path)) {
    const list = decodeDateList(await answer.text())
    return json(encodeDateList({ ...list, signatures: turned(list.signatures) }))
  }
  return answer
}

/** The last signature in front. */
const turned = (signatures: Uint8Array): Uint8Array =>
  Uint8Array.of(...signatures.subarray(-96), ...signatures.subarray(0, -96))

const alwaysDoubleSpend: Lie = ({ path }, honest) =>
  path === '/v1/ecash/verify-ecash-ticket' ? json(encodeTicketVerdict({ kind: 'DoubleSpend' })) : honest()

const liars = (lie: Lie, ...positions: readonly number[]): ReadonlyMap<string, Lie> =>
  new Map(positions.map((position) => [issuerName(position), lie]))

async function spending(network: PayingNetwork, count: number): Promise<readonly PayingClient[]> {
  const clients = Array.from(
    { length: count },
    (_, number) => new PayingClient(network, { number, every: millis(500) }),
  )
  for (const client of clients) void client.start()
  await network.runUntil('everybody pays', () => clients.every(({ sent }) => sent > 50), minutes(3))
  return clients
}

const lowestBalance = (network: PayingNetwork): number =>
  Math.min(
    ...GATEWAYS.flatMap((gateway) =>
      network
        .gatewayDatabase(gateway)
        .prepare('SELECT balance_bytes FROM clients')
        .all()
        .map((row) => Number(row.balance_bytes)),
    ),
  )

describe('issuers that lie', () => {
  it('are named where they sign wrongly, and done without', async () => {
    const network = await PayingNetwork.start({ seed: 'wrong signatures', lies: liars(wrongSignatures, 0) })
    const clients = await spending(network, 12)
    const culprits = clients.map((client) => client.culprits)
    assert.ok(culprits.some((one) => one.includes(1)))
    assert.deepEqual([...new Set(culprits.flat())], [1])
    const refusedLists = clients.flatMap(({ wrongLists }) => wrongLists)
    assert.deepEqual([...new Set(refusedLists)], [1])
    assert.equal(network.tickets('rejected'), 0)
  })

  it('punish nobody alone: one of five calls every ticket a double spend', async () => {
    const network = await PayingNetwork.start({ seed: 'slander', lies: liars(alwaysDoubleSpend, 0) })
    const clients = await spending(network, 8)
    await network.complete(Promise.all(clients.map((client) => client.leave())))
    await network.runFor(minutes(1))
    assert.ok(network.tickets('accepted') > clients.length)
    assert.equal(network.tickets('verified'), network.tickets('accepted'))
    assert.ok(lowestBalance(network) >= 0)
  })

  it('are a quorum that punishes as two of five, as the protocol has it', async () => {
    const network = await PayingNetwork.start({ seed: 'slander', lies: liars(alwaysDoubleSpend, 0, 1) })
    new PayingClient(network, { number: 0, every: millis(500) }).start().catch(() => {})
    await network.runUntil('punished', () => network.tickets('rejected') > 0)
    await network.runFor(seconds(2))
    assert.ok(lowestBalance(network) < 0)
  })
})

describe('a client that spends one ticket at two gateways', () => {
  it('is served by both, named by its key, fined at the second, and gets no more books', async () => {
    const network = await PayingNetwork.start({ seed: 'double spender' })
    const world = network.host('cheat', '10.2.0.1')
    const identitySeed = new Secret(new Uint8Array(32).fill(9))
    const keys: string[] = []
    let first: SpendOrder | undefined
    let userKey: Uint8Array | undefined
    const engine = new Proxy(network.engine, {
      get(target, name) {
        if (name === 'spend') {
          return (order: SpendOrder) => {
            first ??= order
            return target.spend({ ...order, ticket: first.ticket, book: first.book })
          }
        }
        if (name === 'userKey') {
          return async (seed: Uint8Array) => {
            userKey ??= await target.userKey(seed)
            return userKey
          }
        }
        if (name === 'requestBook') {
          return async (...order: Parameters<typeof target.requestBook>) => {
            const request = await target.requestBook(...order)
            keys.push(toHex(request.publicKey))
            return request
          }
        }
        const value = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const directories = [network.testnet.directoryUrl]
    const wallet = await network.complete(
      TicketWallet.open({
        ...{ world, folder: 'cheat', identitySeed, directories, engine, buy: 'faucet', log: silentLog },
        tell: () => {},
      }),
    )
    const at = async (gateway: string): Promise<EntrySelector> => {
      const link = await EntrySelector.create(world, {
        ...{ topology: network.topology, identitySeed, meter: new Meter(), log: silentLog, params: ENTRY },
        gateway: toBase58(network.identityOf(gateway)),
        folder: `cheat/${gateway}`,
        tickets: scaledSource(wallet),
      })
      link.attach({ pushed() {}, opened() {}, lost() {} })
      await link.whenOpen(seconds(30))
      return link
    }
    const [hop] = network.topology.current()?.layers[0] ?? assert.fail('no mix node')
    for (const gateway of ['tern', 'plover']) {
      const link = await network.complete(at(gateway))
      const packet = { rotation: network.topology.current()?.rotationFlag ?? 1, packet: markedPacket(1) } as const
      assert.ok(hop !== undefined && link.send({ ...packet, nextHop: hop.address }))
      await network.runFor(seconds(5))
      assert.equal(network.tickets('accepted', [gateway]), 1)
    }
    assert.equal(network.entered.get(1), 2)
    assert.equal(network.tickets('verified', ['tern']), 1)
    assert.equal(network.tickets('rejected', ['plover']), 1)
    const [row] = network.gatewayDatabase('plover').prepare('SELECT balance_bytes FROM clients').all()
    assert.equal(Number(row?.balance_bytes), TICKET_BYTES - PACKET_BYTES - 10 * TICKET_BYTES)
    for (let position = 0; position < ISSUERS; position++) {
      const named = network.issuerDatabase(position).prepare('SELECT public_key FROM double_spenders').all()
      assert.deepEqual(
        named.map((one) => toHex(one.public_key as Uint8Array)),
        [keys[0]],
      )
    }
    const refused = await network.complete(
      wallet.buyBook().catch((error: unknown) => error),
      minutes(5),
    )
    assert.ok(isMixnetError(refused, 'ISSUERS_UNAVAILABLE'))
    assert.equal(keys[1], keys[0])
    const signed = network.testnet.issuers?.meters.map(
      (meter) => meter.snapshot()['issuer_books_total{result="double-spender"}'] ?? 0,
    )
    assert.ok(signed !== undefined && signed.filter((times) => times > 0).length > ISSUERS - THRESHOLD)
  })
})

describe('a gateway that hands in tickets of another', () => {
  it('is refused, and the other is not', async () => {
    const network = await PayingNetwork.start({ seed: 'thief' })
    const clients = await spending(network, 8)
    await network.complete(Promise.all(clients.map((client) => client.leave())))
    await network.runFor(minutes(1))
    const serialNumbers = network
      .gatewayDatabase('tern')
      .prepare(`SELECT serial FROM tickets WHERE state = 'verified'`)
      .all()
      .map((row) => row.serial as Uint8Array)
    assert.ok(serialNumbers.length > 0)
    const handIn = async (gateway: string): Promise<boolean[]> => {
      const world = network.worldOf(gateway)
      const { identitySeed } = await loadOrCreateNodeKeys(world, `testnet/nodes/${gateway}`)
      const request = signRedeemRequest(world.crypto, identitySeed.expose(), { serialNumbers })
      const body = JSON.stringify(encodeRedeemRequest(request))
      return await Promise.all(
        Array.from({ length: ISSUERS }, async (_, position) => {
          const answer = await world.net.request({
            ...{ url: `${issuerUrl(position)}/v1/ecash/batch-redeem-ecash-tickets`, method: 'POST', body },
            ...{ headers: JSON_HEADERS, timeout: seconds(10), maxBodyBytes: 4096 },
          })
          return decodeRedeemAnswer(new TextDecoder().decode(answer.body)).accepted
        }),
      )
    }
    assert.deepEqual(await network.complete(handIn('plover')), Array(ISSUERS).fill(false))
    assert.deepEqual(await network.complete(handIn('tern')), Array(ISSUERS).fill(true))
  })
})
