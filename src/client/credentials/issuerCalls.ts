/** What a client asks issuers, the directory and the faucet over HTTP. Formats: docs/spec/issuer.md. @module */
import { toBase58 } from '../../foundation/base/base58.ts'
import { fromUtf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { seconds } from '../../foundation/base/units.ts'
import { unlessAborted } from '../../foundation/platform/clock.ts'
import type { Net } from '../../foundation/platform/net.ts'
import { parseJson } from '../../protocol/wire/directory/json.ts'
import { type BlindSignRequest, decodeBlindedSignature, encodeBlindSign } from '../../protocol/wire/issuer/blindSign.ts'
import { formatDate } from '../../protocol/wire/issuer/calendarDate.ts'
import { type CredentialEpoch, readCredentialEpoch } from '../../protocol/wire/issuer/credentialEpoch.ts'
import { decodeCoinList, decodeDateList, LIST_PATHS } from '../../protocol/wire/issuer/publicLists.ts'

const TIMEOUT = seconds(10)
/** An epoch of a hundred issuers is below 150 kB. */
const MAX_BODY_BYTES = 512 * 1024

export type Asked = Pick<Net, 'request'>

interface Question {
  readonly base: string
  /** Begins with /v1. */
  readonly path: string
  readonly body?: string
  readonly signal?: AbortSignal
}

/** Throws ISSUER_REFUSED for an answer that is not 200, MALFORMED, and what sockets throw. */
async function ask<T>(net: Asked, { base, path, body, signal }: Question, read: (text: string) => T): Promise<T> {
  const response = await net.request({
    url: `${base.replace(/\/+$/, '')}${path}`,
    method: body === undefined ? 'GET' : 'POST',
    headers: { accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body }),
    timeout: TIMEOUT,
    maxBodyBytes: MAX_BODY_BYTES,
    ...(signal && { signal }),
  })
  // What it says besides is a stranger's text.
  if (response.status !== 200) throw new MixnetError('ISSUER_REFUSED', { status: response.status })
  return read(fromUtf8(response.body, 'answer of an issuer'))
}

/** Of a directory or an issuer. */
export const askEpoch = (net: Asked, base: string): Promise<CredentialEpoch> =>
  ask(net, { base, path: '/v1/ecash/epoch' }, (text) => readCredentialEpoch(parseJson(text, 'credential epoch')))

/** h ‖ σ, 96 bytes, not checked. */
export const askBlindSign = (
  net: Asked,
  base: string,
  request: BlindSignRequest,
  signal: AbortSignal,
): Promise<Uint8Array> => {
  const body = JSON.stringify(encodeBlindSign(request))
  return ask(net, { base, path: '/v1/ecash/blind-sign', body, signal }, decodeBlindedSignature)
}

/** Aggregated, 7 × 96 bytes, not checked. */
export async function askDates(net: Asked, base: string, epochId: number, expiration: number): Promise<Uint8Array> {
  const query = `?expiration_date=${formatDate(expiration)}&epoch_id=${epochId}`
  const list = await ask(net, { base, path: `/v1/ecash${LIST_PATHS.dates.aggregated}${query}` }, decodeDateList)
  if (list.epochId !== epochId || list.expiration !== expiration) throw anotherList()
  return list.signatures
}

/** Aggregated, 50 × 96 bytes, not checked. */
export async function askCoins(net: Asked, base: string, epochId: number): Promise<Uint8Array> {
  const path = `/v1/ecash${LIST_PATHS.coins.aggregated}?epoch_id=${epochId}`
  const list = await ask(net, { base, path }, decodeCoinList)
  if (list.epochId !== epochId) throw anotherList()
  return list.signatures
}

const anotherList = (): MixnetError => new MixnetError('ISSUER_REFUSED', { why: 'it answered with another list' })

/** How deposits are made: a faucet in local networks, a ledger later. */
export interface Deposits {
  /** For one book. */
  priceUnym(): Promise<number>
  /** Throws where no deposit can be made for its books: before anything of one is begun, or asked of issuers. */
  expectPossible?(epoch: CredentialEpoch): void
  /**
   * Pays for the key, Ed25519, 32 bytes, and gives the deposit's id, u32. Of one key it must pay once and give the same again, however often
   * it is asked: who crashes before the answer, or stops waiting for it by `signal`, asks anew. Throws DEPOSIT_REFUSED where nothing was paid and
   * will not be, and ABORTED.
   */
  deposit(identityKey: Uint8Array, signal?: AbortSignal): Promise<number>
  /** A number may become another's, as where a chain is taken back: after a crash it is asked for again. */
  readonly mayRenumber?: boolean
}

/** Throws NO_TICKETS. */
export function faucetOf({ faucetUrl: url, priceUnym }: CredentialEpoch): {
  readonly url: string
  readonly priceUnym: number
} {
  if (url !== undefined) return { url, priceUnym }
  const nextStep =
    'Bring tickets along: import some that another device exported (starling credential import), and connect with that `folder`.'
  throw new MixnetError('NO_TICKETS', { why: 'this network has no faucet' }, { nextStep })
}

/** `POST {url}/v1/faucet/deposit`: of local networks. */
export function faucetDeposits(net: Asked, faucet: () => Promise<{ url: string; priceUnym: number }>): Deposits {
  return {
    async priceUnym() {
      return (await faucet()).priceUnym
    },
    expectPossible(epoch) {
      faucetOf(epoch)
    },
    async deposit(identityKey, signal) {
      const { url } = await unlessAborted(faucet(), signal)
      const body = JSON.stringify({ identity_key: toBase58(identityKey) })
      try {
        return await ask(net, { base: url, path: '/v1/faucet/deposit', body, ...(signal && { signal }) }, (text) =>
          parseJson(text, 'deposit').field('deposit_id').u32(),
        )
      } catch (cause) {
        // Below 500 it has decided; above, it may know better later.
        const status = isMixnetError(cause, 'ISSUER_REFUSED') ? Number(cause.details.status) : 0
        if (status >= 400 && status < 500) throw new MixnetError('DEPOSIT_REFUSED', { status }, { cause })
        if (!isMixnetError(cause) || cause.code === 'ABORTED') throw cause
        const nextStep = 'Tell whoever runs the network, and try again later: nothing is paid twice.'
        const message = 'the faucet, where books are paid for, does not answer as it should'
        throw new MixnetError(cause.code, { ...cause.details, faucet: url }, { message, nextStep, cause })
      }
    },
  }
}
