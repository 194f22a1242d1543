/** `signer-status`: whether an issuer can sign. @module */
import { type Millis, millis } from '../../../foundation/base/units.ts'
import type { JsonObject } from '../directory/json.ts'
import { formatRfc3339 } from '../timestamp.ts'
import { readSigned, type SignedText } from './signedMessage.ts'

export interface SignerStatus {
  readonly currentTime: Millis
  readonly epochId: number
  readonly disabled: boolean
  readonly isSigner: boolean
  readonly hasSigningKeys: boolean
}

const MAX_CHARACTERS = 2048

/** The body. Its order of fields is what signatures cover. */
export function signerStatusToJson(status: SignerStatus): JsonObject {
  return {
    currentTime: formatRfc3339(millis(Math.floor(status.currentTime))),
    dkgEcashEpochId: status.epochId,
    signerDisabled: status.disabled,
    isEcashSigner: status.isSigner,
    hasSigningKeys: status.hasSigningKeys,
  }
}

export function decodeSignerStatus(text: string): SignedText & { readonly status: SignerStatus } {
  const signed = readSigned(text, 'signer status', MAX_CHARACTERS)
  const { body } = signed
  return {
    ...signed,
    status: {
      currentTime: body.field('currentTime').instant(),
      epochId: body.field('dkgEcashEpochId').integer(),
      disabled: body.field('signerDisabled').boolean(),
      isSigner: body.field('isEcashSigner').boolean(),
      hasSigningKeys: body.field('hasSigningKeys').boolean(),
    },
  }
}
