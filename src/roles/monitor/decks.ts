/**
 * Whom the next test leads through. Each kind of choice is a deck: shuffled, dealt to its end, shuffled again, so that every node gets its
 * equal share of packets and meets all sorts of neighbours. A single route is as likely as with a client that draws uniformly; only that
 * the counts come out even would show, to who sees all of them. @module
 */
import { below, type RandomStream } from '../../foundation/platform/random.ts'

export class Deck<T> {
  readonly #random: RandomStream
  readonly #cards: readonly T[]
  #left: T[] = []

  constructor(random: RandomStream, cards: readonly T[]) {
    this.#random = random
    this.#cards = cards
  }

  get size(): number {
    return this.#cards.length
  }

  /** undefined of an empty deck. */
  draw(): T | undefined {
    if (this.#left.length === 0) this.#left = [...this.#cards]
    const { length } = this.#left
    if (length === 0) return undefined
    const index = below(this.#random, length)
    const card = this.#left[index] as T
    this.#left[index] = this.#left[length - 1] as T
    this.#left.pop()
    return card
  }

  /** The first that `fits`, of as many draws as there are cards. */
  drawWhere(fits: (card: T) => boolean): T | undefined {
    for (let i = 0; i < this.#cards.length; i++) {
      const card = this.draw()
      if (card !== undefined && fits(card)) return card
    }
    return undefined
  }
}
