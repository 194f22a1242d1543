/** How a stream fares, for who wants to tell people: numbers only, nothing of what it carries or where to. @module */

/** What became of a conversation's fragments. */
export interface FragmentCounts {
  /** Each once, however often it was sent. */
  sent: number
  acknowledged: number
  /** Transmissions beyond the first. */
  again: number
  givenUp: number
}

export interface StreamVitals {
  readonly fragments: Readonly<FragmentCounts>
  /** Reply SURBs at the exit, by our count; none where it has our address. */
  surbsLeft(): number | undefined
}

export const noFragments = (): FragmentCounts => ({ sent: 0, acknowledged: 0, again: 0, givenUp: 0 })
