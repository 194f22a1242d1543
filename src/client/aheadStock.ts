/**
 * Things that take a while to make, made ahead of need: a few of each kind wait, and each that is taken is replaced. Bounded in
 * kinds and in each; what is asked for most is kept most of. @module
 */

export interface AheadStockParams {
  /** How many of a kind wait at first. Doubled whenever one is wanted and none is there. */
  readonly first: number
  readonly most: number
  /** The kind that was asked for longest ago goes. */
  readonly kinds: number
  /** Of one kind, being made at once. */
  readonly atOnce: number
}

interface Shelf<T> {
  readonly ready: T[]
  target: number
  making: number
}

export class AheadStock<T> {
  readonly #params: AheadStockParams
  readonly #shelves = new Map<string, Shelf<T>>()
  #generation = 0

  constructor(params: AheadStockParams) {
    this.#params = params
  }

  /**
   * One of that kind, or undefined where none is ready yet: the caller makes it then and there. `make` is called for those to
   * come, with what holds now; where it gives undefined or rejects, no more are made until the next `take`.
   */
  take(kind: string, make: () => Promise<T> | undefined): T | undefined {
    const shelf = this.#shelf(kind)
    const taken = shelf.ready.shift()
    if (taken === undefined && shelf.making > 0) shelf.target = Math.min(2 * shelf.target, this.#params.most)
    this.#fill(kind, shelf, make)
    return taken
  }

  /** Makes so many of that kind before one is asked for, and keeps as many from now on. */
  expect(kind: string, count: number, make: () => Promise<T> | undefined): void {
    const shelf = this.#shelf(kind)
    shelf.target = Math.max(shelf.target, Math.min(count, this.#params.most))
    this.#fill(kind, shelf, make)
  }

  /** Forgets all, also what is being made: what they were made from has changed. */
  clear(): void {
    this.#generation++
    this.#shelves.clear()
  }

  #shelf(kind: string): Shelf<T> {
    let shelf = this.#shelves.get(kind)
    // Put back at the end: the map is in the order of the last use.
    if (shelf !== undefined) this.#shelves.delete(kind)
    else shelf = { ready: [], target: this.#params.first, making: 0 }
    this.#shelves.set(kind, shelf)
    const [oldest] = this.#shelves.keys()
    if (this.#shelves.size > this.#params.kinds && oldest !== undefined) this.#shelves.delete(oldest)
    return shelf
  }

  #fill(kind: string, shelf: Shelf<T>, make: () => Promise<T> | undefined): void {
    const generation = this.#generation
    while (shelf.making < this.#params.atOnce && shelf.ready.length + shelf.making < shelf.target) {
      const made = make()
      if (made === undefined) return
      shelf.making++
      made.then(
        (item) => {
          shelf.making--
          if (generation !== this.#generation || this.#shelves.get(kind) !== shelf) return
          shelf.ready.push(item)
          this.#fill(kind, shelf, make)
        },
        () => {
          shelf.making--
        },
      )
    }
  }
}
