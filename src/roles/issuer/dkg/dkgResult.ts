/** How a making of keys ends: what came out, who is to blame for what, or that too few were left. @module */
import { utf8 } from '../../../foundation/base/bytes.ts'
import { MixnetError } from '../../../foundation/base/errors.ts'
import { Writer } from '../../../foundation/base/writer.ts'
import type { CryptoProvider } from '../../../foundation/crypto/provider.ts'
import type { Item } from './dkgMessages.ts'

export type DkgFault =
  /** Said nothing in a phase that waited for it. */
  | 'silent'
  /** Two different messages in one phase. */
  | 'two-messages'
  /** Dealt no commitment, or nothing for somebody; in a resharing, another secret than its own. */
  | 'bad-deal'
  /** So many complained that one of them is honest. */
  | 'complaints'
  | 'unanswered-complaint'
  | 'bad-answer'
  /** Opened nothing, or other polynomials than it had dealt: these were then rebuilt. */
  | 'bad-opening'
  | 'false-accusation'
  | 'bad-share-shown'
  | 'other-result'

export interface DkgCulprit {
  readonly index: number
  readonly as: 'dealer' | 'receiver'
  readonly fault: DkgFault
}

export interface DkgAgreement {
  readonly masterKey: Uint8Array
  /** Of everybody who gave an encryption key. */
  readonly keys: readonly Item[]
  /** Whose polynomials are in the key. */
  readonly qualified: readonly number[]
  readonly digest: Uint8Array
}

const RESULT_DOMAIN = utf8('starling-dkg-result-v1')

/** `counted`: a hash over every message that counted. Whoever saw another board confirms something else. */
export function resultDigest(
  crypto: Pick<CryptoProvider, 'sha256'>,
  session: Uint8Array,
  counted: Uint8Array,
  { masterKey, keys, qualified }: Omit<DkgAgreement, 'digest'>,
): Uint8Array {
  const writer = new Writer(1024).bytes(RESULT_DOMAIN).bytes(session).bytes(counted)
  writer.u16(qualified.length)
  for (const dealer of qualified) writer.u32(dealer)
  writer.bytes(masterKey).u16(keys.length)
  for (const { index, bytes } of keys) writer.u32(index).bytes(bytes)
  return crypto.sha256(writer.finish())
}

export function tooFewLeft(phase: string, have: number, need: number): MixnetError {
  return new MixnetError(
    'ISSUERS_UNAVAILABLE',
    { what: 'key generation', phase, have, need },
    {
      message: 'too few members are left to make a key',
      nextStep: 'See who failed in the log, and begin again without them or when they are back.',
    },
  )
}
