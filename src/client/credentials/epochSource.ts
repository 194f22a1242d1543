/**
 * Under which keys books are issued now. It matters who says so: a directory that gave each client an epoch of its own, with keys of its
 * own, would know every ticket's owner by the key it verifies under. Three things stand against that. All directories that are named must say the
 * same; t of the issuers themselves must say what the directory says; and what was once believed of an epoch is remembered, so that
 * nobody can change it later. None of them helps a client whose only directory lies from its first day and invents the issuers as well; but
 * then no honest gateway, which has its epoch from elsewhere, takes the tickets, and that is noticed. A client that asks a ledger itself
 * (ledgerTickets.ts) need not believe directories about issuers at all.
 * @module
 */
import { concat, equalBytes, toHex } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { Writer } from '../../foundation/base/writer.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import type { CheckingEngine } from '../../protocol/credentials/engine.ts'
import type { CredentialEpoch } from '../../protocol/wire/issuer/credentialEpoch.ts'
import { type Asked, askEpoch } from './issuerCalls.ts'
import type { TicketFiles } from './ticketFiles.ts'

export interface AgreedEpoch {
  readonly epoch: CredentialEpoch
  /** Aggregated by ourselves from the issuers' keys, 680 bytes. */
  readonly masterKey: Uint8Array
}

export interface EpochSourceOptions {
  readonly net: Asked
  /** Base URLs. */
  readonly directories: readonly string[]
  readonly crypto: CryptoProvider
  readonly engine: Pick<CheckingEngine, 'aggregateKeys'>
  readonly files: TicketFiles
  /** Throws where somebody who knows better says otherwise. Default: nobody does. */
  readonly confirm?: ((agreed: AgreedEpoch) => Promise<void>) | undefined
}

const KIND = 'epoch'
const DIGEST_BYTES = 32

export class EpochSource {
  readonly #options: EpochSourceOptions

  constructor(options: EpochSourceOptions) {
    this.#options = options
  }

  /** Throws ISSUERS_UNAVAILABLE. */
  async current(): Promise<AgreedEpoch> {
    const { crypto, engine, files } = this.#options
    const epoch = await this.#listed()
    const digest = epochDigest(crypto, epoch)
    const id = toHex(new Writer(8).u64(BigInt(epoch.epochId)).finish())
    const known = await files.read(KIND, id, (contents) => contents)
    if (known !== undefined && !(known.length === DIGEST_BYTES && equalBytes(known, digest))) {
      throw distrusted('the directory gives other keys than before for the same epoch')
    }
    if (known === undefined) await this.#confirmed(epoch, digest)
    const masterKey = await engine.aggregateKeys(epoch.issuers).catch((cause: unknown) => {
      if (isMixnetError(cause)) throw distrusted('the keys of the issuers do not belong together', cause)
      throw cause
    })
    const agreed = { epoch, masterKey }
    await this.#options.confirm?.(agreed)
    if (known === undefined) await files.write(KIND, id, digest)
    return agreed
  }

  async #listed(): Promise<CredentialEpoch> {
    const { net, directories, crypto } = this.#options
    const answers = await Promise.allSettled(directories.map((base) => askEpoch(net, base)))
    const epochs = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
    const [first] = epochs
    if (first === undefined) {
      const cause = answers.find((answer) => answer.status === 'rejected')?.reason
      const nextStep = "Check the directory's address. Where bandwidth is free it lists none, and no ticket is needed."
      throw new MixnetError('ISSUERS_UNAVAILABLE', { why: 'no directory lists issuers' }, { nextStep, cause })
    }
    const digest = epochDigest(crypto, first)
    if (epochs.some((one) => !equalBytes(epochDigest(crypto, one), digest)))
      throw distrusted('the directories disagree')
    return first
  }

  /** Resolves as soon as t issuers say the same of themselves; the others may be away. */
  async #confirmed({ issuers, threshold }: CredentialEpoch, digest: Uint8Array): Promise<void> {
    const { net, crypto } = this.#options
    let agreeing = 0
    let others = 0
    const enough = new Promise<void>((resolve) => {
      const asked = issuers.map(async ({ url }) => {
        try {
          const same = equalBytes(epochDigest(crypto, await askEpoch(net, url)), digest)
          if (same) agreeing++
          else others++
        } catch (error) {
          if (!isMixnetError(error)) throw error
        }
        if (agreeing >= threshold) resolve()
      })
      Promise.all(asked).then(
        () => resolve(),
        () => resolve(),
      )
    })
    await enough
    if (agreeing < threshold) {
      throw new MixnetError('ISSUERS_UNAVAILABLE', { agreeing, disagreeing: others, needed: threshold })
    }
  }
}

/** Of what tickets depend on. Addresses may change. */
function epochDigest(crypto: CryptoProvider, { epochId, threshold, issuers }: CredentialEpoch): Uint8Array {
  const rows = issuers.map(({ index, key }) => concat(new Writer(8).u64(BigInt(index)).finish(), key))
  return crypto.sha256(concat(new Writer(12).u64(BigInt(epochId)).u32(threshold).finish(), ...rows))
}

function distrusted(why: string, cause?: unknown): MixnetError {
  const nextStep = 'Nothing was paid. Name more than one directory, and ask whoever runs them.'
  return new MixnetError('ISSUERS_UNAVAILABLE', { why }, { nextStep, cause })
}
