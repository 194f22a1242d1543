/**
 * Under whose keys tickets are checked. The directory names the issuers of an epoch and their keys; the key that all of them have
 * together is made here. What was heard stays on disk: tickets of the epoch before this are still about, and a gateway that restarts
 * while its directory is away goes on taking tickets.
 *
 * A directory that lies can name issuers of its own, whose tickets this gateway then takes: it costs the operator, who chose the
 * directory, and tells nothing about clients. It can hide an epoch, as it can hide the gateway. It can give the issuers' addresses as others',
 * where good tickets are called bad, at their clients' cost: answers of issuers carry no signature that somebody else vouches for.
 * What is worse, it could make clients differ: with shares that lie on no one polynomial each set of t issuers has a master key of its own, and a ticket tells by which it was
 * made. So every share must lie on the polynomial, or the epoch is not taken. @module
 */
import { equalBytes } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import type { CheckingEngine } from '../../protocol/credentials/engine.ts'
import { parseJson } from '../../protocol/wire/directory/json.ts'
import {
  type CredentialEpoch,
  credentialEpochToJson,
  readCredentialEpoch,
} from '../../protocol/wire/issuer/credentialEpoch.ts'
import type { GatewayStore } from './store.ts'
import type { StoredEpoch } from './ticketLedger.ts'

export interface KnownEpoch extends CredentialEpoch {
  readonly row: number
  /** 680 bytes; the same array whenever asked. */
  readonly masterKey: Uint8Array
}

export class CredentialEpochs {
  readonly #engine: Pick<CheckingEngine, 'aggregateKeys'>
  readonly #store: GatewayStore
  /** The one heard last first. */
  #known: readonly KnownEpoch[]
  #stopped = false

  constructor(engine: Pick<CheckingEngine, 'aggregateKeys'>, store: GatewayStore) {
    this.#engine = engine
    this.#store = store
    this.#known = store.tickets.epochs().map(opened)
  }

  get size(): number {
    return this.#known.length
  }

  find(epochId: bigint): KnownEpoch | undefined {
    return this.#known.find((epoch) => BigInt(epoch.epochId) === epochId)
  }

  at(row: number): KnownEpoch | undefined {
    return this.#known.find((epoch) => epoch.row === row)
  }

  all(): readonly KnownEpoch[] {
    return this.#known
  }

  /** Resolves when it is in force and on disk. Throws BAD_ARGUMENT and MALFORMED for keys that do not belong together. */
  async learn(epoch: CredentialEpoch): Promise<void> {
    const document = JSON.stringify(credentialEpochToJson(epoch))
    const masterKey = this.#masterKeyOf(document) ?? (await masterKeyOf(this.#engine, epoch))
    if (this.#stopped) return
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#store.changeTickets(
      (tickets, now) => tickets.saveEpoch({ epochId: epoch.epochId, masterKey, document }, now),
      (durable) => {
        if (!durable) return reject(new MixnetError('INTERNAL', { what: 'gateway database' }))
        const kept = new Map(this.#known.map((one) => [one.row, one]))
        // Arrays stay the same: batches go by them.
        this.#known = this.#store.tickets.epochs().map((stored) => {
          const old = kept.get(stored.row)
          return old === undefined ? opened(stored) : { ...opened(stored), masterKey: old.masterKey }
        })
        resolve()
      },
    )
    return promise
  }

  stop(): void {
    this.#stopped = true
  }

  #masterKeyOf(document: string): Uint8Array | undefined {
    return this.#known.find((one) => JSON.stringify(credentialEpochToJson(one)) === document)?.masterKey
  }
}

/**
 * Every t neighbours give the same key, or not all shares are of one polynomial: two neighbouring sets share t − 1 points, and with the
 * value at zero they agree in t of them, which fix a polynomial of degree t − 1.
 */
async function masterKeyOf(
  engine: Pick<CheckingEngine, 'aggregateKeys'>,
  { issuers, threshold }: CredentialEpoch,
): Promise<Uint8Array> {
  const masterKey = await engine.aggregateKeys(issuers.slice(0, threshold))
  for (let first = 1; first + threshold <= issuers.length; first++) {
    const other = await engine.aggregateKeys(issuers.slice(first, first + threshold))
    if (equalBytes(masterKey, other)) continue
    throw new MixnetError('BAD_ARGUMENT', { argument: 'issuers', why: 'their keys are not shares of one key' })
  }
  return masterKey
}

function opened({ row, masterKey, document }: StoredEpoch): KnownEpoch {
  const epoch = readCredentialEpoch(parseJson(document, 'stored credential epoch'))
  return { ...epoch, row, masterKey }
}

/** Nothing of it is secret; a reason without contents. */
export const reasonOf = (error: unknown): string => (isMixnetError(error) ? error.code : 'INTERNAL')
