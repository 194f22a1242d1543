/** How the contract of issuers knows a key: contracts cannot compute with its curve, and need not. @module */
import { toHex } from '../../foundation/base/bytes.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import type { Hex } from './chain.ts'

/** SHA-256 of the master key's 680 bytes. */
export const masterKeyHash = (crypto: Pick<CryptoProvider, 'sha256'>, masterKey: Uint8Array): Hex =>
  `0x${toHex(crypto.sha256(masterKey))}`
