/** The runtime's generator, through WebCrypto. Every purpose shares it: streams only matter where draws must be repeatable. @module */
import type { Random, RandomStream } from '../random.ts'

/** What one call may ask for. */
const QUOTA_BYTES = 65_536

const word = new Uint32Array(1)

const system: RandomStream = {
  fill(target) {
    for (let offset = 0; offset < target.length; offset += QUOTA_BYTES) {
      crypto.getRandomValues(target.subarray(offset, offset + QUOTA_BYTES) as Uint8Array<ArrayBuffer>)
    }
    return target
  },
  bytes(length) {
    return system.fill(new Uint8Array(length))
  },
  u32() {
    crypto.getRandomValues(word)
    return word[0] as number
  },
  uniform() {
    const high = system.u32() >>> 5
    const low = system.u32() >>> 6
    return (high * 2 ** 26 + low) / 2 ** 53
  },
}

export const webRandom: Random = { stream: () => system }
