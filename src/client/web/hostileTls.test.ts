/** For tests: a TLS 1.3 server that can leave out what proves who it is. Made of the parts of the library under test. @module */
import { createHash, createPublicKey, diffieHellman, generateKeyPairSync, sign } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import {
  computeSharedKeys,
  computeUpdatedTrafficMasterSecret,
  deriveTrafficKeysForSide,
  encryptWrappedRecord,
  packFinishMessagePacket,
  setCryptoImplementation,
} from '@reclaimprotocol/tls'
import { concat, fromHex, utf8 } from '../../foundation/base/bytes.ts'
import { nodeRandom } from '../../foundation/platform/node/nodeRandom.ts'
import type { Route } from '../bridgeExit.test.ts'
import type { Made } from './madeCertificates.test.ts'
import { tlsCrypto } from './tlsCrypto.ts'
import { listening } from './webSupport.test.ts'

export interface Hostile {
  readonly certificate: Made
  /** Sent behind it. */
  readonly above?: readonly Made[]
  /** Default 'right'. */
  readonly signature?: 'right' | 'left out' | 'by another key'
  /** After the handshake: records to write, as they are or sealed with their type behind. */
  readonly after?: readonly {
    readonly sealed?: Uint8Array
    readonly raw?: Uint8Array
    /** From here on with the next keys. */
    readonly rekeyed?: boolean
  }[]
  /** Changes what the server says first. */
  readonly hello?: (hello: Uint8Array) => Uint8Array
}

const SUITE = 'TLS_AES_128_GCM_SHA256'
const X25519_SPKI = fromHex('302a300506032b656e032100')

/** The client's last message before its request. */
const FINISHED_RECORD_BYTES = 5 + 4 + 32 + 1 + 16

const u16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 0xff)
const sized = (bytes: Uint8Array): Uint8Array => concat(u16(bytes.length), bytes)
const record = (type: number, content: Uint8Array): Uint8Array => concat(Uint8Array.of(type, 3, 3), sized(content))
const message = (type: number, body: Uint8Array): Uint8Array => concat(Uint8Array.of(type, 0), u16(body.length), body)

/** Of an inner type: 21 alert, 22 handshake, 23 data. */
export const typed = (type: number, content: Uint8Array | string): Uint8Array =>
  concat(typeof content === 'string' ? utf8(content) : content, Uint8Array.of(type))

export const CLOSE_NOTIFY: Uint8Array = typed(21, Uint8Array.of(1, 0))
export const RESPONSE = 'HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret'

export function hostile(wanted: Hostile): Promise<Route> {
  return listening(
    createServer((socket) => {
      socket.once(
        'data',
        (chunk) => void answer(socket, new Uint8Array(chunk as Buffer), wanted).catch((error) => socket.destroy(error)),
      )
    }),
  )
}

async function answer(socket: Socket, chunk: Uint8Array, wanted: Hostile): Promise<void> {
  setCryptoImplementation(tlsCrypto(nodeRandom.stream('hostile')))
  const clientHello = chunk.subarray(5)
  const session = clientHello.subarray(39, 39 + (clientHello[38] as number))
  const own = generateKeyPairSync('x25519')
  const peer = createPublicKey({
    key: Buffer.concat([X25519_SPKI, keyShare(clientHello)]),
    format: 'der',
    type: 'spki',
  })
  const secret = new Uint8Array(diffieHellman({ privateKey: own.privateKey, publicKey: peer }))
  const share = new Uint8Array(own.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32))
  const extensions = concat(u16(0x2b), sized(u16(0x0304)), u16(0x33), sized(concat(u16(0x1d), sized(share))))
  const head = concat(u16(0x0303), new Uint8Array(32).fill(9), Uint8Array.of(session.length), session)
  const plainHello = message(2, concat(head, u16(0x1301), Uint8Array.of(0), sized(extensions)))
  const serverHello = wanted.hello?.(plainHello) ?? plainHello
  const keys = await computeSharedKeys({
    hellos: [clientHello, serverHello],
    masterSecret: secret,
    cipherSuite: SUITE,
    secretType: 'hs',
  } as Parameters<typeof computeSharedKeys>[0])
  const shown = [wanted.certificate, ...(wanted.above ?? [])].map(({ der }) => concat(u24(der), u16(0)))
  const certificate = concat(Uint8Array.of(0), u24(concat(...shown)))
  const said = [clientHello, serverHello, message(8, u16(0)), message(11, certificate)]
  if (wanted.signature !== 'left out') said.push(message(15, verifyMessage(said, wanted)))
  const finish = await packFinishMessagePacket({
    secret: keys.serverSecret,
    handshakeMessages: said,
    cipherSuite: SUITE,
  })
  said.push(finish)
  const flight: Uint8Array[] = [record(22, serverHello)]
  for (const [number, part] of said.slice(2).entries()) flight.push(await sealed(keys, number, typed(22, part)))
  const after = wanted.after ?? [{ sealed: typed(23, RESPONSE) }, { sealed: CLOSE_NOTIFY }]
  let appKeys = await computeSharedKeys({
    hellos: said,
    masterSecret: keys.masterSecret,
    cipherSuite: SUITE,
    secretType: 'ap',
  } as Parameters<typeof computeSharedKeys>[0])
  const later: Uint8Array[] = []
  let number = 0
  for (const { sealed: inner, raw, rekeyed } of after) {
    if (rekeyed === true) {
      const next = await computeUpdatedTrafficMasterSecret(appKeys.serverSecret, SUITE)
      const { encKey, iv } = await deriveTrafficKeysForSide(next, SUITE)
      appKeys = { ...appKeys, serverSecret: next, serverEncKey: encKey, serverIv: iv }
      number = 0
    }
    later.push(inner === undefined ? (raw as Uint8Array) : await sealed(appKeys, number++, inner))
  }
  // In one piece where a check should fail: what comes behind it is there already.
  if (wanted.signature !== undefined) socket.write(concat(...flight, ...later))
  else {
    socket.write(concat(...flight))
    let received = 0
    socket.on('data', (data) => {
      received += data.length
      if (received > FINISHED_RECORD_BYTES && later.length > 0) socket.write(concat(...later.splice(0)))
    })
  }
}

function verifyMessage(said: readonly Uint8Array[], { certificate, signature }: Hostile): Uint8Array {
  const hash = createHash('sha256')
    .update(concat(...said))
    .digest()
  const signed = concat(new Uint8Array(64).fill(0x20), utf8('TLS 1.3, server CertificateVerify\0'), hash)
  const key = signature === 'by another key' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : certificate.keys
  return concat(u16(0x0403), sized(new Uint8Array(sign('sha256', signed, key.privateKey))))
}

type Keys = Awaited<ReturnType<typeof computeSharedKeys>>

async function sealed(keys: Keys, recordNumber: number, inner: Uint8Array): Promise<Uint8Array> {
  const { ciphertext } = await encryptWrappedRecord(inner, {
    key: keys.serverEncKey,
    iv: keys.serverIv,
    recordNumber,
    cipherSuite: SUITE,
    recordHeaderOpts: { type: 'WRAPPED_RECORD' },
    version: 'TLS1_3',
  } as Parameters<typeof encryptWrappedRecord>[1])
  return record(23, ciphertext)
}

function u24(bytes: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(0), u16(bytes.length), bytes)
}

/** The client's X25519 share: 001d 0020 and 32 bytes. */
function keyShare(hello: Uint8Array): Uint8Array {
  const at = Buffer.from(hello).indexOf(Buffer.from('001d0020', 'hex'))
  return hello.subarray(at + 4, at + 36)
}
