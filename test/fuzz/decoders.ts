/** Every decoder of the project that takes what others wrote. @module */
import type { Decoder } from './decoder.ts'
import { credentialDecoders } from './tables/credentials.ts'
import { directoryDecoders } from './tables/directory.ts'
import { dkgDecoders } from './tables/dkg.ts'
import { exitDecoders } from './tables/exit.ts'
import { issuerDecoders } from './tables/issuers.ts'
import { ledgerDecoders } from './tables/ledger.ts'
import { localDecoders } from './tables/local.ts'
import { packetDecoders } from './tables/packets.ts'
import { webDecoders } from './tables/web.ts'
import { wireDecoders } from './tables/wire.ts'

export const decoders: readonly Decoder[] = [
  ...packetDecoders,
  ...wireDecoders,
  ...exitDecoders,
  ...directoryDecoders,
  ...localDecoders,
  ...ledgerDecoders,
  ...webDecoders,
  ...credentialDecoders,
  ...dkgDecoders,
  ...issuerDecoders,
]
