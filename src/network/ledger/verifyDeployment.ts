/**
 * Whether what is on the chain is what we compiled. The code is compared but for the places where a deployment's own values are; and of
 * these, whatever is an address must be one of the deployment's, so that nothing unknown is wired in. @module
 */

import { keccak256 } from 'viem/utils'
import type { MixnetError } from '../../foundation/base/errors.ts'
import { machineError } from '../../foundation/base/machineError.ts'
import type { Artefact, Artefacts, CreatedName } from './artefact.ts'
import type { Hex } from './chain.ts'
import { codeAt } from './chainCalls.ts'
import type { Deployment } from './deployment.ts'
import { expectReply, type JsonRpc } from './jsonRpc.ts'

const ADDRESS_BYTES = 20
const WORD_BYTES = 32

/** Throws LEDGER_MISMATCH naming the first contract that is another. */
export async function verifyDeployment(rpc: JsonRpc, deployment: Deployment, artefacts: Artefacts): Promise<void> {
  const { addresses, libraries, multicall } = deployment
  const { Governance, Reconciliation, OwnershipProof } = libraries
  const places = Object.entries({
    ...addresses,
    multicall,
    governance: Governance,
    reconciliation: Reconciliation,
    ownershipProof: OwnershipProof,
  })
  const known = new Set(places.map(([, address]) => address?.slice(2).toLowerCase()))
  const codes = await rpc.askAll(places.map(([, address]) => codeAt(address ?? `0x${'00'.repeat(ADDRESS_BYTES)}`)))
  for (const [i, [name]] of places.entries()) {
    const code = expectReply(codes[i] as { ok: true; value: Hex }, 'eth_getCode')
    const { runtime } = artefacts[name as CreatedName]
    if (code === '0x') throw wrong(name, 'there is no contract')
    if (keccak256(masked(code, runtime.values)) !== runtime.hash) throw wrong(name, 'its code is not ours')
    // The token's are of EIP-712: itself, and hashes of its name.
    if (name === 'token') continue
    for (const value of addressesIn(code, runtime.values)) {
      if (!known.has(value)) throw wrong(name, 'it knows a contract that is not of this deployment')
    }
  }
}

function masked(code: Hex, values: Artefact['runtime']['values']): Hex {
  let text: string = code
  for (const [start, length] of values) {
    text = text.slice(0, 2 + 2 * start) + '00'.repeat(length) + text.slice(2 + 2 * (start + length))
  }
  return text as Hex
}

/** Words that are longer than a number of 64 bits. */
function addressesIn(code: Hex, values: Artefact['runtime']['values']): readonly string[] {
  return values
    .map(([start, length]) => code.slice(2 + 2 * start, 2 + 2 * (start + length)).padStart(2 * WORD_BYTES, '0'))
    .filter((word) => BigInt(`0x${word}`) >= 1n << 64n)
    .map((word) => word.slice(-2 * ADDRESS_BYTES))
}

function wrong(contract: string, why: string): MixnetError {
  return machineError(
    'LEDGER_MISMATCH',
    { what: 'deployment', contract, why },
    {
      nextStep: 'Check the URL and the deployment file. If both are right, these contracts are not the published ones.',
    },
  )
}
