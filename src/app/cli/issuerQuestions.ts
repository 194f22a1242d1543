/** What the command asks of issuers. @module */
import { toBase58 } from '../../foundation/base/base58.ts'
import { fromUtf8Lossy } from '../../foundation/base/bytes.ts'
import { isMixnetError, type MixnetError } from '../../foundation/base/errors.ts'
import { seconds } from '../../foundation/base/units.ts'
import type { World } from '../../foundation/platform/world.ts'
import { parseJson } from '../../protocol/wire/directory/json.ts'
import { type CredentialEpoch, readCredentialEpoch } from '../../protocol/wire/issuer/credentialEpoch.ts'

const EPOCH_PATH = '/v1/ecash/epoch'
const MAX_EPOCH_BYTES = 256 * 1024

/** Who has which key, to be compared: where issuers say the same of it, it is one epoch. */
export const keysText = ({ epochId, threshold, issuers }: CredentialEpoch): string =>
  [
    epochId,
    threshold,
    ...issuers.map(({ index, identity, key }) => `${index} ${toBase58(identity)} ${toBase58(key)}`),
  ].join('\n')

/** Under which keys the issuer at that address issues, or why it does not say. */
export async function askEpoch({ net }: World, url: string): Promise<CredentialEpoch | MixnetError> {
  try {
    const response = await net.request({
      url: `${url}${EPOCH_PATH}`,
      timeout: seconds(5),
      maxBodyBytes: MAX_EPOCH_BYTES,
    })
    return readCredentialEpoch(parseJson(fromUtf8Lossy(response.body), 'credential epoch'))
  } catch (error) {
    if (isMixnetError(error)) return error
    throw error
  }
}
