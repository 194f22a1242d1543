/**
 * Reports and their evidence on disk. A report is here before its commitment leaves, or a monitor that dies between the two could not
 * reveal what it committed to, and would be excluded for it; the evidence is here before the report. @module
 */
import { expectLength, fromHex, fromUtf8, toHex, utf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError, tryDecode } from '../../foundation/base/errors.ts'
import { type Millis, millis } from '../../foundation/base/units.ts'
import type { Files } from '../../foundation/platform/files.ts'
import { parseJson } from '../../protocol/wire/directory/json.ts'
import { MAX_EVIDENCE_NODES } from './evidence.ts'
import type { SealedReport } from './monitorLedger.ts'

const HASH_BYTES = 32
/** Ten thousand nodes of twenty characters. */
const MAX_REPORT_CHARACTERS = 512 * 1024

export interface StoredReport extends SealedReport {
  /** Not to be revealed before, by our clock, whatever a ledger's server says later: `revealFrom` as it was when the measuring began. */
  readonly notBefore: Millis
}

export class ReportStore {
  readonly #files: Files
  readonly #folder: string

  constructor(files: Files, folder: string) {
    this.#files = files
    this.#folder = folder
  }

  async save(report: StoredReport, evidence: Uint8Array): Promise<void> {
    const { epochId, secret, evidenceHash, notBefore, scores } = report
    await this.#files.write(this.#path('evidence', epochId), evidence)
    const json = {
      epoch: epochId,
      secret: toHex(secret),
      evidence: toHex(evidenceHash),
      not_before: Math.ceil(notBefore),
      scores: [...scores].map(([node, score]) => ({ node, score })),
    }
    await this.#files.write(this.#path('report', epochId), utf8(JSON.stringify(json)), { secret: true })
  }

  /** undefined where there is none, or none that can be read: what is lost of a report is lost. */
  async report(epochId: number): Promise<StoredReport | undefined> {
    const bytes = await this.#files.read(this.#path('report', epochId))
    const report = bytes && tryDecode(() => readReport(fromUtf8(bytes, 'report')))
    return report === undefined || isMixnetError(report) || report.epochId !== epochId ? undefined : report
  }

  async evidence(epochId: number): Promise<Uint8Array | undefined> {
    return await this.#files.read(this.#path('evidence', epochId))
  }

  /** Ascending. */
  async epochs(): Promise<number[]> {
    const names = await this.#files.list(this.#folder)
    return names
      .flatMap((name) => {
        const [, digits] = /^report-(\d{1,10})$/.exec(name) ?? []
        return digits === undefined ? [] : [Number(digits)]
      })
      .sort((a, b) => a - b)
  }

  /** The newest `keep` stay. A report goes before its evidence, as it came after it. */
  async prune(keep: number): Promise<void> {
    const old = (await this.epochs()).slice(0, -keep)
    for (const epochId of old) {
      await this.#files.remove(this.#path('report', epochId))
      await this.#files.remove(this.#path('evidence', epochId))
    }
  }

  #path(what: 'report' | 'evidence', epochId: number): string {
    return `${this.#folder}/${what}-${epochId}`
  }
}

function readReport(text: string): StoredReport {
  const json = parseJson(text, 'report', MAX_REPORT_CHARACTERS)
  const bytes = (field: string): Uint8Array =>
    expectLength(fromHex(json.field(field).string(2 * HASH_BYTES), field), HASH_BYTES, field)
  return {
    epochId: json.field('epoch').u32(),
    secret: bytes('secret'),
    evidenceHash: bytes('evidence'),
    notBefore: millis(json.field('not_before').integer({ max: Number.MAX_SAFE_INTEGER })),
    scores: new Map(
      json
        .field('scores')
        .array(
          MAX_EVIDENCE_NODES,
          (entry) => [entry.field('node').u32(), entry.field('score').integer({ max: 100 })] as const,
        ),
    ),
  }
}
