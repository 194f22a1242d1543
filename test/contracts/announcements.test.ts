/** Who may say something of a node, in which order, and from when it counts in the draw. @module */
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { encodeAbiParameters, keccak256, parseAbiParameters } from 'viem'
import { type AddressHex, Evm, Reverted } from '../support/evm.ts'

const START = 1_700_000_000n
const HOUR = 3600
const [owner, stranger] = [Evm.address(1), Evm.address(2)]
const KEY = `0x${'11'.repeat(32)}`
const NOBODY: AddressHex = `0x${'00'.repeat(20)}`
const NOTHING = `0x${'00'.repeat(32)}`
const SIGNATURE: `0x${string}` = `0x${'ab'.repeat(64)}`
const [MIX, ENTRY] = [1, 2]

let evm: Evm
let bonds: AddressHex
let announcements: AddressHex
beforeEach(async () => {
  evm = await Evm.create()
  evm.now = START
  bonds = await evm.deploy('BondsMock', [NOBODY])
  announcements = await evm.deploy('Announcements', [bonds])
  await evm.send(bonds, 'setInterval', [24, START, HOUR])
  await evm.send(bonds, 'set', [7, owner, KEY])
})

const announce = (
  sequence: number,
  { from = owner, capabilities = MIX, data = '0x0102', signature = SIGNATURE, nodeId = 7 } = {},
) => evm.send(announcements, 'announce', [nodeId, sequence, capabilities, data, signature], from)
const refused = (name: string) => (error: unknown) => error instanceof Reverted && error.errorName === name
const forDraw = async () => {
  const [[leaf], [capabilities]] = (await evm.read(announcements, 'entriesForDraw', [[7]])) as [string[], number[]]
  return { announced: leaf !== NOTHING, capabilities }
}

test('the leaf is a hash of all that was said, and the event holds it', async () => {
  const { logs } = await announce(1, { capabilities: 9 })
  assert.deepEqual(
    logs.map(({ name, args }) => [name, args]),
    [['Announced', { nodeId: 7, sequence: 1n, capabilities: 9, data: '0x0102', signature: SIGNATURE }]],
  )
  const leaf = keccak256(
    encodeAbiParameters(parseAbiParameters('uint32, uint64, uint8, bytes32, bytes32'), [
      7,
      1n,
      9,
      keccak256('0x0102'),
      keccak256(SIGNATURE),
    ]),
  )
  assert.equal(await evm.read(announcements, 'leafOf', [7]), leaf)
  assert.equal(await evm.read(announcements, 'capabilitiesOf', [7]), 9)
  assert.equal(await evm.read(announcements, 'sequenceOf', [7]), 1n)
  assert.deepEqual(await evm.read(announcements, 'entriesOf', [[7, 8]]), [
    [leaf, NOTHING],
    [9, 0],
  ])
})

test('nobody but the owner of the bond speaks for a node, and nobody for one that is not bonded', async () => {
  await assert.rejects(announce(1, { from: stranger }), refused('NotOwner'))
  await assert.rejects(announce(1, { nodeId: 8 }), refused('NotOwner'))
  await announce(1)
  await evm.send(bonds, 'set', [7, stranger, KEY])
  await assert.rejects(announce(2), refused('NotOwner'))
  await evm.send(bonds, 'set', [7, NOBODY, KEY])
  for (const from of [owner, stranger]) await assert.rejects(announce(2, { from }), refused('NotOwner'))
})

test('what was said once cannot be said again later: numbers follow each other', async () => {
  for (const sequence of [0, 2]) await assert.rejects(announce(sequence), refused('WrongSequence'))
  await announce(1)
  for (const sequence of [0, 1, 3]) {
    await assert.rejects(
      announce(sequence),
      (error) => refused('WrongSequence')(error) && (error as Reverted).args[0] === 2n,
    )
  }
  await announce(2)
})

test('announcements are bounded', async () => {
  await announce(1, { data: `0x${'00'.repeat(4096)}` })
  await assert.rejects(announce(2, { data: `0x${'00'.repeat(4097)}` }), refused('DataTooLong'))
  await assert.rejects(announce(2, { signature: `0x${'00'.repeat(65)}` }), refused('DataTooLong'))
})

test('capabilities count in the draw as they stood when reveals began: who knows the seed chooses no stage', async () => {
  const reveals = START + 2700n
  await announce(1, { capabilities: MIX })
  assert.deepEqual(await forDraw(), { announced: true, capabilities: MIX })
  evm.now = reveals - 1n
  await announce(2, { capabilities: ENTRY })
  assert.deepEqual(await forDraw(), { announced: true, capabilities: ENTRY })
  // Two changes after it, so that the first is not what counts either.
  evm.now = reveals
  await announce(3, { capabilities: MIX })
  await announce(4, { capabilities: MIX | ENTRY })
  assert.deepEqual(await forDraw(), { announced: true, capabilities: ENTRY })
  assert.equal(await evm.read(announcements, 'capabilitiesOf', [7]), MIX | ENTRY)
  // A driver that is late changes nothing.
  evm.now = START + 10_000n
  await announce(5, { capabilities: MIX })
  assert.deepEqual(await forDraw(), { announced: true, capabilities: ENTRY })
  // After a standstill epochs are caught up one by one, and their seeds are known: what was said meanwhile counts in none of them.
  await evm.send(bonds, 'setInterval', [25, START + 3600n, HOUR])
  assert.deepEqual(await forDraw(), { announced: true, capabilities: ENTRY })
  evm.now += 10n
  await announce(6, { capabilities: MIX | ENTRY })
  await evm.send(bonds, 'setInterval', [26, START + 7200n, HOUR])
  assert.deepEqual(await forDraw(), { announced: true, capabilities: ENTRY })
  await evm.send(bonds, 'setInterval', [27, START + 10_800n, HOUR])
  assert.deepEqual(await forDraw(), { announced: true, capabilities: MIX | ENTRY })
})

test('a node that speaks up after the reveals began can do nothing in the next draw', async () => {
  evm.now = START + 3000n
  await announce(1)
  await announce(2, { capabilities: ENTRY })
  // The root holds what it said all the same: whoever puts the topology together from events need not know the times of blocks.
  assert.deepEqual(await forDraw(), { announced: true, capabilities: 0 })
  await evm.send(bonds, 'setInterval', [25, START + 3600n, HOUR])
  assert.deepEqual(await forDraw(), { announced: true, capabilities: ENTRY })
})

test('an owner lets another account announce, for as long as it likes and the node is bonded', async () => {
  const [hot, other] = [Evm.address(3), Evm.address(4)]
  await assert.rejects(announce(1, { from: hot }), refused('NotOwner'))
  const name = (announcer: AddressHex, from = owner) => evm.send(announcements, 'setAnnouncer', [7, announcer], from)
  for (const from of [stranger, hot]) await assert.rejects(name(hot, from), refused('NotOwner'))
  const { logs } = await name(hot)
  assert.deepEqual(
    logs.map((log) => [log.name, log.args]),
    [['AnnouncerChanged', { nodeId: 7, announcer: hot }]],
  )
  assert.equal(await evm.read(announcements, 'announcerOf', [7]), hot)
  await announce(1, { from: hot })
  await announce(2)
  // It may say what the node is, and nothing else.
  await assert.rejects(name(other, hot), refused('NotOwner'))
  await assert.rejects(announce(1, { from: hot, nodeId: 8 }), refused('NotOwner'))
  await name(other)
  await assert.rejects(announce(3, { from: hot }), refused('NotOwner'))
  await announce(3, { from: other })
  await evm.send(bonds, 'set', [7, NOBODY, KEY])
  await assert.rejects(announce(4, { from: other }), refused('NotOwner'))
  await assert.rejects(name(hot), refused('NotOwner'))
  assert.equal(await evm.read(announcements, 'sequenceOf', [7]), 3n)
})
