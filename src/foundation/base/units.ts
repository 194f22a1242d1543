/** Branded units: a number that says what it counts. Construct each in one place, through the functions here. @module */

declare const brand: unique symbol

export type Branded<T, Name extends string> = T & { readonly [brand]: Name }

/** A duration or an instant in milliseconds; instants count from the Unix epoch. May be fractional. */
export type Millis = Branded<number, 'Millis'>
/** A duration in nanoseconds, the unit of delays inside Sphinx headers. */
export type Nanos = Branded<number, 'Nanos'>

export const millis = (value: number): Millis => value as Millis
export const seconds = (value: number): Millis => (value * 1000) as Millis
export const minutes = (value: number): Millis => (value * 60_000) as Millis
export const hours = (value: number): Millis => (value * 3_600_000) as Millis
export const nanos = (value: number): Nanos => value as Nanos

export const millisToNanos = (value: Millis): Nanos => Math.round(value * 1e6) as Nanos
export const nanosToMillis = (value: Nanos): Millis => (value / 1e6) as Millis
