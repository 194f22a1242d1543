/**
 * Turns what the gateway pushes into acks and messages. All of it is from strangers: refusals are counted, nothing is thrown.
 *
 * Fragments that came through reply SURBs are put together apart from those sent to our address, and apart by whom the SURBs
 * had been given to. Otherwise two parties could find out that they know the same client under two names, by sending half a
 * message each and watching whether it is acted upon. Rules: docs/spec/packet.md, "At the client". @module
 */
import { isMixnetError, tryDecode } from '../foundation/base/errors.ts'
import type { Counter, Meter } from '../foundation/base/observe.ts'
import type { AsyncCurve, AsyncScalar } from '../foundation/crypto/asyncCurve.ts'
import type { CryptoProvider } from '../foundation/crypto/provider.ts'
import type { Clock } from '../foundation/platform/clock.ts'
import { decodeAck, type FragmentId } from '../protocol/packet/acks.ts'
import { agreePayloadKey, agreePayloadKeyLater } from '../protocol/packet/endToEnd.ts'
import type { Fragment } from '../protocol/packet/fragments.ts'
import { decodeMessage, type NymMessage, unpadMessage } from '../protocol/packet/message.ts'
import { classifyPushed, openPushedWith, variantOf } from '../protocol/packet/pushed.ts'
import { Reassembler, type ReassemblerLimits } from '../protocol/packet/reassembly.ts'
import { VARIANT_BYTES } from '../protocol/packet/sizes.ts'
import type { ClientKeys } from './keys.ts'
import type { OwnLoop } from './ownLoops.ts'
import type { HandedOut, Holder } from './replyKeys.ts'

export interface ReceiverOptions {
  readonly crypto: CryptoProvider
  /** Where `crypto` is slow at the curve: what is sent to our address is then read a little later than it came. */
  readonly curve?: AsyncCurve | undefined
  readonly clock: Clock
  readonly keys: Pick<ClientKeys, 'encryptionSecret' | 'ackKey'>
  readonly limits: ReassemblerLimits
  readonly meter: Meter
  readonly takeReplyKey: (digest: Uint8Array) => HandedOut | undefined
  /** A loop of ours that is back, for the first time. */
  readonly takeLoop?: (variant: Uint8Array) => OwnLoop | undefined
  readonly acknowledged: (id: FragmentId) => void
  /** `holder`: it came through reply SURBs of theirs; undefined: to our address. */
  readonly message: (message: NymMessage, holder: Holder | undefined) => void
}

/** `source`: a reply that did not come through a SURB, or anything else that did. */
type Refusal = 'too-short' | 'fragment' | 'ack' | 'message' | 'source'

/** Packets that wait for the curve. Above, whoever floods us gets what a slow curve does: the link's own back-pressure. */
const MOST_AWAITED = 256

export class Receiver {
  readonly #options: ReceiverOptions
  readonly #reassembler: Reassembler
  readonly #cover: Counter
  readonly #refused: Record<Refusal, Counter>
  readonly #secret: AsyncScalar | undefined
  #awaited = 0
  #stopped = false
  #loops = 0

  constructor(options: ReceiverOptions) {
    this.#options = options
    const { meter, curve, keys } = options
    this.#secret = curve?.scalar(keys.encryptionSecret.expose())
    this.#reassembler = new Reassembler(options.limits, meter)
    this.#cover = meter.counter('client_cover_received_total', 'Cover that arrived')
    const refused = (reason: Refusal) =>
      meter.counter('client_refused_total', 'Pushed packets that could not be read', { reason })
    this.#refused = {
      'too-short': refused('too-short'),
      fragment: refused('fragment'),
      ack: refused('ack'),
      message: refused('message'),
      source: refused('source'),
    }
  }

  pushed(plaintext: Uint8Array): void {
    if (classifyPushed(plaintext) === 'ack') this.#ack(plaintext)
    else this.#data(plaintext)
  }

  /** Our own loops that came back so far. */
  get loopsReturned(): number {
    return this.#loops
  }

  /** To be called now and then. */
  review(): void {
    this.#reassembler.expire(this.#options.clock.monotonic())
  }

  /** What still waits for the curve is not read any more. */
  stop(): void {
    this.#stopped = true
  }

  #ack(plaintext: Uint8Array): void {
    const { crypto, keys, acknowledged } = this.#options
    const id = tryDecode(() => decodeAck(crypto, keys.ackKey.expose(), plaintext))
    if (isMixnetError(id)) this.#refused.ack.value++
    else if (id !== 'cover') acknowledged(id)
  }

  #data(plaintext: Uint8Array): void {
    const { crypto, keys, takeReplyKey, takeLoop } = this.#options
    if (plaintext.length < VARIANT_BYTES) {
      this.#refused['too-short'].value++
      return
    }
    const variant = variantOf(plaintext)
    const taken = takeReplyKey(variant)
    if (taken !== undefined) return this.#open(taken.key, plaintext, taken.holder)
    const loop = takeLoop?.(variant)
    if (loop?.key !== undefined) return this.#open(loop.key, plaintext, undefined, loop)
    const secret = this.#secret
    if (secret === undefined || this.#awaited >= MOST_AWAITED) {
      return this.#open(agreePayloadKey(crypto, keys.encryptionSecret.expose(), variant), plaintext, undefined, loop)
    }
    this.#awaited++
    const open = (key: Uint8Array) => {
      this.#awaited--
      if (!this.#stopped) this.#open(key, plaintext, undefined, loop)
    }
    // A curve that fails, which none does whose scalar is good, loses the packet, as the network may: it is sent again.
    agreePayloadKeyLater(crypto, secret, variant).then(open, () => {
      this.#awaited--
    })
  }

  #open(key: Uint8Array, plaintext: Uint8Array, holder: Holder | undefined, loop?: OwnLoop): void {
    const { crypto, clock, message } = this.#options
    const opened = openPushedWith(crypto, key, plaintext, holder !== undefined)
    if (opened.kind === 'refused') {
      this.#refused[opened.reason].value++
      return
    }
    if (opened.kind === 'cover') {
      if (loop !== undefined) this.#loops++
      this.#cover.value++
      return
    }
    const fragment = holder === undefined ? opened.fragment : apart(opened.fragment, holder)
    const assembled = this.#reassembler.accept(fragment, clock.monotonic())
    if (assembled.kind !== 'complete') return
    const decoded = tryDecode(() => decodeMessage(crypto, unpadMessage(assembled.message)))
    if (isMixnetError(decoded)) this.#refused.message.value++
    else if ((decoded.kind === 'reply') !== (holder !== undefined)) this.#refused.source.value++
    else message(decoded, holder)
  }
}

const SET_IDS = 2 ** 31

/** In a range of set ids of the holder's own: numbers stay whole up to four million holders. */
function apart(fragment: Fragment, { number }: Holder): Fragment {
  const setId = fragment.setId + number * SET_IDS
  const { link } = fragment
  return { ...fragment, setId, link: link && { ...link, setId: link.setId + number * SET_IDS } }
}
