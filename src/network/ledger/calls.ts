/** Calls of our contracts as bytes, by the ABIs. @module */

import { decodeFunctionResult, encodeFunctionData } from 'viem/utils'
import { MixnetError } from '../../foundation/base/errors.ts'
import { machineError } from '../../foundation/base/machineError.ts'
import { ABIS, type ContractName } from './abis.ts'
import type { Hex } from './chain.ts'

export interface AnyCall {
  readonly contract: ContractName
  readonly fn: string
  readonly args: readonly unknown[]
}

/** Throws BAD_ARGUMENT for what the ABI does not take. */
export function encodeCall({ contract, fn, args }: AnyCall): Hex {
  try {
    const request = { abi: ABIS[contract], functionName: fn, args } as unknown as Parameters<
      typeof encodeFunctionData
    >[0]
    return encodeFunctionData(request)
  } catch (cause) {
    throw new MixnetError('BAD_ARGUMENT', { argument: 'args', contract, fn }, { cause })
  }
}

export function decodeResult({ contract, fn, args }: AnyCall, data: Hex): unknown {
  const request = { abi: ABIS[contract], functionName: fn, args, data } as unknown as Parameters<
    typeof decodeFunctionResult
  >[0]
  return decoded(`${contract}.${fn}`, () => decodeFunctionResult(request))
}

/** Nothing there (`0x`) is what another chain, or another deployment, answers. */
export function decoded<T>(what: string, decode: () => T): T {
  try {
    return decode()
  } catch (cause) {
    throw machineError('LEDGER_MISMATCH', { what, why: 'not what the contract answers' }, { cause })
  }
}
