/**
 * X25519 by WebCrypto: where no native module may be loaded, the only fast one that needs no WebAssembly. It answers with
 * promises, so it serves what can be computed ahead of need; `CryptoProvider` has the curve for everything else. @module
 */
import { base64urlnopad } from '@scure/base'
import type { AsyncCurve, AsyncScalar } from './asyncCurve.ts'

const KEY_BYTES = 32
/** RFC 8410: a PKCS #8 key of algorithm 1.3.101.110, up to the 32 bytes of the scalar. */
const PKCS8_PREFIX = Uint8Array.of(
  0x30,
  0x2e,
  0x02,
  0x01,
  0,
  0x30,
  0x05,
  0x06,
  0x03,
  0x2b,
  0x65,
  0x6e,
  0x04,
  0x22,
  0x04,
  0x20,
)
type Subtle = typeof globalThis.crypto.subtle
type SubtleKey = Awaited<ReturnType<Subtle['importKey']>>

/** undefined where the runtime has no WebCrypto (a page that is not a secure context) or one without X25519. */
export async function loadWebCurve(): Promise<AsyncCurve | undefined> {
  const subtle: Subtle | undefined = globalThis.crypto?.subtle
  if (subtle === undefined) return undefined
  const curve = new WebCurve(subtle)
  try {
    await curve.scalar(new Uint8Array(KEY_BYTES).fill(1)).base()
    return curve
  } catch {
    return undefined
  }
}

class WebCurve implements AsyncCurve {
  readonly #subtle: Subtle
  // Node keys come back with every packet.
  readonly #points = new WeakMap<Uint8Array, Promise<SubtleKey>>()

  constructor(subtle: Subtle) {
    this.#subtle = subtle
  }

  scalar(bytes: Uint8Array): AsyncScalar {
    const pkcs8 = new Uint8Array(PKCS8_PREFIX.length + KEY_BYTES)
    pkcs8.set(PKCS8_PREFIX)
    pkcs8.set(bytes, PKCS8_PREFIX.length)
    const key = this.#subtle.importKey('pkcs8', pkcs8, 'X25519', true, ['deriveBits'])
    // Whoever asks for something of it hears of it then.
    key.catch(() => {})
    return new WebScalar(this.#subtle, key, (point) => this.#point(point))
  }

  async hkdfSha256(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Promise<Uint8Array> {
    const key = await this.#subtle.importKey('raw', new Uint8Array(ikm), 'HKDF', false, ['deriveBits'])
    const how = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(salt), info: new Uint8Array(info) }
    return new Uint8Array(await this.#subtle.deriveBits(how, key, 8 * length))
  }

  #point(point: Uint8Array): Promise<SubtleKey> {
    let imported = this.#points.get(point)
    if (imported === undefined) {
      imported = this.#subtle.importKey('raw', new Uint8Array(point), 'X25519', false, [])
      this.#points.set(point, imported)
    }
    return imported
  }
}

class WebScalar implements AsyncScalar {
  readonly #subtle: Subtle
  readonly #key: Promise<SubtleKey>
  readonly #import: (point: Uint8Array) => Promise<SubtleKey>

  constructor(subtle: Subtle, key: Promise<SubtleKey>, importPoint: (point: Uint8Array) => Promise<SubtleKey>) {
    this.#subtle = subtle
    this.#key = key
    this.#import = importPoint
  }

  async times(point: Uint8Array): Promise<Uint8Array> {
    const [key, peer] = await Promise.all([this.#key, this.#import(point)])
    try {
      return new Uint8Array(await this.#subtle.deriveBits({ name: 'X25519', public: peer }, key, 8 * KEY_BYTES))
    } catch {
      // WebCrypto refuses an all-zero result (RFC 7748 6.1); there is no other way for it to fail with keys it has imported.
      return new Uint8Array(KEY_BYTES)
    }
  }

  /**
   * An import has multiplied the base point already, and costs as much as any multiplication; what it found out is in the key's
   * JSON form and nowhere else. The secret is in there too, as it is in our memory anyway.
   */
  async base(): Promise<Uint8Array> {
    const { x = '' } = (await this.#subtle.exportKey('jwk', await this.#key)) as { readonly x?: string }
    return base64urlnopad.decode(x)
  }
}
