/** Tickets on their way to gateways: before bandwidth runs out, once each, and no more than is used. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Meter } from '../../foundation/base/observe.ts'
import { Secret } from '../../foundation/base/secret.ts'
import { hours, millis, minutes, seconds } from '../../foundation/base/units.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { sleep } from '../../foundation/platform/clock.ts'
import { decodePayInfo } from '../../protocol/credentials/payInfo.ts'
import type { ControlRequest } from '../../protocol/wire/gateway/control.ts'
import {
  errorResponse,
  ONLY_CREDENTIALS_TEXT,
  PAY_INFO_TIMESTAMP_TEXT,
  spendDateText,
  TICKET_SPENT_TEXT,
  TICKETS_BUSY_TEXT,
  UNKNOWN_EPOCH_TEXT,
} from '../../protocol/wire/gateway/errorTexts.ts'
import { JULIAN_DAY_OF_UNIX_EPOCH, openTicket, type Ticket } from '../../protocol/wire/gateway/ticket.ts'
import type { EntryLink } from '../entryLink.ts'
import { DEFAULT_ENTRY_PARAMS } from '../entryParams.ts'
import { EntrySelector } from '../entrySelector.ts'
import { GatewayConnection } from '../gatewayConnection.ts'
import { clientParts, PACKET, ScriptedGateway, ScriptedTopology, watch } from '../scriptedGateway.test.ts'
import { SharedKeys } from '../sharedKeys.ts'
import { FOLDER, IssuingNetwork, type Owner, openWallet } from './issuers.test.ts'

const TICKET = 200_000_000
/** A packet that counts as a hundred thousand: nobody sends a hundred thousand packets in a test. */
const CHARGE = 20_000_000

async function setUp(options: Parameters<typeof openWallet>[2] = {}) {
  const network = await IssuingNetwork.start()
  const { sim } = network
  const gateway = new ScriptedGateway(sim, 'gateway', '10.0.1.1')
  gateway.answers.claim = errorResponse(ONLY_CREDENTIALS_TEXT)
  await gateway.listen()
  const world = sim.host('client', { ips: ['10.0.2.1'] })
  const owner = await openWallet(network, world, options)
  const connect = ({ wallet }: Pick<Owner, 'wallet'> = owner) => {
    const parts = clientParts(new Meter())
    const failures: string[] = []
    const link = new GatewayConnection(world, {
      ...parts,
      gateway: gateway.identity,
      urls: () => [gateway.url],
      sharedKeys: new SharedKeys({ files: world.files, folder: FOLDER, log: parts.log }),
      params: DEFAULT_ENTRY_PARAMS,
      tickets: wallet,
      onFailure: ({ error }) => failures.push(error.code),
    })
    return { link, failures, ...watch(link) }
  }
  return { network, sim, gateway, world, owner, connect }
}

/** Serial numbers of tickets, which must be different, and all good. */
async function serials(network: IssuingNetwork, tickets: readonly Ticket[]): Promise<string[]> {
  const claims = tickets.map(({ payment, payInfo, spendDateJulianDay }) => ({
    payment,
    payInfo,
    day: (spendDateJulianDay - JULIAN_DAY_OF_UNIX_EPOCH) * 86_400,
  }))
  const verdicts = await network.engine.verifyPayments(network.masterKey, claims, 'strict')
  return verdicts.map((one) => (one.kind === 'good' ? Buffer.from(one.serialNumber).toString('hex') : one.fault))
}

const unique = (list: readonly string[]): number => new Set(list).size

/** A gateway that counts, and an honest client's own count of the same: `bytes` each packet. */
async function send(
  { sim, gateway, owner }: Pick<Awaited<ReturnType<typeof setUp>>, 'sim' | 'gateway' | 'owner'>,
  link: EntryLink,
): Promise<boolean> {
  const sent = link.send(PACKET)
  if (sent) owner.wallet.sent(gateway.identity, CHARGE - PACKET.packet.length)
  await sim.runFor(seconds(6))
  return sent
}

describe('paying a gateway', () => {
  it('is done where nothing is given for nothing, for this gateway, now, with a good ticket', async () => {
    const { network, sim, gateway, owner, connect } = await setUp()
    await sim.complete(owner.wallet.buyBook())
    const { events } = connect()
    await sim.runFor(seconds(2))
    assert.deepEqual(events, ['opened'])
    assert.deepEqual(gateway.log.slice(-2), ['claim', 'ticket'])
    const [ticket] = gateway.tickets as [Ticket]
    assert.equal(ticket.epochId, 7n)
    const { provider, unixSeconds } = decodePayInfo(ticket.payInfo)
    assert.deepEqual(provider, gateway.identity)
    assert.ok(Math.abs(Number(unixSeconds) - sim.clock.now() / 1000) < 3)
    assert.match((await serials(network, [ticket]))[0] as string, /^[0-9a-f]{96}$/)
    assert.deepEqual(owner.events.at(-1), { type: 'ticket-spent', left: 49 })
  })

  it('is not done where bandwidth is free, unless it is asked for', async () => {
    for (const always of [false, true]) {
      const { sim, gateway, owner, connect } = await setUp({ always })
      gateway.answers = {}
      await sim.complete(owner.wallet.buyBook())
      const { events } = connect()
      await sim.runFor(seconds(2))
      assert.deepEqual(events, ['opened'])
      assert.equal(gateway.tickets.length, always ? 1 : 0)
    }
  })

  it('goes on before bandwidth runs out, each ticket once, and asks nobody for more than it uses', async () => {
    const setup = await setUp({ buy: 'faucet' })
    const { network, sim, gateway } = setup
    const { link, events } = setup.connect()
    await sim.runFor(seconds(5))
    assert.deepEqual(events, ['opened'])
    charging(gateway)
    let refused = 0
    for (let packet = 0; packet < 200; packet++) if (!(await send(setup, link))) refused++
    assert.equal(refused, 0)
    assert.deepEqual(events, ['opened'])
    const used = (200 * CHARGE) / TICKET
    assert.ok(gateway.tickets.length >= used && gateway.tickets.length <= used + 1, `${gateway.tickets.length}`)
    assert.equal(unique(await serials(network, gateway.tickets)), gateway.tickets.length)
  })

  it('buys the next book before the last ticket is spent, at another moment than a spend', async () => {
    const setup = await setUp({ buy: 'faucet' })
    const { network, sim, gateway } = setup
    const { link, events } = setup.connect()
    await sim.runFor(seconds(5))
    charging(gateway)
    for (let packet = 0; packet < 550; packet++) {
      assert.ok(await send(setup, link))
      await sim.runFor(minutes(1))
    }
    assert.deepEqual(events, ['opened'])
    assert.equal(network.deposits.size, 2)
    assert.ok(gateway.tickets.length >= 55)
    assert.equal(unique(await serials(network, gateway.tickets)), gateway.tickets.length)
  })

  it('is done at once by who comes back with next to nothing', async () => {
    for (const left of [100, 3000]) {
      const { sim, gateway, owner, connect } = await setUp()
      await sim.complete(owner.wallet.buyBook())
      const { link, events } = connect()
      await sim.runFor(seconds(2))
      for (const client of gateway.clients.values()) client.balance = left
      gateway.hangUp()
      await sim.runFor(seconds(1.5))
      assert.deepEqual(events, ['opened', 'GATEWAY_LOST', 'opened'])
      assert.ok(link.send(PACKET))
      await sim.runFor(seconds(0.2))
      assert.ok(link.send(PACKET))
      await sim.runFor(seconds(0.2))
      assert.equal(gateway.tickets.length, 2)
      assert.ok([...gateway.clients.values()].every(({ balance }) => balance > TICKET - 3 * PACKET.packet.length))
      assert.ok(link.isOpen)
    }
  })

  for (const how of ['killed', 'closed'] as const) {
    it(`blames no gateway for what it sent before it was ${how}`, async () => {
      const { network, sim, gateway, owner } = await setUp()
      await sim.complete(owner.wallet.buyBook())
      await sim.complete(owner.wallet.close())
      let world = sim.restart('client')
      for (let run = 0; run < 8; run++) {
        const { wallet } = await openWallet(network, world)
        const claimed = new Promise<string | undefined>((resolve) => {
          wallet
            .payment({
              gateway: gateway.identity,
              send: ({ type }) => type === 'ecashCredential' && resolve(undefined),
              failed: ({ error }) => resolve(error.code),
            })
            .answered(errorResponse(ONLY_CREDENTIALS_TEXT), new Secret(new Uint8Array(32).fill(3)))
        })
        assert.equal(await sim.complete(claimed), undefined)
        for (let sent = 0; sent < TICKET; sent += TICKET / 25) wallet.sent(gateway.identity, TICKET / 25)
        await sim.runFor(seconds(1))
        if (how === 'closed') await sim.complete(wallet.close())
        world = sim.restart('client')
      }
    })
  }

  it('takes no ticket along for a session that ended while the book was bought', async () => {
    const { sim, gateway, owner, connect } = await setUp({ buy: 'faucet' })
    sim.shapeLink('faucet', 'client', { latency: seconds(3) })
    const { events } = connect()
    for (const wait of [1.5, 1.5, 1.5]) {
      await sim.runFor(seconds(wait))
      gateway.hangUp()
    }
    assert.equal(owner.wallet.books().length, 0)
    assert.ok(gateway.connections > 2)
    await sim.runFor(seconds(15))
    assert.deepEqual(events, ['opened'])
    assert.equal(gateway.tickets.length, 1)
    assert.equal(owner.wallet.books()[0]?.left, 49)
  })

  it('passes over tickets that were seen before, and gives up after three', async () => {
    const { sim, gateway, owner, connect } = await setUp()
    await sim.complete(owner.wallet.buyBook())
    let refusals = 1
    gateway.judge = (_, client) => {
      if (refusals-- > 0) return { type: 'typedError', error: { kind: 'ticketReplay' } }
      client.balance += TICKET
      return { type: 'bandwidth', availableTotal: client.balance, upgradeMode: false }
    }
    const one = connect()
    await sim.runFor(seconds(2))
    assert.deepEqual(one.events, ['opened'])
    assert.equal(gateway.tickets.length, 2)
    await sim.complete(one.link.close())
    gateway.clients.clear()
    refusals = 100
    const two = connect()
    await sim.runFor(seconds(2))
    assert.deepEqual(two.events, [])
    assert.equal(two.failures[0], 'GATEWAY_REFUSED')
    assert.ok(gateway.tickets.length <= 5)
  })

  for (const text of [PAY_INFO_TIMESTAMP_TEXT, spendDateText('2026-01-02', '2026-01-01')]) {
    it(`does not send a second ticket where the clocks differ: "${text}"`, async () => {
      const { sim, gateway, owner, connect } = await setUp()
      await sim.complete(owner.wallet.buyBook())
      gateway.judge = () => errorResponse(text)
      const { failures } = connect()
      await sim.runFor(seconds(0.4))
      assert.equal(gateway.tickets.length, 1)
      assert.deepEqual(failures, ['GATEWAY_REFUSED'])
    })
  }

  it('asks for the balance before it spends again where a ticket was not answered', async () => {
    const { sim, gateway, owner, connect } = await setUp()
    await sim.complete(owner.wallet.buyBook())
    gateway.judge = (_, client) => {
      client.balance += TICKET
      return undefined
    }
    const { events } = connect()
    await sim.runFor(seconds(60))
    assert.equal(gateway.tickets.length, 1)
    assert.deepEqual(events, ['opened'])
    assert.deepEqual(gateway.log.slice(-2), ['protocol', 'login'])
  })

  for (const text of [TICKETS_BUSY_TEXT, UNKNOWN_EPOCH_TEXT]) {
    it(`gives the same ticket again where the gateway says "${text}"`, async () => {
      const { network, sim, gateway, owner, connect } = await setUp()
      await sim.complete(owner.wallet.buyBook())
      let refusals = 3
      gateway.judge = (_, client) => {
        if (refusals-- > 0) return errorResponse(text)
        client.balance += TICKET
        return { type: 'bandwidth', availableTotal: client.balance, upgradeMode: false }
      }
      const one = connect()
      await sim.runFor(seconds(25))
      assert.deepEqual(one.events, ['opened'])
      assert.equal(gateway.tickets.length, 4)
      assert.equal(unique(await serials(network, gateway.tickets)), 1)
      assert.equal(new Set(gateway.tickets.map(({ payInfo }) => Buffer.from(payInfo).toString('hex'))).size, 1)
      assert.equal(owner.wallet.books()[0]?.left, 49)
      await sim.complete(one.link.close())
      gateway.clients.clear()
      refusals = 100
      const two = connect()
      await sim.runFor(seconds(19))
      assert.deepEqual([gateway.tickets.length, two.failures], [8, []])
      assert.equal(owner.wallet.books()[0]?.left, 48)
      await sim.runFor(seconds(2))
      assert.equal(two.failures[0], 'GATEWAY_REFUSED')
    })
  }

  it('names one day in a ticket that is struck off before midnight and made after it', async () => {
    // A book of today, and one that ends with it.
    for (const days of [0, 6]) {
      const { network, sim, gateway, owner, connect } = await setUp()
      await sim.complete(owner.wallet.buyBook())
      const now = sim.clock.now()
      const day = Math.floor(now / 86_400_000) + days
      await sim.runFor(millis((day + 1) * 86_400_000 - 2000 - now))
      owner.files.slow = () => sleep(sim.clock, seconds(1.5))
      connect()
      await sim.runFor(seconds(5))
      const [ticket] = gateway.tickets as [Ticket]
      assert.match((await serials(network, [ticket]))[0] as string, /^[0-9a-f]{96}$/)
      const spent = ticket.spendDateJulianDay - JULIAN_DAY_OF_UNIX_EPOCH
      const { unixSeconds } = decodePayInfo(ticket.payInfo)
      assert.equal(spent, days === 0 ? day + 1 : day)
      assert.equal(Math.floor(Number(unixSeconds) / 86_400), spent)
      assert.ok(Math.abs(Number(unixSeconds) - sim.clock.now() / 1000) < 10)
    }
  })

  it('says that no ticket is left, and that it is low on them once', async () => {
    const { sim, gateway, owner, connect } = await setUp()
    const { failures } = connect()
    await sim.runFor(minutes(2))
    assert.ok(failures.length > 1)
    assert.ok(failures.every((code) => code === 'NO_TICKETS'))
    assert.deepEqual(owner.events, [{ type: 'tickets-low', left: 0 }])
    assert.equal(gateway.tickets.length, 0)
  })

  const thefts: Record<string, (gateway: ScriptedGateway) => void> = {
    'takes all and gives nothing': (gateway) => {
      gateway.judge = () => ({ type: 'bandwidth', availableTotal: 0, upgradeMode: false })
    },
    'says that each was spent': (gateway) => {
      gateway.judge = () => errorResponse(TICKET_SPENT_TEXT)
    },
    'counts a hundredfold': (gateway) => {
      gateway.answers.packet = { type: 'send', remainingBandwidth: 10, upgradeMode: false }
    },
    'takes them and hangs up': (gateway) => {
      gateway.judge = () => {
        gateway.hangUp()
        return undefined
      }
    },
  }
  for (const [name, steal] of Object.entries(thefts)) {
    it(`gives a thief three tickets and one an hour: it ${name}`, async () => {
      const { sim, gateway, owner, world, network, connect } = await setUp()
      await sim.complete(owner.wallet.buyBook())
      steal(gateway)
      let current = owner
      for (let start = 0; start < 5; start++) {
        const { link } = connect(current)
        for (let packet = 0; packet < 20; packet++) {
          link.send(PACKET)
          await sim.runFor(seconds(6))
        }
        await sim.complete(link.close())
        // A program that is started again and again forgets nothing.
        await sim.complete(current.wallet.close())
        current = await openWallet(network, world)
      }
      assert.ok(gateway.tickets.length <= 4, `${gateway.tickets.length}`)
      assert.ok((current.wallet.books()[0]?.left ?? 0) >= 46)
    })
  }

  it('leaves the thief for an honest gateway', async () => {
    const { sim, gateway, owner, world } = await setUp()
    await sim.complete(owner.wallet.buyBook())
    const honest = new ScriptedGateway(sim, 'honest', '10.0.1.2')
    honest.answers.claim = errorResponse(ONLY_CREDENTIALS_TEXT)
    await honest.listen()
    gateway.judge = () => ({ type: 'bandwidth', availableTotal: 0, upgradeMode: false })
    const link = await sim.complete(
      EntrySelector.create(world, {
        ...clientParts(),
        topology: new ScriptedTopology([gateway, honest]),
        folder: FOLDER,
        tickets: owner.wallet,
      }),
    )
    watch(link)
    await sim.runFor(minutes(2))
    assert.ok(link.isOpen)
    assert.deepEqual(link.gateway, honest.identity)
    assert.equal(honest.tickets.length, 1)
    assert.ok(gateway.tickets.length <= 3)
    assert.deepEqual(decodePayInfo((honest.tickets[0] as Ticket).payInfo).provider, honest.identity)
  })

  it('spends no ticket twice wherever it crashes, and loses one at most', async () => {
    for (let write = 1; write <= 6; write++) {
      for (const after of [false, true]) {
        const { network, sim, gateway, world, owner, connect } = await setUp()
        await sim.complete(owner.wallet.buyBook())
        await sim.complete(owner.wallet.close())
        const dying = await openWallet(network, world, { dies: { write, after }, always: true })
        const key = new Secret(new Uint8Array(32).fill(3))
        const sent: Ticket[] = []
        for (let claim = 0; claim < 4; claim++) {
          const answer = await sim.complete(
            new Promise<ControlRequest | undefined>((resolve) => {
              const provider = nodeProvider.sha256(Uint8Array.of(claim))
              dying.wallet.payment({ gateway: provider, send: resolve, failed: () => resolve(undefined) }).claim(key)
            }),
          )
          if (answer?.type !== 'ecashCredential') break
          sent.push(openTicket(nodeProvider, key.expose(), answer))
        }
        assert.ok(sent.length < 4)
        const next = await openWallet(network, world)
        const left = next.wallet.books()[0]?.left ?? 0
        assert.ok(left + sent.length >= 49, `write ${write}: ${left} left, ${sent.length} sent`)
        const { events } = connect(next)
        await sim.runFor(seconds(3))
        assert.deepEqual(events, ['opened'])
        assert.equal(gateway.tickets.length, 1)
        assert.equal(unique(await serials(network, [...sent, ...gateway.tickets])), sent.length + 1)
      }
    }
  })

  it('forgets books a week after their last day, and offers none that is over', async () => {
    const { sim, owner, world, network } = await setUp()
    await sim.complete(owner.wallet.buyBook())
    await sim.runFor(hours(24 * 6))
    assert.equal(owner.wallet.books().length, 1)
    await sim.runFor(hours(24))
    assert.equal(owner.wallet.books().length, 0)
    assert.equal(
      (await sim.complete(world.files.list(`${FOLDER}/tickets`))).filter((name) => name.startsWith('book-')).length,
      1,
    )
    await sim.runFor(hours(24 * 8))
    await sim.runFor(hours(1))
    assert.equal(
      (await sim.complete(world.files.list(`${FOLDER}/tickets`))).filter((name) => name.startsWith('book-')).length,
      0,
    )
    assert.equal((await openWallet(network, world)).wallet.books().length, 0)
  })
})

function charging(gateway: ScriptedGateway): void {
  for (const client of gateway.clients.values()) {
    let { balance } = client
    // What a packet costs besides its own length.
    const cost = CHARGE - PACKET.packet.length
    Object.defineProperty(client, 'balance', {
      get: () => balance,
      set(value: number) {
        balance = value < balance ? value - cost : value
      },
    })
  }
}
