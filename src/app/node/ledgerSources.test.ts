// What nodes do between the reveals and the draw, or right behind it, stops neither the draw nor the topology that readers check.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { toHex } from '../../foundation/base/bytes.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import type { EventCursor, Ledger, LedgerAccount } from '../../network/ledger/ledger.ts'
import { announcementLeaf } from '../../protocol/economy/announcementLeaf.ts'
import { CAPABILITY, ROLE } from '../../protocol/economy/draw.ts'
import { topologyRoot } from '../../protocol/economy/topologyRoot.ts'
import { BundleReader } from './ledgerBundles.ts'
import { epochLedger } from './ledgerSources.ts'

const keccak256 = (bytes: Uint8Array): Uint8Array => keccak_256(bytes)
const hex = (bytes: Uint8Array): `0x${string}` => `0x${toHex(bytes)}`
const word = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)
const BLOCK = { number: 100, hash: hex(word(1)), time: 1000 }

type Call = { readonly contract: string; readonly fn: string; readonly args: readonly unknown[] }

/** Answers by the functions' names; one that is not there is not asked. */
function ledgerOf(answers: Readonly<Record<string, unknown>>, events: Ledger['events']): Ledger {
  const answer = ({ fn }: Call): unknown => {
    assert.ok(fn in answers, `nobody should ask for ${fn}`)
    return answers[fn]
  }
  const readAll = (calls: readonly Call[]) => Promise.resolve({ block: BLOCK, results: calls.map(answer) })
  const read = (contract: string, fn: string, args: readonly unknown[]) =>
    Promise.resolve(answer({ contract, fn, args }))
  return { readAll, read, events } as unknown as Ledger
}

const noEvents = (() => assert.fail('no events are needed')) as unknown as Ledger['events']

test('a driver draws by what nodes announced before the reveals, as the contract does', async () => {
  const node = { operator: 10n ** 27n, delegates: 0n, identityKey: hex(word(2)), eligible: true, bondedAt: 1n }
  const leaves = [hex(word(3)), hex(word(4))]
  const base = {
    lastNodeId: 2,
    rewardingParams: {
      stakeSaturationPoint: 10n ** 27n,
      rewardedSet: { entryGateways: 1, exitGateways: 0, mixnodes: 1, standby: 0 },
    },
    seedOf: hex(word(5)),
    bondedBefore: 500n,
    bondedWord: 0b110n,
    stakesOf: [node, node],
    scoresOf: [10n ** 18n, 10n ** 18n],
  }
  const planOf = (answers: Readonly<Record<string, unknown>>) =>
    epochLedger(ledgerOf({ ...base, ...answers }, noEvents), {} as LedgerAccount, keccak256).plan(7)
  // One of them would rather be something else, now that the seed is known.
  const before = { entriesForDraw: [leaves, [CAPABILITY.entry, CAPABILITY.mix]] }
  assert.deepEqual([...(await planOf(before)).choices], [ROLE.entryGateway, ROLE.layer1])
  const first = { bondedBefore: 2n ** 64n - 1n, entriesOf: [leaves, [CAPABILITY.mix, CAPABILITY.entry]] }
  assert.deepEqual([...(await planOf(first)).choices], [ROLE.layer1, ROLE.entryGateway])
})

test('a node that announces again and again behind the draw takes the topology from nobody', async () => {
  const [signature, seed] = [new Uint8Array(64).fill(9), word(5)]
  const said = (sequence: bigint) => ({
    nodeId: 1,
    sequence,
    capabilities: 1,
    data: hex(word(7)),
    signature: hex(signature),
  })
  const announced = Array.from({ length: 50 }, (_, i) => ({
    args: said(BigInt(i + 1)),
    // The first two before the draw, one of the rest in its block and behind it.
    block: i < 2 ? 90 : i === 2 ? 95 : 96,
    logIndex: 5 + i,
  }))
  const leaf = announcementLeaf({ nodeId: 1, sequence: 2n, capabilities: 1 }, word(7), signature, keccak256)
  const root = topologyRoot(
    { epochId: 8, seed, nodes: [{ nodeId: 1, identityKey: word(2), leaf, role: ROLE.layer1 }] },
    keccak256,
  )
  const drawn = { args: { epochId: 8, seed: hex(seed), root: hex(root) }, block: 95, logIndex: 1 }
  const cursor: EventCursor = { next: 101, seen: [] }
  const events = (({ event }: { event: string }) =>
    Promise.resolve({
      events: event === 'SetDrawn' ? [drawn] : announced,
      cursor,
      complete: true,
    })) as unknown as Ledger['events']
  // And another one bonds too late to take part.
  const stake = { operator: 1n, delegates: 0n, identityKey: hex(word(2)), eligible: true, bondedAt: 1n }
  const answers = { epochId: 8, lastNodeId: 2, stakesOf: [stake, stake], bondedWord: 0b110n }
  const ledger = ledgerOf(answers, events)
  const readAll = (calls: readonly Call[]) =>
    Promise.resolve({
      block: BLOCK,
      results: calls.map(({ fn, args }) =>
        fn === 'nodesOf' ? (args[0] === ROLE.layer1 ? [1] : []) : answers[fn as keyof typeof answers],
      ),
    })
  const reader = new BundleReader({ ...ledger, readAll } as unknown as Ledger, keccak256)
  const bundle = await reader.read(8)
  assert.deepEqual(
    bundle?.nodes.map(({ nodeId, announcement }) => [nodeId, announcement?.sequence]),
    [[1, 2n]],
  )
})

test('a server that speaks of four thousand million nodes is not believed', async () => {
  const answers = { lastNodeId: 0xffff_ffff, rewardingParams: {}, seedOf: '0x', bondedBefore: 0n }
  const driver = epochLedger(ledgerOf(answers, noEvents), {} as LedgerAccount, keccak256)
  await assert.rejects(driver.plan(7), (error) => isMixnetError(error, 'LEDGER_MISMATCH'))
})
