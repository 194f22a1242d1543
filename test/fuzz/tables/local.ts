/** Decoders of files: keys and configuration, which people edit and disks damage; and of the texts everything is spelled in. @module */

import { checkIssuerConfig } from '../../../src/app/node/issuerConfig.ts'
import { checkNodeConfig, formatNodeConfig } from '../../../src/app/node/nodeConfig.ts'
import { fromBase58, fromBase64 } from '../../../src/foundation/base/base58.ts'
import { fromHex, fromUtf8 } from '../../../src/foundation/base/bytes.ts'
import { canonicalIpText, formatIp, parseIp } from '../../../src/foundation/base/ipAddress.ts'
import { decodePem } from '../../../src/foundation/base/pem.ts'
import { nodeProvider as crypto } from '../../../src/foundation/crypto/nodeProvider.ts'
import { readBondedNodes } from '../../../src/roles/directory/bondedNodes.ts'
import { decodeKeyFile, encodeKeyFile } from '../../../src/roles/mixing/sphinxKeys.ts'
import { bytesDecoder, type Decoder, textDecoder } from '../decoder.ts'

const config = {
  name: 'wren',
  roles: ['mix'],
  host: '192.0.2.1',
  directories: ['https://directory.example/api'],
  data: 'data',
  ports: { mix: 1789, http: 8080, ws: 9000 },
  noise: true,
  local: false,
  exit: { openProxy: false, allowLocalAddresses: false },
} as const
const bonded = {
  nodes: [
    { nodeId: 1, identity: '8J6bGANSUdRGg93M8VzEpCD2rjrYYEchicdaGY5mGEBd', host: 'node.example', httpPort: 8080 },
  ],
}
const keyFile = encodeKeyFile(7, new Uint8Array(32).fill(3))

export const localDecoders: readonly Decoder[] = [
  bytesDecoder('decodeKeyFile', (input) => decodeKeyFile(crypto, input), {
    seeds: [keyFile],
    refusals: ['KEY_FILE_UNREADABLE'],
  }),
  bytesDecoder('decodePem', (input) => decodePem('X25519 SPHINX PRIVATE KEY', input), { seeds: [keyFile] }),
  bytesDecoder('readBondedNodes of JSON', (input) => readBondedNodes(input, 'nodes.json'), {
    seeds: [JSON.stringify(bonded)],
    refusals: ['CONFIG_INVALID'],
  }),
  bytesDecoder('readBondedNodes of TOML', (input) => readBondedNodes(input, 'nodes.toml'), {
    seeds: [`[[nodes]]\nnodeId = 1\nidentity = "${bonded.nodes[0]?.identity}"\nhost = "node.example"\n`],
    refusals: ['CONFIG_INVALID'],
  }),
  textDecoder('checkIssuerConfig', (text) => checkIssuerConfig(JSON.parse(asJson(text)), 'issuer.toml'), {
    seeds: [
      '{"name":"ibis","listen":{"host":"127.0.0.1","port":8090},"data":".","plan":"../issuers.toml","compatible":false}',
    ],
    refusals: ['CONFIG_INVALID'],
  }),
  textDecoder('checkNodeConfig', (text) => checkNodeConfig(JSON.parse(asJson(text)), 'node.toml'), {
    seeds: [JSON.stringify(config)],
    refusals: ['CONFIG_INVALID'],
  }),
  bytesDecoder('fromUtf8', (input) => fromUtf8(input, 'fuzz'), { seeds: [formatNodeConfig(config)] }),
  textDecoder('fromHex', (text) => fromHex(text), { seeds: ['00ff'] }),
  textDecoder('fromBase58', (text) => fromBase58(text, 'fuzz'), { seeds: [bonded.nodes[0]?.identity ?? ''] }),
  textDecoder('fromBase64', (text) => fromBase64(text, 'fuzz'), { seeds: ['AAECAw=='] }),
  textDecoder(
    'parseIp',
    (text) => {
      const bytes = parseIp(text)
      return bytes && [formatIp(bytes), canonicalIpText(text)]
    },
    { seeds: ['192.0.2.1', '2001:db8::1', '::ffff:1.2.3.4'] },
  ),
]

/** What is no JSON stands for itself: the check is of values, not of their syntax. */
function asJson(text: string): string {
  try {
    JSON.parse(text)
    return text
  } catch {
    return JSON.stringify(text)
  }
}
