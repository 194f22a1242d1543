/** A queue that takes from its front in constant time, however long it is. @module */

/** Taken items are forgotten in batches of at least this many. */
const FORGET_AT_LEAST = 1024
/** Emptying an array gives its memory back, which costs more than the places of so few items. */
const KEEP_PLACES = 32

export class Fifo<T> {
  #items: (T | undefined)[] = []
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  push(item: T): void {
    this.#items.push(item)
  }

  peek(): T | undefined {
    return this.#items[this.#head]
  }

  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined
    const item = this.#items[this.#head]
    this.#items[this.#head++] = undefined
    if (this.#head === this.#items.length) {
      if (this.#head >= KEEP_PLACES) this.clear()
    } else if (this.#head >= FORGET_AT_LEAST && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  clear(): void {
    if (this.#items.length > FORGET_AT_LEAST) this.#items = []
    else this.#items.length = 0
    this.#head = 0
  }
}
