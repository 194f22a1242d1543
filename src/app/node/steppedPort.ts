/** Listening on the port asked for, or, where that is taken, on the next of a short row. @module */

import { isMixnetError } from '../../foundation/base/errors.ts'
import { machineError } from '../../foundation/base/machineError.ts'
import type { Listener } from '../../foundation/platform/net.ts'

const STEP = 10
const MAX_STEPS = 50
const MAX_PORT = 65_535

export interface SteppedPort {
  readonly wanted: number
  /** The port was taken by another program and another one is used. */
  readonly onStep?: (wanted: number, used: number) => void
  /** Without stepping a taken port is an error. */
  readonly step: boolean
}

/** Throws ADDRESS_IN_USE when no port of the row is free. */
export async function listenStepped<T extends Listener>(
  { wanted, onStep, step }: SteppedPort,
  listen: (port: number) => Promise<T>,
): Promise<T> {
  for (let i = 0; i <= (step ? MAX_STEPS : 0); i++) {
    const port = wanted + i * STEP
    if (port > MAX_PORT) break
    try {
      const listener = await listen(port)
      if (i > 0) onStep?.(wanted, listener.endpoint.port)
      return listener
    } catch (error) {
      if (!isMixnetError(error, 'ADDRESS_IN_USE')) throw error
    }
  }
  throw machineError('ADDRESS_IN_USE', { port: wanted })
}
