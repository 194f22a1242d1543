/** The system's generator. Every purpose shares it: streams only matter where draws must be repeatable. @module */
import { randomFillSync } from 'node:crypto'
import type { Random, RandomStream } from '../random.ts'

// A call to the generator costs about a microsecond whatever it fetches, and a packet draws a handful of small values.
const POOL_BYTES = 16_384
const POOLED_AT_MOST_BYTES = 1024

const pool = new Uint8Array(POOL_BYTES)
const view = new DataView(pool.buffer)
let used = POOL_BYTES

/** The offset of `length` fresh bytes in the pool. */
function take(length: number): number {
  if (used + length > POOL_BYTES) {
    randomFillSync(pool)
    used = 0
  }
  const offset = used
  used += length
  return offset
}

function takeU32(): number {
  const offset = take(4)
  const value = view.getUint32(offset)
  view.setUint32(offset, 0)
  return value
}

const system: RandomStream = {
  fill(target) {
    if (target.length > POOLED_AT_MOST_BYTES) return randomFillSync(target)
    const offset = take(target.length)
    target.set(pool.subarray(offset, offset + target.length))
    // Bytes handed out may be keys: they do not stay behind in the pool.
    pool.fill(0, offset, offset + target.length)
    return target
  },
  bytes(length) {
    return system.fill(new Uint8Array(length))
  },
  u32: takeU32,
  uniform() {
    const high = takeU32() >>> 5
    const low = takeU32() >>> 6
    return (high * 2 ** 26 + low) / 2 ** 53
  },
}

export const nodeRandom: Random = { stream: () => system }
