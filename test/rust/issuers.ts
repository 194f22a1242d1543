/** Three issuers, two of whom are enough, with keys of a trusted dealer. @module */
import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { toHex } from '../../src/foundation/base/bytes.ts'
import { Secret } from '../../src/foundation/base/secret.ts'
import { ORDER, wideScalar } from '../../src/foundation/crypto/blsScalar.ts'
import { loadMclBls } from '../../src/foundation/crypto/mclBls.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { nodeWorld } from '../../src/foundation/platform/node/nodeWorld.ts'
import { ATTRIBUTES, DAY_SECONDS } from '../../src/protocol/credentials/constants.ts'
import { encodeAuthorityKey } from '../../src/protocol/credentials/keys.ts'
import { LocalEngine } from '../../src/protocol/credentials/localEngine.ts'
import { createScheme, type Scheme } from '../../src/protocol/credentials/scheme.ts'
import { dealtKey } from '../../src/protocol/credentials/threshold.ts'
import { formatDate } from '../../src/protocol/wire/issuer/calendarDate.ts'
import { decodeCoinList, decodeDateList, LIST_PATHS } from '../../src/protocol/wire/issuer/publicLists.ts'
import { NO_CONTRACT, type PayingContract } from '../../src/protocol/wire/issuer/redemption.ts'
import type { AgreedKeys, AgreedMember } from '../../src/roles/issuer/agreedKeys.ts'
import type { Deposit, DepositLedger } from '../../src/roles/issuer/deposits.ts'
import { Issuer } from '../../src/roles/issuer/issuer.ts'
import type { Purchase } from './sdkClient.ts'

export const EPOCH = 4
const INDICES = [1, 2, 3]
const THRESHOLD = 2
const FIRST_PORT = 26520
const VALID_DAYS = 6

export const bytes = (length: number): Uint8Array => new Uint8Array(randomBytes(length))
export const today = (): number => Math.floor(Date.now() / 1000 / DAY_SECONDS) * DAY_SECONDS

export class Issuers implements DepositLedger {
  readonly priceUnym: number = 75_000_000
  readonly payer: PayingContract = NO_CONTRACT
  readonly scheme: Scheme = createScheme(bls)
  readonly engine: LocalEngine = new LocalEngine(this.scheme, { bytes })
  readonly expiration: number = today() + VALID_DAYS * DAY_SECONDS
  readonly #folder: string
  readonly #running: Issuer[] = []
  /** Ed25519 public keys, by deposit. */
  readonly #deposits: Uint8Array[] = []
  #keys!: Omit<AgreedKeys, 'own'>

  private constructor(folder: string) {
    this.#folder = folder
  }

  static async start(folder: string): Promise<Issuers> {
    const issuers = new Issuers(folder)
    const { engine } = issuers
    const rows = Array.from({ length: ATTRIBUTES + 1 }, () =>
      Array.from({ length: THRESHOLD }, () => wideScalar(bytes(64)) % ORDER),
    )
    const own = INDICES.map((index) => ({
      index,
      secretKey: encodeAuthorityKey(dealtKey(rows, index)),
      seed: bytes(32),
    }))
    const members: readonly AgreedMember[] = await Promise.all(
      own.map(async ({ index, secretKey, seed }) => ({
        index,
        identity: nodeProvider.ed25519PublicKey(seed),
        url: `http://127.0.0.1:${FIRST_PORT + index}`,
        key: await engine.verificationKey(secretKey),
      })),
    )
    issuers.#keys = { epochId: EPOCH, threshold: THRESHOLD, masterKey: await engine.aggregateKeys(members), members }
    for (const { index, secretKey, seed } of own) {
      const issuer = await Issuer.start(nodeWorld(nodeProvider), {
        folder: `${folder}/issuer${index}`,
        identitySeed: new Secret(seed),
        keys: { ...issuers.#keys, own: { index, secretKey: new Secret(secretKey) } },
        engine,
        deposits: issuers,
        // Where they are not, a compatible gateway's tickets are bad to them, and none is redeemed.
        compatible: true,
        listen: { host: '127.0.0.1', port: FIRST_PORT + index },
      })
      issuers.#running.push(issuer)
    }
    return issuers
  }

  get masterKey(): Uint8Array {
    return this.#keys.masterKey
  }

  get urls(): readonly string[] {
    return this.#keys.members.map(({ url }) => url)
  }

  /** Whether what they publish is there: it takes them a moment after the start. */
  get prepared(): boolean {
    return this.#running.every((issuer) => issuer.status().prepared)
  }

  async deposit(id: number): Promise<Deposit | undefined> {
    const identityKey = this.#deposits[id]
    return identityKey && { identityKey }
  }

  /** A deposit of somebody's, and where to redeem it. */
  purchase(): Purchase {
    const seed = bytes(32)
    const depositId = this.#deposits.push(nodeProvider.ed25519PublicKey(seed)) - 1
    return {
      epochId: EPOCH,
      threshold: THRESHOLD,
      issuers: this.#keys.members.map(({ index, key, url }) => ({ index, key: toHex(key), url })),
      depositId,
      depositSeed: toHex(seed),
      userSeed: toHex(bytes(32)),
      ticketType: 0,
    }
  }

  /** What they publish, aggregated. */
  async lists(): Promise<{ readonly dateSignatures: Uint8Array; readonly coinSignatures: Uint8Array }> {
    const ask = async (path: string) =>
      (
        await fetch(`${this.urls[0]}/v1/ecash${path}?epoch_id=${EPOCH}&expiration_date=${formatDate(this.expiration)}`)
      ).text()
    return {
      dateSignatures: decodeDateList(await ask(LIST_PATHS.dates.aggregated)).signatures,
      coinSignatures: decodeCoinList(await ask(LIST_PATHS.coins.aggregated)).signatures,
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#running.map((issuer) => issuer.stop()))
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

const bls = await loadMclBls()
