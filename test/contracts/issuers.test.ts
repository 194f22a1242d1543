/** Who issues, when their keys are agreed, and what a member can do to the board of the others. @module */
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { toHex } from 'viem'
import { type AddressHex, Evm, Reverted } from '../support/evm.ts'

const START = 1_700_000_000n
const governance = Evm.address(100)
const stranger = Evm.address(99)
const UNFINISHED = 2 ** 32 - 1
const HASH = toHex(7, { size: 32 })
const OTHER_HASH = toHex(8, { size: 32 })
const VACANT = { owner: `0x${'00'.repeat(20)}`, identityKey: toHex(0, { size: 32 }), url: '' }

const member = (n: number) => ({
  owner: Evm.address(n),
  identityKey: toHex(1000 + n, { size: 32 }),
  url: `http://issuer${n}.example`,
})
const five = [1, 2, 3, 4, 5].map(member)

let evm: Evm
let issuers: AddressHex
beforeEach(async () => {
  evm = await Evm.create()
  evm.now = START
  issuers = await evm.deploy('Issuers', [governance])
})

const refused = (name: string, why?: string) => (error: unknown) =>
  error instanceof Reverted && error.errorName === name && (why === undefined || String(error.args[0]).includes(why))
const plan = async (
  members: readonly unknown[] = five,
  threshold = 3,
  startsAt = START,
  from = governance,
  phase = 600,
) => (await evm.send(issuers, 'plan', [members, threshold, startsAt, phase], from)).result as bigint
const confirm = (epoch: bigint, n: number, hash = HASH) => evm.send(issuers, 'confirm', [epoch, hash], Evm.address(n))
const append = (epoch: bigint, n: number, part: `0x${string}`, last = true) =>
  evm.send(issuers, 'append', [epoch, part, last], Evm.address(n))
const bytes = (length: number): `0x${string}` => `0x${'5a'.repeat(length)}`
const agree = async (epoch: bigint, threshold = 3) => {
  for (let n = 1; n <= threshold; n++) await confirm(epoch, n)
}

test('governance alone plans; the plan is what readers get', async () => {
  await assert.rejects(plan(five, 3, START, stranger), refused('NotGovernance'))
  assert.equal(await plan(), 1n)
  assert.deepEqual(await evm.read(issuers, 'epochs'), [0n, 1n])
  const planned = (await evm.read(issuers, 'planOf', [1n])) as Record<string, unknown>
  assert.deepEqual(
    { ...planned, members: (planned.members as { url: string }[]).map(({ url }) => url) },
    {
      epochId: 1n,
      threshold: 3,
      startsAt: START,
      phaseSeconds: 600,
      agreed: false,
      masterKeyHash: toHex(0, { size: 32 }),
      members: five.map(({ url }) => url),
    },
  )
})

test('plans that cannot work are refused', async () => {
  const hundred = Array.from({ length: 101 }, (_, i) => member(i + 1))
  for (const [why, ...args] of [
    ['members', []],
    ['members', hundred, 51],
    ['threshold', five, 2],
    ['threshold', five, 6],
    ['threshold', [member(1), member(2)], 1],
    ['threshold', [VACANT, VACANT], 0],
    ['threshold', [VACANT, member(1), member(2)], 3],
    ['past', five, 3, START - 1n],
    // Until it is agreed nobody may change its URL.
    ['90 days', five, 3, START + 90n * 86_400n + 1n],
    ['owner is there twice', [member(1), { ...member(2), owner: member(1).owner }], 2],
    ['key is there twice', [member(1), { ...member(2), identityKey: member(1).identityKey }], 2],
    ['without owner or key', [member(1), { ...VACANT, url: 'x' }], 1],
    ['without owner or key', [{ ...member(1), owner: VACANT.owner }], 1],
    ['url', [{ ...member(1), url: '' }], 1],
    ['url', [{ ...member(1), url: 'x'.repeat(256) }], 1],
  ] as [string, unknown[], number?, bigint?][]) {
    await assert.rejects(plan(...args), refused('BadPlan', why), why)
  }
  await assert.rejects(plan(five, 3, START, governance, 0), refused('BadPlan', 'phase'))
})

test('a vacant position keeps the numbers of those behind it', async () => {
  const epoch = await plan([VACANT, member(2), member(3)], 2)
  await confirm(epoch, 2)
  await confirm(epoch, 3)
  assert.deepEqual(await evm.read(issuers, 'issuerOf', [epoch, 1]), [VACANT.identityKey, 2])
  assert.deepEqual(await evm.read(issuers, 'issuerOf', [epoch, 3]), [member(3).identityKey, 2])
  await assert.rejects(evm.send(issuers, 'confirm', [epoch, HASH], VACANT.owner as AddressHex), refused('NotMember'))
})

test('keys are agreed once the threshold of members says the same, each once', async () => {
  const epoch = await plan()
  assert.deepEqual(await evm.read(issuers, 'issuerOf', [epoch, 1]), [VACANT.identityKey, 0])
  await assert.rejects(confirm(epoch, 99), refused('NotMember'))
  await assert.rejects(confirm(epoch, 1, VACANT.identityKey), refused('BadPlan'))
  await confirm(epoch, 1)
  await assert.rejects(confirm(epoch, 1), refused('AlreadyConfirmed'))
  await assert.rejects(confirm(epoch, 1, OTHER_HASH), refused('AlreadyConfirmed'))
  await confirm(epoch, 2, OTHER_HASH)
  await confirm(epoch, 3)
  assert.deepEqual(await evm.read(issuers, 'epochs'), [0n, 1n])
  const { logs } = await confirm(epoch, 4)
  assert.deepEqual(
    logs.map(({ name, args }) => [name, args.masterKeyHash]),
    [['Agreed', HASH]],
  )
  assert.deepEqual(await evm.read(issuers, 'epochs'), [1n, 1n])
  assert.deepEqual(await evm.read(issuers, 'issuerOf', [epoch, 5]), [member(5).identityKey, 3])
  for (const index of [0, 6])
    assert.deepEqual(await evm.read(issuers, 'issuerOf', [epoch, index]), [VACANT.identityKey, 3])
  // The fifth is late, with whatever it has: nothing changes, and nothing is agreed a second time.
  assert.deepEqual((await confirm(epoch, 5, OTHER_HASH)).logs, [])
  assert.equal(((await evm.read(issuers, 'planOf', [epoch])) as { masterKeyHash: string }).masterKeyHash, HASH)
})

test('a plan that governance gave up for another comes to nothing, though its members go on', async () => {
  const first = await plan()
  await confirm(first, 1)
  await confirm(first, 2)
  await plan([6, 7, 8].map(member), 2)
  await assert.rejects(confirm(first, 3), refused('BadPlan', 'newest'))
  await assert.rejects(append(first, 3, '0x01'), refused('BadPlan', 'newest'))
  for (const epoch of [0n, 3n]) await assert.rejects(confirm(epoch, 3), refused('BadPlan', 'newest'))
  assert.deepEqual(await evm.read(issuers, 'epochs'), [0n, 2n])
})

test('nothing is said or confirmed before the time that the plan names', async () => {
  const epoch = await plan(five, 3, START + 100n)
  await assert.rejects(append(epoch, 1, '0x01'), refused('BadPlan', 'begun'))
  await assert.rejects(confirm(epoch, 1), refused('BadPlan', 'begun'))
  evm.now = START + 100n
  await append(epoch, 1, '0x01')
})

test('a URL changes only when no keys are being made: it is part of the name of that session', async () => {
  const epoch = await plan()
  const update = (n: number, url: string) => evm.send(issuers, 'updateUrl', [url], Evm.address(n))
  await assert.rejects(update(1, 'http://new.example'), refused('BadPlan', 'being made'))
  await agree(epoch)
  await assert.rejects(update(99, 'http://new.example'), refused('NotMember'))
  for (const url of ['', 'x'.repeat(256)]) await assert.rejects(update(1, url), refused('BadPlan', 'url'))
  const { logs } = await update(2, 'http://new.example')
  assert.deepEqual(logs[0]?.args, { epochId: epoch, index: 2, url: 'http://new.example' })
  const { members } = (await evm.read(issuers, 'planOf', [epoch])) as { members: { url: string }[] }
  assert.equal(members[1]?.url, 'http://new.example')
})

test('messages stand on the board once whole, in the order in which they became so, whoever began first', async () => {
  const epoch = await plan()
  const entry = async (n: number, part: `0x${string}`, last: boolean) =>
    (await append(epoch, n, part, last)).logs[0]?.args.entry
  assert.equal(await entry(1, '0x01', false), UNFINISHED)
  assert.equal(await entry(2, '0x02', true), 0)
  assert.equal(await entry(1, '0x03', false), UNFINISHED)
  assert.equal(await evm.read(issuers, 'begunBy', [epoch, Evm.address(1)]), 2)
  assert.equal(await evm.read(issuers, 'boardLength', [epoch]), 1)
  assert.equal(await entry(1, '0x04', true), 1)
  assert.equal(await evm.read(issuers, 'begunBy', [epoch, Evm.address(1)]), 0)
  assert.equal(await evm.read(issuers, 'boardLength', [epoch]), 2)
})

test('a member that died half way through throws the half away', async () => {
  const epoch = await plan()
  await append(epoch, 1, bytes(24 * 1024), false)
  await append(epoch, 1, '0x', false)
  assert.equal(await evm.read(issuers, 'begunBy', [epoch, Evm.address(1)]), 0)
  await assert.rejects(append(epoch, 1, '0x', true), refused('BadMessage'))
  assert.equal((await append(epoch, 1, '0x01')).logs[0]?.args.entry, 0)
})

test('strangers write nothing; the members of the agreed epoch before do, for they hand the key on', async () => {
  const first = await plan()
  await assert.rejects(append(first, 99, '0x01'), refused('NotMember'))
  await agree(first)
  const second = await plan([6, 7, 8].map(member), 2)
  assert.equal(await evm.read(issuers, 'agreedBefore', [second]), first)
  await append(second, 1, '0x01')
  await append(second, 6, '0x01')
  await assert.rejects(append(second, 99, '0x01'), refused('NotMember'))
  // They deal; they have no say in what the key is.
  await assert.rejects(confirm(second, 1), refused('NotMember'))
})

test('parts and messages are bounded', async () => {
  const epoch = await plan()
  await assert.rejects(append(epoch, 1, bytes(24 * 1024 + 1)), refused('BadMessage'))
  for (let i = 0; i < 5; i++) await append(epoch, 1, bytes(24 * 1024), false)
  await assert.rejects(append(epoch, 1, bytes(8 * 1024 + 1)), refused('BadMessage'))
  await append(epoch, 1, bytes(8 * 1024))
})

test("a member that floods the board fills its own part of it and nobody else's", async () => {
  const hundred = Array.from({ length: 100 }, (_, i) => member(i + 1))
  const epoch = await plan(hundred, 67)
  const quota = Math.floor((64 * 1024 * 1024) / 100)
  let written = 0
  // Messages that never end are counted as well.
  for (const last of [true, false]) {
    for (let i = 0; i < 5; i++, written += 24 * 1024) await append(epoch, 1, bytes(24 * 1024), last)
    await append(epoch, 1, '0x', false)
  }
  while (written + 24 * 1024 <= quota) {
    await append(epoch, 1, bytes(24 * 1024))
    written += 24 * 1024
  }
  await assert.rejects(append(epoch, 1, bytes(24 * 1024)), refused('BoardFull'))
  await append(epoch, 2, bytes(24 * 1024))
  assert.ok(quota > 3 * 100 * 1024, 'three times what a member of a hundred has to say')
})
