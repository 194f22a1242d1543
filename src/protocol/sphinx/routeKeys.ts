/**
 * What the sender of one packet shares with its hops: all the arithmetic on the curve that a header needs, and nothing else. It
 * depends on the route and on 32 random bytes only, so it can be done before there is anything to send: where the curve answers
 * with promises (WebCrypto), or is slow, packets are still made in one synchronous step when their instant has come.
 * Format: docs/spec/sphinx.md, "Keys". @module
 */
import { MixnetError } from '../../foundation/base/errors.ts'
import type { AsyncCurve } from '../../foundation/crypto/asyncCurve.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import { KEY_BYTES } from './constants.ts'
import { type ExpandedSecret, expandSharedSecret, expandSharedSecretLater } from './keys.ts'
import { checkLength, type Hop } from './route.ts'

export class RouteKeys {
  /** The hops these are for: a header with them must go this way and no other. */
  readonly route: readonly Hop[]
  /** 32 bytes: the element the first hop derives its secret from. */
  readonly alpha: Uint8Array
  readonly #secrets: readonly ExpandedSecret[]
  #used = false

  constructor(route: readonly Hop[], alpha: Uint8Array, secrets: readonly ExpandedSecret[]) {
    this.route = route
    this.alpha = alpha
    this.#secrets = secrets
  }

  /**
   * One per hop, in route order, for one packet: two with equal keys would have the same replay tags, so the second would be
   * dropped, and every node could tell that they belong together. Throws BAD_ARGUMENT the second time.
   */
  take(): readonly ExpandedSecret[] {
    if (this.#used) throw new MixnetError('BAD_ARGUMENT', { argument: 'secret', why: 'route keys are for one packet' })
    this.#used = true
    return this.#secrets
  }
}

/**
 * `secret` is 32 fresh random bytes. The shared secret of hop i is its key multiplied by x, b₀, … bᵢ₋₁ one after the other, every
 * factor clamped. The sender knows all of them, so it multiplies the scalars instead and pays for one multiplication per hop, not
 * i + 1 of them, and one of the base point. Throws BAD_ARGUMENT.
 */
export function deriveRouteKeys(crypto: CryptoProvider, secret: Uint8Array, route: readonly Hop[]): RouteKeys {
  checkLength(secret, KEY_BYTES, 'secret')
  const secrets: ExpandedSecret[] = []
  let scalar = secret
  for (const hop of route) {
    scalar = nextScalar(crypto, scalar, secrets)
    secrets.push(expandSharedSecret(crypto, crypto.x25519(scalar, hop.publicKey)))
  }
  return new RouteKeys(route, crypto.x25519Base(secret), secrets)
}

/** The same, on a curve that answers later. */
export async function deriveRouteKeysLater(
  crypto: CryptoProvider,
  curve: AsyncCurve,
  secret: Uint8Array,
  route: readonly Hop[],
): Promise<RouteKeys> {
  checkLength(secret, KEY_BYTES, 'secret')
  const secrets: ExpandedSecret[] = []
  const first = curve.scalar(secret)
  let bytes = secret
  for (const hop of route) {
    bytes = nextScalar(crypto, bytes, secrets)
    const scalar = bytes === secret ? first : curve.scalar(bytes)
    secrets.push(await expandSharedSecretLater(crypto, curve, await scalar.times(hop.publicKey)))
  }
  return new RouteKeys(route, await first.base(), secrets)
}

function nextScalar(crypto: CryptoProvider, scalar: Uint8Array, secrets: readonly ExpandedSecret[]): Uint8Array {
  const previous = secrets.at(-1)
  return previous === undefined ? scalar : crypto.multiplyScalars(scalar, previous.blinding)
}
