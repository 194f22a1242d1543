/** Chains that take blocks back, forget, stall and cost too much; programs that share a key. @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMixnetError } from '../../src/foundation/base/errors.ts'
import { minutes, seconds } from '../../src/foundation/base/units.ts'
import type { AnyLedgerEvent, EventCursor, Ledger } from '../../src/network/ledger/ledger.ts'
import { type TinyLedger, tinyLedger } from './fixture.ts'

/** What a program makes of events: forgets what was taken back. */
class Reader {
  events: AnyLedgerEvent[] = []
  cursor: EventCursor | undefined
  rollbacks = 0
  readonly #ledger: Ledger

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  async read(limit?: number): Promise<void> {
    for (;;) {
      const page = await this.#ledger.allEvents({ cursor: this.cursor, ...(limit === undefined ? {} : { limit }) })
      const { rolledBack } = page
      if (rolledBack !== undefined) {
        this.rollbacks++
        this.events = this.events.filter(({ block }) => block <= rolledBack.toBlock)
      }
      this.events.push(...page.events)
      // As from a file.
      this.cursor = JSON.parse(JSON.stringify(page.cursor))
      if (page.complete) return
    }
  }

  get nodeIds(): readonly number[] {
    return this.events.flatMap((event) =>
      event.contract === 'mixnet' && event.event === 'DelegationRequested' ? [event.args.nodeId] : [],
    )
  }
}

async function delegateAll(tiny: TinyLedger, ids: readonly number[]): Promise<void> {
  const account = tiny.open().account(tiny.signer)
  for (const id of ids) await tiny.simulation.complete(account.write('mixnet', 'delegate', [id, 10n]))
}

test('events are read once, in order, also through reorganisations', async () => {
  const tiny = await tinyLedger()
  const { simulation, chain } = tiny
  const reader = new Reader(tiny.open())
  const read = (limit?: number) => simulation.complete(reader.read(limit))
  await delegateAll(tiny, [1, 2, 3])
  await read(1)
  assert.deepEqual(reader.nodeIds, [1, 2, 3])
  await read()
  assert.deepEqual(reader.nodeIds, [1, 2, 3])
  // Back, and included again in other blocks.
  await delegateAll(tiny, [4])
  await read()
  await chain.reorganise(5)
  await simulation.runFor(seconds(10))
  await read()
  assert.equal(reader.rollbacks, 1)
  assert.deepEqual([...reader.nodeIds].sort(), [1, 2, 3, 4])
  assert.equal(reader.nodeIds.length, 4)
  // Back, and never again.
  await delegateAll(tiny, [5])
  await read()
  assert.ok(reader.nodeIds.includes(5))
  await chain.reorganise(3, { keep: false })
  // A head below what was read: as a slower server has, so nothing is concluded until it is higher.
  await read()
  await simulation.runFor(seconds(10))
  await read()
  assert.equal(reader.rollbacks, 2)
  assert.ok(!reader.nodeIds.includes(5))
  // Deeper than anything remembered.
  await chain.reorganise(10_000, { keep: false })
  await simulation.runFor(minutes(5))
  await read()
  assert.deepEqual(reader.nodeIds, [])
  await simulation.complete(chain.fund(tiny.signer.address, 1n))
})

test('a chain that changes in the middle of a question does not mix two histories', async () => {
  const tiny = await tinyLedger()
  const { simulation, chain } = tiny
  await delegateAll(tiny, [1])
  const reader = new Reader(tiny.open())
  let changes = 0
  chain.refusal = (method) => {
    if (method === 'eth_getLogs' && changes++ < 3) {
      void chain
        .reorganise(2)
        .then(() => chain.mine())
        .then(() => chain.mine())
    }
    return undefined
  }
  await simulation.complete(reader.read())
  assert.ok(changes > 3)
  // What it says it has read is what the chain has now, and not what was there when it asked.
  assert.equal(reader.cursor?.seen.at(-1)?.hash, chain.head.hash)
  chain.refusal = undefined
  await simulation.runFor(seconds(5))
  await simulation.complete(reader.read())
  assert.deepEqual(reader.nodeIds, [1])
})

test('a write that the chain takes back is in it again, once', async () => {
  const tiny = await tinyLedger()
  const { simulation, chain } = tiny
  const ledger = tiny.open()
  const write = ledger.account(tiny.signer).write('mixnet', 'delegate', [9, 10n], { confirmations: 6 })
  await simulation.runFor(seconds(3))
  await chain.reorganise(2, { keep: false })
  const receipt = await simulation.complete(write)
  assert.ok(chain.head.number - receipt.block >= 6)
  const { events } = await simulation.complete(ledger.events({ contract: 'mixnet', event: 'DelegationRequested' }))
  assert.equal(events.length, 1)
})

test('one that no node knows any more is sent again; one that waits too long pays more', async () => {
  const tiny = await tinyLedger()
  const { simulation, chain } = tiny
  const account = tiny.open({ replaceAfter: seconds(20) }).account(tiny.signer)
  chain.stalled = true
  const forgotten = account.write('mixnet', 'delegate', [1, 10n])
  await simulation.runFor(seconds(2))
  chain.forget()
  chain.stalled = false
  await simulation.complete(forgotten)

  const stuck = account.write('mixnet', 'delegate', [2, 10n])
  // After it was signed, fees rise fourfold.
  await simulation.runFor(seconds(0.2))
  chain.baseFee *= 4n
  const receipt = await simulation.complete(stuck, minutes(4))
  assert.ok(receipt.fee / receipt.gasUsed > 4_000_000_000n)
})

test('fees above the limit, and a deadline', async () => {
  const tiny = await tinyLedger()
  const { simulation, chain } = tiny
  const account = tiny.open({ maxFeePerGas: 5_000_000_000n, deadline: minutes(2) }).account(tiny.signer)
  chain.stalled = true
  await assert.rejects(
    simulation.complete(account.write('mixnet', 'delegate', [1, 10n])),
    (error) => isMixnetError(error, 'LEDGER_UNDECIDED') && /^0x/.test(String(error.details.transaction)),
  )
  chain.stalled = false
  chain.baseFee = 6_000_000_000n
  await simulation.runFor(seconds(3))
  await assert.rejects(
    simulation.complete(account.write('mixnet', 'delegate', [1, 10n])),
    (error) => isMixnetError(error, 'LEDGER_NOT_NOW') && error.details.reason === 'fees',
  )
})

test('two programs with one key: every write of both happens, each once', async () => {
  const tiny = await tinyLedger()
  const { simulation } = tiny
  const worlds = [tiny.world, simulation.host('other', { ips: ['10.0.0.3'] })]
  const ledgers = worlds.map((world) => tiny.open({}, world))
  const work = ledgers.flatMap((ledger, which) => {
    const account = ledger.account(tiny.signer)
    return Array.from({ length: 8 }, (_, i) => account.write('mixnet', 'delegate', [1 + which * 100 + i, 10n]))
  })
  await simulation.complete(Promise.all(work))
  const [ledger] = ledgers
  const { events } = await simulation.complete(
    (ledger as Ledger).events({ contract: 'mixnet', event: 'DelegationRequested' }),
  )
  assert.equal(events.length, 16)
  assert.equal(new Set(events.map(({ args }) => args.nodeId)).size, 16)
})

test('a node that counts a transaction before it has its receipt does not have it happen twice', async () => {
  const tiny = await tinyLedger()
  const { simulation, chain } = tiny
  const ledger = tiny.open()
  const until = simulation.clock.monotonic() + seconds(8)
  chain.refusal = (method) =>
    method === 'eth_getTransactionReceipt' && simulation.clock.monotonic() < until
      ? { code: -32000, message: 'transaction indexing is in progress' }
      : undefined
  await simulation.complete(ledger.account(tiny.signer).write('mixnet', 'delegate', [1, 10n]))
  const { events } = await simulation.complete(ledger.events({ contract: 'mixnet', event: 'DelegationRequested' }))
  assert.equal(events.length, 1)
})

test('a nonce that an earlier life left empty is filled', async () => {
  const tiny = await tinyLedger()
  const { simulation, chain } = tiny
  const first = tiny.open().account(tiny.signer)
  chain.stalled = true
  const lost = [first.write('mixnet', 'delegate', [1, 10n]), first.write('mixnet', 'delegate', [2, 10n])]
  for (const one of lost) void one.catch(() => {})
  await simulation.runFor(seconds(3))
  // The second life sees the nonces of the first as pending, and then nobody knows them any more.
  const world = simulation.restart('program')
  const again = tiny.open({ replaceAfter: seconds(10) }, world).account(tiny.signer)
  const write = again.write('mixnet', 'delegate', [3, 10n])
  await simulation.runFor(seconds(1))
  chain.forget()
  chain.stalled = false
  await simulation.complete(write, minutes(4))
})

test('what an earlier life has under way is not replaced by nothing', async () => {
  const tiny = await tinyLedger()
  const { simulation, chain } = tiny
  chain.stalled = true
  const first = tiny.open().account(tiny.signer).write('mixnet', 'delegate', [1, 10n])
  void first.catch(() => {})
  await simulation.runFor(seconds(3))
  const ledger = tiny.open({ replaceAfter: seconds(10) }, simulation.restart('program'))
  const second = ledger.account(tiny.signer).write('mixnet', 'delegate', [3, 10n])
  await simulation.runFor(seconds(15))
  chain.stalled = false
  await simulation.complete(second, minutes(4))
  const { events } = await simulation.complete(ledger.events({ contract: 'mixnet', event: 'DelegationRequested' }))
  assert.deepEqual(
    events.map(({ args }) => args.nodeId),
    [1, 3],
  )
})

test('a write whose nonce another program used meanwhile is signed anew', async () => {
  const tiny = await tinyLedger()
  const { simulation, chain } = tiny
  const ledger = tiny.open()
  const other = tiny.open({}, simulation.host('other', { ips: ['10.0.0.3'] }))
  chain.stalled = true
  const first = ledger.account(tiny.signer).write('mixnet', 'delegate', [1, 10n])
  await simulation.runFor(seconds(0.2))
  // The other's node has never heard of the first one.
  chain.forget()
  const second = other.account(tiny.signer).write('mixnet', 'delegate', [2, 10n])
  while (chain.waiting === 0) await simulation.step()
  await chain.mine()
  chain.stalled = false
  await simulation.complete(Promise.all([first, second]))
  const { events } = await simulation.complete(ledger.events({ contract: 'mixnet', event: 'DelegationRequested' }))
  assert.deepEqual(
    events.map(({ args }) => args.nodeId),
    [2, 1],
  )
})
