/** What a monitor needs of the ledger, from the contracts: mixnet and performance. docs/spec/ledger.md has their rules. @module */
import { fromHex, toHex } from '../../foundation/base/bytes.ts'
import { millis, seconds } from '../../foundation/base/units.ts'
import type { Hex } from '../../network/ledger/chain.ts'
import type { Ledger, LedgerAccount } from '../../network/ledger/ledger.ts'
import type { Keccak256 } from '../../protocol/economy/abiWords.ts'
import { commitmentHash, packReport, reportHash } from '../../protocol/economy/reports.ts'
import type { MonitorLedger, SealedReport } from '../../roles/monitor/monitorLedger.ts'

const NONE: Hex = `0x${'0'.repeat(64)}`
const hex = (bytes: Uint8Array): Hex => `0x${toHex(bytes)}`

/** `account` has joined, or will. Writes throw as `LedgerAccount.write` does. */
export function performanceLedger(
  ledger: Pick<Ledger, 'readAll'>,
  account: Pick<LedgerAccount, 'address' | 'write'>,
  keccak256: Keccak256,
): MonitorLedger {
  const { address } = account
  const participant = fromHex(address.slice(2).toLowerCase(), 'address')
  const commitmentTo = ({ epochId, secret, evidenceHash, scores }: SealedReport): Hex =>
    hex(
      commitmentHash(
        { epochId, participant, secret, reportHash: reportHash(packReport(scores), keccak256), evidenceHash },
        keccak256,
      ),
    )
  return {
    async epoch() {
      const { block, results } = await ledger.readAll([
        { contract: 'mixnet', fn: 'interval', args: [] },
        { contract: 'performance', fn: 'revealFrom', args: [] },
        { contract: 'mixnet', fn: 'lastNodeId', args: [] },
      ])
      const [{ totalElapsedEpochs: epochId, currentEpochStart, epochLength }, revealFrom, lastNodeId] = results
      const startsAt = seconds(Number(currentEpochStart))
      return {
        epochId,
        startsAt,
        revealFrom: seconds(Number(revealFrom)),
        endsAt: millis(startsAt + seconds(epochLength)),
        now: seconds(block.time),
        lastNodeId,
      }
    },
    async standing(epochId, report) {
      const { results } = await ledger.readAll([
        { contract: 'performance', fn: 'participantOf', args: [address] },
        { contract: 'performance', fn: 'commitmentOf', args: [epochId, address] },
      ])
      const [{ stake, leftInEpoch, excludedUntilEpoch, measures }, [commitment, revealed]] = results
      const committed = commitment !== NONE
      return {
        isMonitor: stake > 0n && leftInEpoch === 0 && measures && excludedUntilEpoch <= epochId,
        committed,
        isOurs: committed && report !== undefined && commitment === commitmentTo(report),
        revealed,
      }
    },
    async commit(report) {
      await account.write('performance', 'commit', [report.epochId, commitmentTo(report)])
    },
    async reveal(report) {
      const { words, scores } = packReport(report.scores)
      const { epochId, secret, evidenceHash } = report
      await account.write('performance', 'reveal', [epochId, hex(secret), hex(evidenceHash), words, scores])
    },
  }
}
