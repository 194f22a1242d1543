import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeAbiParameters, keccak256, toHex } from 'viem'
import type { Ledger, LedgerAccount } from '../../network/ledger/ledger.ts'
import type { SealedReport } from '../../roles/monitor/monitorLedger.ts'
import { performanceLedger } from './performanceLedger.ts'

const ADDRESS = '0x00000000000000000000000000000000000000aa'
const NONE = `0x${'0'.repeat(64)}`
const REPORT: SealedReport = {
  epochId: 30,
  secret: new Uint8Array(32).fill(1),
  evidenceHash: new Uint8Array(32).fill(2),
  scores: new Map([
    [1, 100],
    [33, 0],
  ]),
}

/** By Solidity's own rules, not ours: what IPerformance says a commitment is. */
function expectedCommitment(): string {
  const words = [0, 1]
  const scores = [101n << 240n, 1n << 240n]
  const reportHash = keccak256(encodeAbiParameters([{ type: 'uint32[]' }, { type: 'uint256[]' }], [words, scores]))
  const types = ['uint32', 'address', 'bytes32', 'bytes32', 'bytes32'].map((type) => ({ type }))
  const { epochId, secret, evidenceHash } = REPORT
  return keccak256(encodeAbiParameters(types, [epochId, ADDRESS, toHex(secret), reportHash, toHex(evidenceHash)]))
}

/** `answers` by name of the function. */
function setting(answers: Readonly<Record<string, unknown>>) {
  const written: unknown[] = []
  const ledger = {
    readAll: async (calls: readonly { fn: string }[]) => ({
      block: { number: 5, hash: '0x', time: 1_000_050 },
      results: calls.map(({ fn }) => answers[fn]),
    }),
  } as unknown as Ledger
  const account = {
    address: ADDRESS,
    write: async (...call: unknown[]) => void written.push(call),
  } as unknown as LedgerAccount
  return { written, monitor: performanceLedger(ledger, account, (bytes) => keccak256(bytes, 'bytes')) }
}

const participant = { stake: 5n, leftInEpoch: 0, excludedUntilEpoch: 0, measures: true, url: '' }

test('the epoch is of one block, in its time', async () => {
  const interval = { totalElapsedEpochs: 30, currentEpochStart: 1_000_000n, epochLength: 60 }
  const { monitor } = setting({ interval, revealFrom: 1_000_045n, lastNodeId: 40 })
  assert.deepEqual(await monitor.epoch(), {
    epochId: 30,
    startsAt: 1_000_000_000,
    revealFrom: 1_000_045_000,
    endsAt: 1_000_060_000,
    now: 1_000_050_000,
    lastNodeId: 40,
  })
})

test('commitment and reveal are what the contract hashes', async () => {
  const { monitor, written } = setting({})
  await monitor.commit(REPORT)
  await monitor.reveal(REPORT)
  assert.deepEqual(written, [
    ['performance', 'commit', [30, expectedCommitment()]],
    [
      'performance',
      'reveal',
      [30, toHex(REPORT.secret), toHex(REPORT.evidenceHash), [0, 1], [101n << 240n, 1n << 240n]],
    ],
  ])
})

test('where we stand', async () => {
  const standing = async (changes: object, commitment: readonly unknown[]) =>
    await setting({ participantOf: { ...participant, ...changes }, commitmentOf: commitment }).monitor.standing(
      30,
      REPORT,
    )
  const none = [NONE, false, NONE]
  const before = { isMonitor: true, committed: false, isOurs: false, revealed: false }
  assert.deepEqual(await standing({}, none), before)
  assert.deepEqual(await standing({}, [expectedCommitment(), true, NONE]), {
    isMonitor: true,
    committed: true,
    isOurs: true,
    revealed: true,
  })
  const another = await standing({}, [`0x${'1'.repeat(64)}`, false, NONE])
  assert.deepEqual([another.committed, another.isOurs], [true, false])
  assert.equal((await standing({ excludedUntilEpoch: 30 }, none)).isMonitor, true)
  for (const changes of [{ measures: false }, { leftInEpoch: 29 }, { excludedUntilEpoch: 31 }, { stake: 0n }]) {
    assert.equal((await standing(changes, none)).isMonitor, false)
  }
})
