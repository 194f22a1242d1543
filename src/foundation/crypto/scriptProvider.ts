/**
 * The provider of pages: plain JavaScript, since a content security policy may forbid WebAssembly, with noble's primitives where they
 * are fast enough and ours where a page that sends cover spends its time. In brackets the cost relative to noble, Node 26. @module
 */
import { noblePackets } from './noblePackets.ts'
import type { CryptoProvider } from './provider.ts'
import { aesCtr, openGcmSiv, sealGcmSiv } from './tableAes.ts'
import { blake2b256Keyed } from './wordBlake2b.ts'

export const scriptProvider: CryptoProvider = {
  ...noblePackets,
  name: 'script',
  // 0.4
  aes128Ctr: aesCtr,
  // 0.3
  sealAesGcmSiv: sealGcmSiv,
  openAesGcmSiv: openGcmSiv,
  // 0.5
  blake2b256Keyed,
}
