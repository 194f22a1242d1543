/** Listening where an option says, and saying so where that cannot be. @module */

import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { machineError } from '../../foundation/base/machineError.ts'
import type { Endpoint } from '../../foundation/platform/net.ts'

/** What cannot be had is told by the option that asked for it. */
export async function listening<T>(
  port: number,
  option: string,
  host: string,
  listen: (endpoint: Endpoint) => Promise<T>,
): Promise<T> {
  try {
    return await listen({ host, port })
  } catch (error) {
    if (isMixnetError(error, 'ADDRESS_IN_USE')) {
      const nextStep = `Choose another one: ${option} NUMBER, or 0 for any that is free.`
      throw machineError('ADDRESS_IN_USE', { [option]: port }, { nextStep, cause: error })
    }
    if (isMixnetError(error, 'BAD_ARGUMENT')) {
      const words = {
        message: 'this machine has no such address',
        nextStep: 'Leave --host out to listen on 127.0.0.1.',
      }
      throw new MixnetError('BAD_ARGUMENT', { '--host': host }, { ...words, cause: error })
    }
    throw error
  }
}
