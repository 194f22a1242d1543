/**
 * A client that pays, of the shipped parts and without the rest: its wallet, its choice of gateways, their sessions. It sends packets that
 * go nowhere at a rate of its own, and writes down every moment in which it could not although it had tickets. @module
 */

import { countOf, decodeBookRecord } from '../../src/client/credentials/bookRecord.ts'
import { TicketFiles } from '../../src/client/credentials/ticketFiles.ts'
import { type ClientEngine, TicketWallet } from '../../src/client/credentials/ticketWallet.ts'
import { DEFAULT_ENTRY_PARAMS, type EntryParams } from '../../src/client/entryParams.ts'
import { EntrySelector } from '../../src/client/entrySelector.ts'
import type { TicketSource } from '../../src/client/ticketSource.ts'
import { toHex } from '../../src/foundation/base/bytes.ts'
import { type LogFields, Meter, silentLog } from '../../src/foundation/base/observe.ts'
import { Secret } from '../../src/foundation/base/secret.ts'
import { type Millis, millis, seconds } from '../../src/foundation/base/units.ts'
import type { World } from '../../src/foundation/platform/world.ts'
import type { TopologyProvider } from '../../src/network/topology/topologyProvider.ts'
import { readClaims } from '../../src/roles/gateway/ticketChecks.ts'
import { markedPacket, type PayingNetwork, TICKET_BYTES, TICKET_SCALE } from './payingNetwork.ts'

const FOLDER = 'client'
/** Official numbers, in proportion to the ticket. */
export const ENTRY: EntryParams = {
  ...DEFAULT_ENTRY_PARAMS,
  claimBelow: TICKET_BYTES / 5,
  claimSpacing: seconds(1),
}
const outOfBandwidth = (meter: Meter): number =>
  meter.counter('client_gateway_odd_total', 'Messages of the gateway that bring nothing', {
    reason: 'out-of-bandwidth',
  }).value

/** A ticket is worth less than it thinks, so what it sends counts for more. */
export const scaledSource = (source: TicketSource): TicketSource => ({
  payment: (session) => source.payment(session),
  sent: (gateway, bytes) => source.sent(gateway, bytes / TICKET_SCALE),
})

/** Serial numbers of all payments it makes, with the session they were made in. */
export function watchedEngine(engine: ClientEngine, made: (serialNumber: string) => void): ClientEngine {
  return {
    userKey: (seed) => engine.userKey(seed),
    requestBook: (key, attributes) => engine.requestBook(key, attributes),
    openBook: (order) => engine.openBook(order),
    aggregateKeys: (shares) => engine.aggregateKeys(shares),
    listHolds: (topic, key, signatures) => engine.listHolds(topic, key, signatures),
    verifyPayments: (key, claims, strictness) => engine.verifyPayments(key, claims, strictness),
    async spend(order) {
      const payment = await engine.spend(order)
      const claims = readClaims(payment, 'strict')
      if (typeof claims !== 'string') made(toHex(claims.serialNumber))
      return payment
    },
  }
}

export interface Gap {
  readonly length: Millis
  readonly at: Millis
  readonly gateway: string
}

export interface ClientPlan {
  readonly number: number
  /** Between two packets. */
  readonly every: Millis
  /** Whether all it sends is in `sent`, and marked. Default true. */
  readonly marked?: boolean
  /** A ticket is on its way. */
  readonly onTicket?: (client: PayingClient) => void
  /** Gives so many tickets away of each book, so that it buys the next one soon. */
  readonly gives?: number
}

export class PayingClient {
  readonly plan: ClientPlan
  readonly name: string
  identitySeed: Secret
  readonly #network: PayingNetwork
  /** Sessions of payments made, by serial number. */
  readonly made: Map<string, number> = new Map()
  sent = 0
  crashes = 0
  /** Issuers that answered wrongly when it bought, by index. */
  readonly culprits: number[] = []
  /** Issuers whose lists did not hold, by index. */
  readonly wrongLists: number[] = []
  /** Sessions that ended in whatever way. */
  sessions = 0
  /** Packets refused for want of bandwidth while there were tickets. */
  refusedWithTickets = 0
  #refused = 0
  longestGap: Gap = { length: millis(0), at: millis(0), gateway: '' }
  wallet: TicketWallet | undefined
  link: EntrySelector | undefined
  meter: Meter = new Meter()
  #alive: { on: boolean } = { on: false }
  #begun = false
  #sending = true
  #lastGood: Millis = millis(0)

  constructor(network: PayingNetwork, plan: ClientPlan) {
    this.#network = network
    this.plan = plan
    this.name = `client-${plan.number}`
    this.identitySeed = new Secret(nodeSeed(plan.number))
    network.host(this.name, `10.2.${plan.number >> 7}.${1 + (plan.number & 127)}`)
  }

  /** Resolves when it has begun; it may take long until it has a ticket. */
  async start(world: World = this.#network.worldOf(this.name)): Promise<void> {
    const network = this.#network
    this.#begun = true
    const alive = { on: true }
    this.#alive = alive
    this.meter = new Meter()
    this.#refused = 0
    this.sessions++
    const { identitySeed } = this
    const engine = watchedEngine(network.engine, (serial) => {
      this.made.set(serial, this.sessions)
      this.plan.onTicket?.(this)
    })
    const wallet = await TicketWallet.open({
      world,
      folder: FOLDER,
      identitySeed,
      directories: [network.testnet.directoryUrl],
      engine,
      buy: 'faucet',
      log: { ...silentLog, warn: (what, fields) => this.#warned(what, fields), child: () => silentLog },
      tell: (event) => {
        if (event.type === 'book-bought') {
          this.culprits.push(...event.culprits)
          void this.#giveAway()
        }
      },
    })
    this.wallet = wallet
    const link = await EntrySelector.create(world, {
      topology: whileAlive(network.topology, alive),
      folder: FOLDER,
      identitySeed,
      tickets: scaledSource(wallet),
      params: ENTRY,
      meter: this.meter,
      log: silentLog,
    })
    this.link = link
    link.attach({
      pushed() {},
      opened() {},
      lost: () => {
        this.sessions++
      },
    })
    this.#lastGood = network.now
    const tick = () => {
      if (!alive.on || !this.#sending) return
      this.#send(link)
      world.clock.after(millis(this.plan.every * (0.5 + network.random.uniform())), tick)
    }
    tick()
  }

  /** kill -9, and started again after `away`. */
  interrupt(away: Millis): void {
    const network = this.#network
    if (!this.#begun || network.upSince(this.name) === undefined) return
    this.crashes++
    this.#alive.on = false
    this.wallet = undefined
    network.kill(this.name)
    network.simulation.clock.after(away, () => {
      void network.reviveClient(this.name, (world) => this.start(world))
    })
  }

  /** Sends no more, leaves its gateway; the wallet goes on. */
  async leave(): Promise<void> {
    this.#sending = false
    await this.link?.close()
  }

  get left(): number {
    return this.wallet?.books().reduce((sum, { left }) => sum + left, 0) ?? 0
  }

  /** What its disk says: books, tickets struck off, purchases under way. */
  async onDisk(): Promise<{ books: number; left: number; spent: number; purchases: number }> {
    const world = this.#network.worldOf(this.name)
    const files = new TicketFiles({
      files: world.files,
      crypto: world.crypto,
      random: world.random.stream('look'),
      folder: FOLDER,
      identitySeed: this.identitySeed,
      log: silentLog,
    })
    let [left, spent] = [0, 0]
    const ids = await files.list('book')
    for (const id of ids) {
      const record = await files.read('book', id, decodeBookRecord)
      left += countOf(record?.left ?? 0n)
      spent += countOf(record?.spent ?? 0n)
    }
    return { books: ids.length, left, spent, purchases: (await files.list('purchase')).length }
  }

  #send(link: EntrySelector): void {
    const network = this.#network
    const [hop] = network.topology.current()?.layers[0] ?? []
    const refused = outOfBandwidth(this.meter)
    if (hop === undefined) return
    if (refused > this.#refused) {
      this.#refused = refused
      if (this.left > 0) this.refusedWithTickets++
    }
    const { topology, now } = network
    const rotation = topology.current()?.rotationFlag ?? 1
    if (link.send({ rotation, nextHop: hop.address, packet: markedPacket(this.plan.number) })) {
      this.sent++
      this.#lastGood = now
      return
    }
    const gateway = network.gatewayNamed(link.gateway)
    const up = network.upSince(gateway)
    // Nobody can be served by who is away, and whoever has no ticket waits for the issuers.
    if (up === undefined || this.left === 0) {
      this.#lastGood = now
      return
    }
    const length = millis(now - Math.max(up, this.#lastGood))
    if (length > this.longestGap.length) this.longestGap = { length, at: now, gateway }
  }

  async #giveAway(): Promise<void> {
    const { gives = 0 } = this.plan
    const { wallet } = this
    const [book] = wallet?.books() ?? []
    if (gives === 0 || wallet === undefined || book === undefined || book.left <= gives) return
    // Two that waited for one purchase hear of it twice.
    await wallet.exportOfficial(book.id, { tickets: gives }).catch(() => {})
  }

  #warned(what: string, fields: LogFields | undefined): void {
    if (what === 'an issuer gave no good list' && fields?.code === 'ISSUER_REFUSED') {
      this.wrongLists.push(Number(fields.index))
    }
  }
}

/** Of a process that was killed nothing is called any more. */
function whileAlive(topology: TopologyProvider, alive: { readonly on: boolean }): TopologyProvider {
  return {
    current: () => topology.current(),
    refresh: () => topology.refresh(),
    onChange: (listener) =>
      topology.onChange((value) => {
        if (alive.on) listener(value)
      }),
    start: () => topology.start(),
    stop() {},
  }
}

function nodeSeed(number: number): Uint8Array {
  const seed = new Uint8Array(32).fill(7)
  new DataView(seed.buffer).setUint32(0, number + 1)
  return seed
}
