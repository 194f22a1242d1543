/** Many clients that pay, while every process of their network is killed again and again; and what is left is counted. @module */
import assert from 'node:assert/strict'
import { type Millis, millis, minutes, seconds } from '../../src/foundation/base/units.ts'
import { audit, type Totals } from './payingAudit.ts'
import { ENTRY, PayingClient } from './payingClient.ts'
import { FullClient } from './payingFullClient.ts'
import { DIRECTORY, FAUCET, GATEWAYS, ISSUERS, issuerName, PayingNetwork, THRESHOLD } from './payingNetwork.ts'

export interface PayingRun {
  readonly seed: string
  readonly clients: number
  /** With whole clients, which fetch through the exit. */
  readonly whole: number
  /** In which processes are killed. */
  readonly duration: Millis
  readonly startAt?: Millis
}

export interface PayingReport extends Totals {
  readonly crashes: number
  readonly longestGap: Millis
  readonly downloads: number
}

/**
 * Nobody who has tickets may be without a session for longer while its gateway is there: the pauses between attempts double up to the
 * first part of it, whatever made them fail, and the second is for one attempt.
 */
const LONGEST_GAP = millis(ENTRY.retry.max + ENTRY.connectTimeout)

/** Part of the tickets. */
const ON_THE_WAY = 0.05

export async function payingRun({ seed, clients: count, whole, duration, startAt }: PayingRun): Promise<PayingReport> {
  const network = await PayingNetwork.start({ seed, ...(startAt === undefined ? {} : { startAt }) })
  const end = network.now + duration
  const clients = Array.from(
    { length: count },
    // Every fifth has few tickets, so that books are bought all the time.
    (_, number) =>
      new PayingClient(network, {
        number,
        every: millis(500),
        onTicket: (client) => dieWithTicket(network, client, end),
        ...(number % 5 === 0 ? { gives: 47 } : {}),
      }),
  )
  const { clock } = network.simulation
  for (const client of clients) {
    clock.after(network.between(0, duration * 0.6), () => void client.start())
  }
  const full = Array.from({ length: whole }, (_, i) => new FullClient(network, i))
  for (const one of full) one.begin()
  killAll(network, clients, end)
  await network.runFor(duration)
  // Everything is up again soon, and is used for a while yet.
  await network.runFor(seconds(30))
  // Who found issuers or the directory away asks again within a minute.
  await network.runUntil('everybody has paid', () => clients.every(({ made }) => made.size > 0), minutes(3))
  for (const one of full) await one.end()
  await network.complete(Promise.all(clients.map((client) => client.leave())))
  // Wallets look after what they did not finish every hour, gateways ask issuers again after minutes.
  await network.runFor(minutes(75))

  const cutOff = clients.filter(({ refusedWithTickets }) => refusedWithTickets > 0)
  assert.deepEqual(
    cutOff.map(({ name, refusedWithTickets }) => [name, refusedWithTickets]),
    [],
    'refused for want of bandwidth with tickets at hand',
  )
  const gaps = clients.map((client) => client.longestGap).toSorted((a, b) => b.length - a.length)
  const longestGap = gaps[0]?.length ?? millis(0)
  assert.ok(longestGap <= LONGEST_GAP, JSON.stringify(gaps.slice(0, 5)))
  for (const one of full) assert.ok(one.done > 0, `${one.name} fetched nothing`)
  const totals = await audit(network, [...clients, ...full])
  return { ...totals, crashes: network.crashes, longestGap, downloads: full.reduce((sum, { done }) => sum + done, 0) }
}

/** Some of them die, or their gateways do, while a ticket is on its way or its answer is. */
function dieWithTicket(network: PayingNetwork, client: PayingClient, end: number): void {
  const chance = network.random.uniform()
  if (network.now >= end || chance > ON_THE_WAY) return
  network.simulation.clock.after(network.between(0, 40), () => {
    if (chance < ON_THE_WAY / 2) client.interrupt(network.between(50, 3000))
    else network.interrupt(network.gatewayNamed(client.link?.gateway ?? new Uint8Array(0)), network.between(50, 3000))
  })
}

function killAll(network: PayingNetwork, clients: readonly PayingClient[], end: number): void {
  const { clock } = network.simulation
  const repeat = (least: Millis, most: Millis, what: () => void): void => {
    clock.after(network.between(least, most), () => {
      if (network.now >= end) return
      what()
      repeat(least, most, what)
    })
  }
  const one = <T>(items: readonly T[]): T => items[Math.floor(network.random.uniform() * items.length)] as T
  for (const name of GATEWAYS) {
    repeat(seconds(6), seconds(30), () => network.interrupt(name, network.between(50, 4000)))
  }
  for (const name of [DIRECTORY, FAUCET]) {
    repeat(seconds(8), seconds(25), () => network.interrupt(name, network.between(100, 6000)))
  }
  const names = Array.from({ length: ISSUERS }, (_, i) => issuerName(i))
  const running = (): readonly string[] => names.filter((name) => network.upSince(name) !== undefined)
  repeat(seconds(3), seconds(9), () => {
    if (running().length > THRESHOLD) network.interrupt(one(running()), network.between(500, 20_000))
  })
  // More than the network can do without.
  repeat(seconds(40), seconds(80), () => {
    for (const name of running().slice(1)) network.interrupt(name, network.between(5000, 15_000))
  })
  repeat(millis(200), millis(1200), () => one(clients).interrupt(network.between(50, 5000)))
}
