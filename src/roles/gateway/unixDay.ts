/** Days of tickets: whole ones since 1970-01-01, UTC. @module */

export const DAY_MS = 86_400_000

export const unixDayOf = (instant: number): number => Math.floor(instant / DAY_MS)

export const DAY_SECONDS = 86_400
