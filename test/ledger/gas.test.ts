/** No action of the ledger becomes dearer unseen: what each costs is in vectors/gas.json, whose history is the trend. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { type GasRecord, playGas } from './gasActions.ts'
import { withTables } from './gasPage.ts'

/** Compilers and calldata vary a little; a slot more does not hide in it. */
const TOLERANCE = 0.01
const REWARD_GOAL = 25_000
const WHAT_TO_DO = 'If it must be so: npm run gas, and say in the commit why.'

const read = (path: string): Promise<string> => readFile(new URL(`../../${path}`, import.meta.url), 'utf8')
const known = JSON.parse(await read('vectors/gas.json')) as GasRecord

test('what every action of the ledger costs', async (context) => {
  const measured = await playGas()

  await context.test('is no more than what was recorded', () => {
    assert.deepEqual(Object.keys(measured), Object.keys(known), `not the same actions. ${WHAT_TO_DO}`)
    const change = (name: string) => `${name}: ${known[name]} → ${measured[name]}`
    const dearer = Object.keys(measured).filter((name) => measured[name]! > known[name]! * (1 + TOLERANCE))
    assert.deepEqual(dearer.map(change), [], WHAT_TO_DO)
    const cheaper = Object.keys(measured).filter((name) => measured[name]! < known[name]! * (1 - TOLERANCE))
    for (const name of cheaper) context.diagnostic(`cheaper, so npm run gas: ${change(name)}`)
  })

  await context.test('is 25,000 at most for a node that is rewarded, whoever delegated to it', () => {
    for (const name of ['first', 'again']) assert.ok(measured[`reward, each node, ${name}`]! <= REWARD_GOAL, name)
    const one = measured['mixnet.rewardNodes of 1, which has one delegator']!
    const dozen = measured['mixnet.rewardNodes of 1, which has a dozen']!
    // Bytes of amounts that are not zero, no more.
    assert.ok(Math.abs(dozen - one) < 100, `${one}, ${dozen}`)
  })
})

test('the page has the recorded figures', async () => {
  const page = await read('docs/spec/gas.md')
  assert.equal(page, withTables(page, known), WHAT_TO_DO)
})
