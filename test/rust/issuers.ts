/** Three authorities, two of whom are enough, behind the interface that official clients buy at. @module */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { concat, fromHex, toHex } from '../../src/foundation/base/bytes.ts'
import { Writer } from '../../src/foundation/base/writer.ts'
import { ORDER, wideScalar } from '../../src/foundation/crypto/blsScalar.ts'
import { loadMclBls } from '../../src/foundation/crypto/mclBls.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { ATTRIBUTES, DAY_SECONDS, TICKET_TYPES } from '../../src/protocol/credentials/constants.ts'
import type { KeyShare, ListTopic } from '../../src/protocol/credentials/engine.ts'
import {
  coinSignatureToJson,
  dateSignatureToJson,
  readWithdrawalRequest,
  verificationKeyToJson,
} from '../../src/protocol/credentials/json.ts'
import { decodeVerificationKey, encodeAuthorityKey } from '../../src/protocol/credentials/keys.ts'
import { LocalEngine } from '../../src/protocol/credentials/localEngine.ts'
import { createScheme, type Scheme } from '../../src/protocol/credentials/scheme.ts'
import { decodeSignature } from '../../src/protocol/credentials/signature.ts'
import { dealtKey } from '../../src/protocol/credentials/threshold.ts'
import { encodeWithdrawalRequest } from '../../src/protocol/credentials/withdrawal.ts'
import { parseJson } from '../../src/protocol/wire/directory/json.ts'
import type { Purchase } from './sdkClient.ts'

export const EPOCH = 4
const AUTHORITIES = 3
const THRESHOLD = 2
const SIGNATURE_BYTES = 96
const VALID_DAYS = 6
const TYPE_NAMES: readonly string[] = TICKET_TYPES

export const bytes = (length: number): Uint8Array => new Uint8Array(randomBytes(length))
export const today = (): number => Math.floor(Date.now() / 1000 / DAY_SECONDS) * DAY_SECONDS
const isoDate = (unixSeconds: number): string => new Date(unixSeconds * 1000).toISOString().slice(0, 10)

export class Issuers {
  readonly scheme: Scheme = createScheme(bls)
  readonly engine: LocalEngine = new LocalEngine(this.scheme, { bytes })
  masterKey!: Uint8Array
  dateSignatures!: Uint8Array
  coinSignatures!: Uint8Array
  /** Path of every request, by authority. */
  readonly asked: { readonly index: number; readonly path: string }[] = []
  readonly expiration: number = today() + VALID_DAYS * DAY_SECONDS
  readonly #secrets: readonly Uint8Array[]
  readonly #servers: Server[] = []
  #shares: readonly KeyShare[] = []
  /** Ed25519 public keys, by deposit. */
  readonly #deposits: Uint8Array[] = []

  private constructor() {
    const rows = Array.from({ length: ATTRIBUTES + 1 }, () =>
      Array.from({ length: THRESHOLD }, () => wideScalar(bytes(64)) % ORDER),
    )
    this.#secrets = Array.from({ length: AUTHORITIES }, (_, i) => encodeAuthorityKey(dealtKey(rows, i + 1)))
  }

  static async start(): Promise<Issuers> {
    const issuers = new Issuers()
    await issuers.#prepare()
    return issuers
  }

  /** A deposit of somebody's, and where to redeem it. */
  deposit(): Purchase {
    const seed = bytes(32)
    const depositId = this.#deposits.push(nodeProvider.ed25519PublicKey(seed)) - 1
    return {
      epochId: EPOCH,
      threshold: THRESHOLD,
      issuers: this.#shares.map(({ index, key }, i) => ({
        index,
        key: toHex(key),
        url: urlOf(this.#servers[i] as Server),
      })),
      depositId,
      depositSeed: toHex(seed),
      userSeed: toHex(bytes(32)),
      ticketType: 0,
    }
  }

  async stop(): Promise<void> {
    for (const server of this.#servers) server.closeAllConnections()
    await Promise.all(this.#servers.map((server) => server.close() && once(server, 'close')))
  }

  async #prepare(): Promise<void> {
    const { engine } = this
    this.#shares = await Promise.all(
      this.#secrets.map(async (secret, i) => ({ index: i + 1, key: await engine.verificationKey(secret) })),
    )
    this.masterKey = await engine.aggregateKeys(this.#shares)
    this.dateSignatures = await this.#list({ kind: 'dates', expiration: this.expiration })
    this.coinSignatures = await this.#list({ kind: 'coins' })
    for (const { index } of this.#shares) {
      const server = createServer((request, response) => {
        this.#answer(index, request).then(
          (body) => response.setHeader('content-type', 'application/json').end(JSON.stringify(body)),
          (error: unknown) => response.writeHead(400).end(String(error)),
        )
      })
      this.#servers.push(server)
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
    }
  }

  async #list(topic: ListTopic): Promise<Uint8Array> {
    const { engine, masterKey } = this
    const parts = await Promise.all(
      this.#shares.slice(0, THRESHOLD).map(async (share, i) => ({
        ...share,
        signatures: await engine.signList(this.#secrets[i] as Uint8Array, topic, masterKey),
      })),
    )
    const list = await engine.aggregateList(topic, masterKey, parts)
    if (list.kind !== 'aggregated') throw new Error('the authorities do not agree')
    return list.signatures
  }

  async #answer(index: number, request: IncomingMessage): Promise<object> {
    const { pathname, searchParams } = new URL(request.url as string, 'http://issuer')
    this.asked.push({ index, path: pathname })
    if (searchParams.has('epoch_id') && searchParams.get('epoch_id') !== `${EPOCH}`) throw new Error('no such epoch')
    switch (`${request.method} ${pathname}`) {
      case 'POST /v1/ecash/blind-sign':
        return await this.#blindSign(index, await text(request))
      case 'GET /v1/ecash/master-verification-key':
        return { key: verificationKeyToJson(this.scheme, decodeVerificationKey(this.scheme, this.masterKey)) }
      case 'GET /v1/ecash/aggregated-coin-indices-signatures':
        return {
          epoch_id: EPOCH,
          signatures: this.#opened(this.coinSignatures).map((signature, l) =>
            coinSignatureToJson(this.scheme, { signature, index: l }),
          ),
        }
      case 'GET /v1/ecash/aggregated-expiration-date-signatures':
        if (searchParams.get('expiration_date') !== isoDate(this.expiration)) throw new Error('no such date')
        return {
          epoch_id: EPOCH,
          expiration_date: isoDate(this.expiration),
          signatures: this.#opened(this.dateSignatures).map((signature, l) =>
            dateSignatureToJson(this.scheme, {
              signature,
              expiration: this.expiration,
              day: this.expiration - (VALID_DAYS - l) * DAY_SECONDS,
            }),
          ),
        }
      default:
        throw new Error(`not found: ${request.method} ${pathname}`)
    }
  }

  async #blindSign(index: number, body: string): Promise<object> {
    const json = parseJson(body, 'request')
    const request = encodeWithdrawalRequest(
      this.scheme,
      readWithdrawalRequest(this.scheme, json.field('inner_sign_request')),
    )
    const depositId = json.field('deposit_id').integer({ max: this.#deposits.length - 1 })
    const signature = json.field('signature').array(64, (byte) => byte.integer({ max: 255 }))
    const signed = concat(request, new Writer(4).u32(depositId).finish())
    const depositor = this.#deposits[depositId] as Uint8Array
    if (!nodeProvider.ed25519Verify(depositor, signed, Uint8Array.from(signature))) throw new Error('signature')
    if (json.field('expiration_date').string() !== isoDate(this.expiration)) throw new Error('expiration date')
    const issued = await this.engine.issue({
      secretKey: this.#secrets[index - 1] as Uint8Array,
      request,
      publicKey: fromHex(json.field('ecash_pubkey').field('pk').string(), 'public key'),
      attributes: {
        expiration: this.expiration,
        ticketType: TYPE_NAMES.indexOf(json.field('ticketbook_type').string()),
      },
    })
    if (issued.kind === 'refused') throw new Error(issued.reason)
    const [h, c] = [issued.signature.subarray(0, SIGNATURE_BYTES / 2), issued.signature.subarray(SIGNATURE_BYTES / 2)]
    return { blinded_signature: { h: toHex(h), c: toHex(c) } }
  }

  #opened(list: Uint8Array) {
    return Array.from({ length: list.length / SIGNATURE_BYTES }, (_, l) =>
      decodeSignature(this.scheme, list.subarray(l * SIGNATURE_BYTES, (l + 1) * SIGNATURE_BYTES)),
    )
  }
}

const bls = await loadMclBls()

const urlOf = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
