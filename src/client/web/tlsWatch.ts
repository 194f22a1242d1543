/**
 * Watches a TLS handshake in the place of the library that makes it. @reclaimprotocol/tls 0.1.2 takes a server for the one it
 * asked for without having seen a signature (it does not miss a CertificateVerify, nor a ServerKeyExchange where TLS 1.2 comes with
 * a key share), goes on with records that were queued behind one that failed, and believes alerts that anybody could have written
 * while the connection was up. Any exit could play any server. So every record passes here first, in the order of RFC 8446 and
 * RFC 5246 or not at all, and what the server proved is kept to be checked by `tlsStream`. @module
 */
import { concat, equalBytes } from '../../foundation/base/bytes.ts'
import { MixnetError, malformed } from '../../foundation/base/errors.ts'
import { Reader } from '../../foundation/base/reader.ts'
import type { SignatureHash, SignatureScheme } from './signatures.ts'
import { SUITES, signingOf, type TlsVersion } from './tlsSuites.ts'

/** What a server says to prove itself, unchecked. */
export interface ServerProof {
  readonly certificates: readonly Uint8Array[]
  readonly scheme: SignatureScheme
  readonly signature: Uint8Array
  /** What it signed; in TLS 1.3, up to a hash of the handshake that is still to be made. */
  readonly signed: Uint8Array
  readonly transcript: { readonly bytes: Uint8Array; readonly hash: SignatureHash } | undefined
}

/** One record as it came: outermost header, and what was inside. */
export interface TlsRecord {
  readonly type: number
  /** Whether it was encrypted, and so by the server once the handshake is done. */
  readonly sealed: boolean
  /** Of TLS 1.3, with the type and the padding behind the content. */
  readonly plaintext: Uint8Array
}

type Step = 'hello' | 'extensions' | 'certificate' | 'signature' | 'done' | 'change' | 'finished' | 'open' | 'closed'

const RECORD = { change: 20, alert: 21, handshake: 22, data: 23 } as const
const MESSAGE = { hello: 2, ticket: 4, finished: 20, keyUpdate: 24 } as const

/** step → message → next step. RFC 8446 2 and RFC 5246 7.3, for a server without a client certificate to see. */
const ORDER: Readonly<Record<TlsVersion, Readonly<Partial<Record<Step, Readonly<Record<number, Step>>>>>>> = {
  '1.3': {
    hello: { 2: 'extensions' },
    extensions: { 8: 'certificate' },
    // A server may ask for a certificate (13), and is told that there is none.
    certificate: { 13: 'certificate', 11: 'signature' },
    signature: { 15: 'finished' },
    finished: { 20: 'open' },
    open: { 4: 'open', 24: 'open' },
  },
  '1.2': {
    hello: { 2: 'certificate' },
    certificate: { 11: 'signature' },
    signature: { 12: 'done' },
    done: { 13: 'done', 14: 'change' },
    change: { 4: 'change' },
    finished: { 20: 'open' },
    // Renegotiation (0) would start anew with another server.
    open: {},
  },
}

// The library reads 16 bits of a message's length.
const MAX_MESSAGE_BYTES = 0xffff
// RFC 5246 6.2.3, which allows more than RFC 8446 5.2.
const MAX_SEALED_BYTES = 16_384 + 2048
const MAX_RECORD_BYTES = 16_384 + 256
const DOWNGRADED = new TextEncoder().encode('DOWNGRD')
const SIGNED_13 = concat(new Uint8Array(64).fill(0x20), new TextEncoder().encode('TLS 1.3, server CertificateVerify\0'))

export class TlsWatch {
  #step: Step = 'hello'
  #version: TlsVersion = '1.2'
  #hash: SignatureHash = 'SHA-256'
  #header: number[] = []
  #recordLeft = 0
  #held: Uint8Array = new Uint8Array(0)
  #transcript: Uint8Array[] = []
  #clientRandom: Uint8Array = new Uint8Array(0)
  #serverRandom: Uint8Array = new Uint8Array(0)
  #certificates: readonly Uint8Array[] = []
  #changes = 0
  #updateWanted = false
  #proof: ServerProof | undefined

  /** Once the server's Finished was seen; whether it is right, only the library knows. */
  get proof(): ServerProof | undefined {
    return this.#step === 'open' ? this.#proof : undefined
  }

  get isClosed(): boolean {
    return this.#step === 'closed'
  }

  /** Whether the server has asked for new keys of ours since the last time this was asked. */
  takeUpdateWanted(): boolean {
    const wanted = this.#updateWanted
    this.#updateWanted = false
    return wanted
  }

  /** Our ClientHello, as a handshake message. */
  sent(hello: Uint8Array): void {
    this.#transcript.push(hello)
    // Type, length, version.
    this.#clientRandom = hello.slice(6, 38)
  }

  /** What came, before the library sees it: it would wait for the end of a record of any kind and length. Throws TLS_FAILED. */
  arrived(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#recordLeft > 0) {
        const inside = Math.min(this.#recordLeft, bytes.length - at)
        this.#recordLeft -= inside
        at += inside
        continue
      }
      this.#header.push(bytes[at++] as number)
      if (this.#header.length < 5) continue
      const [type = 0, major, , high = 0, low = 0] = this.#header
      this.#header = []
      this.#recordLeft = (high << 8) | low
      const known = type >= RECORD.change && type <= RECORD.data && major === 3
      if (!known || this.#recordLeft === 0 || this.#recordLeft > MAX_SEALED_BYTES) throw outOfOrder('not a TLS record')
    }
  }

  /** Data for the application, if any. Throws TLS_FAILED or MALFORMED: then the connection must not be used any more. */
  received(record: TlsRecord): Uint8Array | undefined {
    if (this.#step === 'closed') return undefined
    if (record.plaintext.length > MAX_RECORD_BYTES) throw outOfOrder('record too long')
    const encrypted = this.#encrypted
    if (record.type === RECORD.change) return this.#change(record)
    if (record.sealed !== encrypted) throw outOfOrder(encrypted ? 'a record that is not sealed' : 'a sealed record')
    const { type, content, padded } = this.#inside(record)
    if (type === RECORD.alert) return this.#alert(content)
    if (type === RECORD.handshake) return this.#handshake(content, padded)
    if (type !== RECORD.data || this.#step !== 'open') throw outOfOrder(`record of type ${type}`)
    return content
  }

  /** Whether the server seals what it sends now. */
  get #encrypted(): boolean {
    if (this.#step === 'hello') return false
    return this.#version === '1.3' || this.#step === 'finished' || this.#step === 'open'
  }

  #inside({ type, sealed, plaintext }: TlsRecord): { type: number; content: Uint8Array; padded: boolean } {
    if (!sealed || this.#version === '1.2') return { type, content: plaintext, padded: false }
    if (type !== RECORD.data) throw outOfOrder(`sealed record of type ${type}`)
    let end = plaintext.length
    while (end > 0 && plaintext[end - 1] === 0) end--
    if (end === 0) throw outOfOrder('a record of padding')
    return {
      type: plaintext[end - 1] as number,
      content: plaintext.subarray(0, end - 1),
      padded: end < plaintext.length,
    }
  }

  #change({ sealed, plaintext }: TlsRecord): undefined {
    if (sealed || plaintext.length !== 1 || plaintext[0] !== 1 || ++this.#changes > 1 || this.#held.length > 0) {
      throw outOfOrder('change of cipher')
    }
    // TLS 1.3 sends it for the sake of what is in between, any time during the handshake.
    if (this.#version === '1.3' && this.#step !== 'hello' && this.#step !== 'open') return
    if (this.#version !== '1.2' || this.#step !== 'change') throw outOfOrder('change of cipher')
    this.#step = 'finished'
  }

  #alert(alert: Uint8Array): undefined {
    const [level, description] = alert
    if (alert.length !== 2) throw outOfOrder('alert')
    if (level === 1 && description === 0 && this.#step === 'open') {
      this.#step = 'closed'
      return
    }
    throw new MixnetError('TLS_FAILED', { why: `alert ${description}` })
  }

  #handshake(content: Uint8Array, padded: boolean): undefined {
    if (content.length === 0) throw outOfOrder('an empty record')
    this.#held = concat(this.#held, content)
    while (this.#held.length >= 4) {
      const length = new Reader(this.#held, 'TLS').u32('message') & 0xffffff
      if (length > MAX_MESSAGE_BYTES) throw outOfOrder('message too long')
      if (this.#held.length < 4 + length) break
      const message = this.#held.slice(0, 4 + length)
      this.#held = this.#held.slice(4 + length)
      this.#message(message[0] as number, message)
      const rekeys =
        message[0] === MESSAGE.finished ||
        message[0] === MESSAGE.keyUpdate ||
        (message[0] === MESSAGE.hello && this.#version === '1.3')
      if (rekeys && this.#held.length > 0) throw outOfOrder('a message across keys')
      // The library takes a padded record for data. That does no harm to a ticket, which is for nobody here.
      if (padded && message[0] !== MESSAGE.ticket) throw outOfOrder('a padded handshake')
    }
    // The library fails on fragments shorter than a header, and waits for ever on none.
    if (padded && this.#held.length > 0) throw outOfOrder('a padded handshake')
    return undefined
  }

  #message(type: number, message: Uint8Array): void {
    if (this.#step === 'hello' && type === MESSAGE.hello) this.#hello(message)
    const next = ORDER[this.#version][this.#step]?.[type]
    if (next === undefined) throw outOfOrder(`message ${type}`)
    const body = message.subarray(4)
    if (type === 11) this.#certificates = certificatesOf(body, this.#version)
    if (type === 12) this.#proof = this.#keyExchange(body)
    if (type === 15) this.#proof = this.#verify(body)
    if (type === MESSAGE.keyUpdate) {
      if (body.length !== 1 || (body[0] as number) > 1) throw outOfOrder('key update')
      this.#updateWanted ||= body[0] === 1
    }
    if (this.#proof === undefined) this.#transcript.push(message)
    else this.#transcript = []
    this.#step = next
  }

  #hello(message: Uint8Array): void {
    const reader = new Reader(message.subarray(4), 'ServerHello')
    if (reader.u16('version') !== 0x0303) throw outOfOrder('version')
    this.#serverRandom = reader.bytes(32, 'random').slice()
    reader.bytes(reader.u8('session', { max: 32 }), 'session')
    const suite = SUITES.get(reader.u16('suite'))
    if (reader.u8('compression') !== 0) throw outOfOrder('compression')
    const extensions = extensionsOf(reader)
    const chosen = extensions.get(0x2b)
    const is13 = chosen !== undefined && chosen.length === 2 && chosen[0] === 3 && chosen[1] === 4
    if (chosen !== undefined && !is13) throw outOfOrder('version')
    this.#version = is13 ? '1.3' : '1.2'
    if (suite?.version !== this.#version) throw new MixnetError('TLS_FAILED', { why: 'no common cipher' })
    this.#hash = suite.hash
    if (is13 !== extensions.has(0x33)) throw outOfOrder('key share')
    // RFC 8446 4.1.3: a server that knows 1.3 and was told that we do not was told so by somebody in between.
    if (!is13 && equalBytes(this.#serverRandom.subarray(24, 31), DOWNGRADED)) throw outOfOrder('downgrade')
  }

  #keyExchange(body: Uint8Array): ServerProof {
    const reader = new Reader(body, 'ServerKeyExchange')
    if (reader.u8('curve type') !== 3) throw outOfOrder('curve')
    reader.u16('curve')
    reader.bytes(reader.u8('public key'), 'public key')
    const signed = concat(this.#clientRandom, this.#serverRandom, body.subarray(0, reader.offset))
    return { ...this.#signature(reader), signed, transcript: undefined }
  }

  #verify(body: Uint8Array): ServerProof {
    const transcript = { bytes: concat(...this.#transcript), hash: this.#hash }
    return { ...this.#signature(new Reader(body, 'CertificateVerify')), signed: SIGNED_13, transcript }
  }

  #signature(reader: Reader): Pick<ServerProof, 'certificates' | 'scheme' | 'signature'> {
    const scheme = signingOf(reader.u16('scheme'), this.#version)
    if (scheme === undefined) throw outOfOrder('signature scheme')
    const signature = reader.bytes(reader.u16('signature'), 'signature').slice()
    reader.expectEnd()
    return { certificates: this.#certificates, scheme, signature }
  }
}

function certificatesOf(body: Uint8Array, version: TlsVersion): readonly Uint8Array[] {
  const reader = new Reader(body, 'Certificate')
  // Of a request that nobody made.
  if (version === '1.3' && reader.u8('context') !== 0) throw outOfOrder('certificate')
  const list = new Reader(reader.bytes(u24(reader), 'list'), 'Certificate')
  reader.expectEnd()
  const certificates: Uint8Array[] = []
  while (list.remaining > 0) {
    certificates.push(list.bytes(u24(list), 'certificate').slice())
    if (version === '1.3') list.bytes(list.u16('extensions'), 'extensions')
  }
  return certificates
}

function extensionsOf(reader: Reader): ReadonlyMap<number, Uint8Array> {
  const found = new Map<number, Uint8Array>()
  if (reader.remaining === 0) return found
  const list = new Reader(reader.bytes(reader.u16('extensions'), 'extensions'), 'ServerHello')
  reader.expectEnd()
  while (list.remaining > 0) {
    const type = list.u16('extension')
    if (found.has(type)) throw malformed('ServerHello', 'extension twice')
    found.set(type, list.bytes(list.u16('extension'), 'extension'))
  }
  return found
}

function u24(reader: Reader): number {
  return reader.u8('length') * 0x10000 + reader.u16('length')
}

function outOfOrder(why: string): MixnetError {
  return new MixnetError('TLS_FAILED', { why: `unexpected: ${why}` })
}
