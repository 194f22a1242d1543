/** Where an issuer learns who paid for what: the ledger, and before there is one the faucet of a local network. @module */
import { fromUtf8 } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import type { Millis } from '../../foundation/base/units.ts'
import type { World } from '../../foundation/platform/world.ts'
import { decodeDeposit, FAUCET_DEPOSITS_PATH, MAX_FAUCET_CHARACTERS } from '../../protocol/wire/issuer/faucet.ts'
import { NO_CONTRACT, type PayingContract } from '../../protocol/wire/issuer/redemption.ts'

export interface Deposit {
  /** Ed25519: whoever has its key may ask for the book. */
  readonly identityKey: Uint8Array
}

export interface DepositLedger {
  /** Of a book, in millionths of NYM. */
  readonly priceUnym: number
  /** Who pays gateways for the tickets of these deposits. */
  readonly payer: PayingContract
  /** Undefined where there is no such deposit. Throws where that cannot be found out now. */
  deposit(depositId: number): Promise<Deposit | undefined>
}

const ANSWERED = 200

/** Asks the faucet at that address. */
export function faucetDeposits(
  { net }: Pick<World, 'net'>,
  { url, priceUnym, timeout }: { readonly url: string; readonly priceUnym: number; readonly timeout: Millis },
): DepositLedger {
  return {
    priceUnym,
    payer: NO_CONTRACT,
    async deposit(depositId) {
      const response = await net.request({
        url: `${url}${FAUCET_DEPOSITS_PATH}/${depositId}`,
        headers: { accept: 'application/json' },
        timeout,
        maxBodyBytes: MAX_FAUCET_CHARACTERS,
      })
      if (response.status !== ANSWERED) throw new MixnetError('CONNECTION_REFUSED', { status: response.status })
      const answer = decodeDeposit(fromUtf8(response.body, 'deposit'))
      if (answer.depositId !== depositId) throw new MixnetError('MALFORMED', { what: 'deposit', why: 'another one' })
      return answer.identityKey && { identityKey: answer.identityKey }
    },
  }
}
