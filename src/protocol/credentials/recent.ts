/** The last few of what is dear to make. @module */
export class Recent<T> {
  readonly #most: number
  readonly #kept = new Map<string, T>()

  constructor(most: number) {
    this.#most = most
  }

  /** What is kept under that name, or what `make` gives; it goes when `most` others were asked for since. */
  get(name: string, make: () => T): T {
    const kept = this.#kept.get(name) ?? make()
    this.#kept.delete(name)
    this.#kept.set(name, kept)
    if (this.#kept.size > this.#most) this.#kept.delete(this.#kept.keys().next().value as string)
    return kept
  }
}
