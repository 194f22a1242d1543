/**
 * Randomness as an argument, one stream per purpose (route, delay, cover, loss …): under simulation, turning one knob leaves
 * the other draws alone. @module
 */

export interface RandomStream {
  /** Fills and returns `target`. */
  fill(target: Uint8Array): Uint8Array
  bytes(length: number): Uint8Array
  /** Uniform in [0, 2³²). */
  u32(): number
  /** Uniform in [0, 1), 53 bits. */
  uniform(): number
}

export interface Random {
  /** The stream for `purpose`. Asking again for the same purpose goes on with the same stream. */
  stream(purpose: string): RandomStream
}

/** Uniform in [0, bound), without modulo bias. */
export function below(stream: RandomStream, bound: number): number {
  return Math.floor(stream.uniform() * bound)
}

/** Exponentially distributed with the given mean (any unit); 0 where the mean is 0. */
export function exponential(stream: RandomStream, mean: number): number {
  return mean === 0 ? 0 : -Math.log(1 - stream.uniform()) * mean
}

/** A uniformly chosen item, or undefined of an empty list. */
export function pick<T>(stream: RandomStream, items: readonly T[]): T | undefined {
  return items[below(stream, items.length)]
}
