/** One decoder against inputs nobody wrote for it: a value or a typed refusal, in time and memory that go with the input. @module */
import fc from 'fast-check'
import { isMixnetError } from '../../src/foundation/base/errors.ts'
import type { Decoder } from './decoder.ts'
import { hostileInput } from './hostileInput.ts'

export interface FuzzChoice {
  readonly seed: number
  readonly runs: number
  /** For the runs of one decoder together. */
  readonly limitMs?: number
  /** Whether to look for the smallest input that fails. Default true. */
  readonly shrink?: boolean
}

/** Constant costs of one call: crypto, buffers of a packet's size, whatever else happens in the process meanwhile. */
const FREE_BYTES = 4 * 1024 * 1024
/** Parsed JSON is some tens of times its text; a refusal's stack trace is in FREE_BYTES. */
const BYTES_PER_BYTE = 500
/** Far above anything that is linear, whatever the machine does meanwhile; a second try excuses a pause of the machine. */
const FREE_CPU_MS = 250
const CPU_MS_PER_KILOBYTE = 25

/** Throws with the input that did it, shrunk, where the decoder does anything but give a value or refuse. */
export function fuzz(decoder: Decoder, { seed, runs, limitMs, shrink = true }: FuzzChoice): void {
  fc.assert(
    fc.property(hostileInput(decoder.seeds), (input) => checkInput(decoder, input)),
    {
      seed,
      numRuns: runs,
      endOnFailure: !shrink,
      ...(limitMs === undefined ? {} : { interruptAfterTimeLimit: limitMs, markInterruptAsFailure: false }),
    },
  )
}

export function checkInput(decoder: Decoder, input: Uint8Array): void {
  const cpuMs = spend(decoder, input)
  const allowed = FREE_CPU_MS + (CPU_MS_PER_KILOBYTE * input.length) / 1024
  if (cpuMs > allowed && spend(decoder, input) > allowed) {
    throw new Error(`${decoder.name} took ${cpuMs} ms of CPU for ${input.length} bytes`)
  }
}

/** CPU time of one run, in milliseconds; the clock on the wall would measure the neighbours. */
function spend(decoder: Decoder, input: Uint8Array): number {
  // What decodes may keep views and must not change what it was given.
  const given = input.slice()
  const before = process.memoryUsage()
  const started = process.cpuUsage()
  try {
    decoder.run(given)
  } catch (error) {
    if (!isMixnetError(error) || !decoder.refusals.includes(error.code)) throw error
    if (error.message.length > 2000) throw new Error(`${decoder.name} refuses in ${error.message.length} characters`)
  }
  const { user, system } = process.cpuUsage(started)
  const after = process.memoryUsage()
  const grown = after.heapUsed - before.heapUsed + (after.arrayBuffers - before.arrayBuffers)
  if (grown > FREE_BYTES + BYTES_PER_BYTE * input.length) {
    throw new Error(`${decoder.name} took ${grown} bytes for ${input.length}`)
  }
  return (user + system) / 1000
}
