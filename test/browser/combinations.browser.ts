/** Pages of the official sdk, of our drop-in and of our own client, and our client on Node: each talks to each, both ways. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { noChromium } from './chromium.ts'
import { hears, joined, type Party, type PartyKind } from './parties.ts'
import { Stage } from './stage.ts'

const KINDS: readonly PartyKind[] = ['official page', 'drop-in page', 'Starling page', 'Starling on Node']
const PAIRS = KINDS.flatMap((one, i) => KINDS.slice(i).map((other) => [one, other] as const))
const SIZES = [1, 1500, 50_000]
const MANY = 200

describe('messages of the sdk, in every combination', { skip: noChromium, timeout: 900_000 }, () => {
  let stage: Stage

  before(async () => {
    stage = await Stage.start(26_800)
  })
  after(() => stage?.stop())

  for (const [one, other] of PAIRS) {
    it(`${one} and ${other}: text, binary, ${MANY} each way, none lost, none twice`, async () => {
      const parties: readonly [Party, Party] = [await joined(stage, one), await joined(stage, other)]
      const [first, second] = parties
      try {
        await Promise.all([converse(first, second), converse(second, first)])
      } finally {
        await Promise.all(parties.map((party) => party.close()))
      }
    })
  }
})

async function converse(from: Party, to: Party): Promise<void> {
  const text = `Grüße — 你好 🐦 from ${from.kind}`
  await from.sendText(to.address, text)
  assert.equal((await hears(to, 1, ({ kind, content }) => kind === 'text' && content === text)).length, 1)
  for (const size of SIZES) {
    const content = randomBytes(size).toString('base64')
    await from.sendBinary(to.address, content, `size ${size}`)
    const [heard] = await hears(to, 1, (one) => one.kind === 'binary' && one.headers === `size ${size}`)
    assert.equal(heard?.content, content)
  }
  const many = Array.from({ length: MANY }, (_, i) => `message ${i}`)
  for (const message of many) await from.sendText(to.address, message)
  const arrived = await hears(to, MANY, ({ content }) => content.startsWith('message '))
  assert.deepEqual(arrived.map(({ content }) => content).sort(), many.sort())
}
