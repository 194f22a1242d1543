/** What a slip past the types may have written into options: refused before anything begins, by name. @module */
import { MixnetError } from '../foundation/base/errors.ts'
import type { Millis } from '../foundation/base/units.ts'

/** What applications write: plain numbers where this code counts milliseconds. */
export type Plain<T> = T extends Millis
  ? number
  : T extends string | number | boolean | undefined
    ? T
    : { readonly [K in keyof T]: Plain<T[K]> }

type Kind = 'any' | 'text' | 'string' | 'pem' | 'flag' | 'function' | 'milliseconds' | 'signal'

const KINDS: Readonly<Record<Kind, readonly [holds: (value: unknown) => boolean, expected: string]>> = {
  any: [() => true, ''],
  text: [(value) => typeof value === 'string' && value !== '', 'a string that is not empty'],
  string: [(value) => typeof value === 'string', 'a string'],
  pem: [(value) => /-----BEGIN /.test(String(value)), 'certificates as PEM'],
  flag: [(value) => typeof value === 'boolean', 'true or false'],
  function: [(value) => typeof value === 'function', 'a function'],
  milliseconds: [(value) => typeof value === 'number' && value > 0, 'a number of milliseconds above 0'],
  // By what it can do: a signal of another realm is one too.
  signal: [
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      'aborted' in value &&
      'removeEventListener' in value &&
      typeof value.removeEventListener === 'function',
    'an AbortSignal, as the `signal` of an AbortController is',
  ],
}

export type OptionKinds = Readonly<Record<string, Kind>>

/** Throws BAD_ARGUMENT, naming the option. What `kinds` does not name is not looked at. */
export function expectOptions(options: object, kinds: OptionKinds): void {
  for (const [argument, kind] of Object.entries(kinds)) {
    const value: unknown = (options as Readonly<Record<string, unknown>>)[argument]
    const [holds, expected] = KINDS[kind]
    if (value !== undefined && !holds(value))
      throw new MixnetError('BAD_ARGUMENT', { argument }, { nextStep: `Give ${expected}, or nothing.` })
  }
}

/** Throws BAD_ARGUMENT for one that is not in `kinds`: what is misspelt would else be left out in silence. */
export function expectKnown(options: object, kinds: OptionKinds): void {
  const argument = Object.keys(options).find((name) => !Object.hasOwn(kinds, name))
  if (argument === undefined) return
  const nextStep = `The options are ${Object.keys(kinds).join(', ')}.`
  throw new MixnetError('BAD_ARGUMENT', { argument, why: 'there is no such option' }, { nextStep })
}

/** Of one request, connection or question. `null` for a signal is the standard's word for none. */
export function expectRequest(options: {
  readonly timeout?: unknown
  readonly signal?: unknown
  readonly isolation?: unknown
}): void {
  const { timeout, signal, isolation } = options
  const kinds = { timeout: 'milliseconds', signal: 'signal', isolation: 'string' } as const
  expectOptions({ timeout, signal: signal ?? undefined, isolation }, kinds)
}
