/** Where the contracts of a network are: what everybody who uses its ledger has to be told, as one JSON file. @module */
import { z } from 'zod'
import { fromUtf8, utf8 } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import type { Files } from '../../foundation/platform/files.ts'
import type { ContractName } from './abis.ts'
import type { Address } from './chain.ts'
import type { DeploymentParams } from './deploymentParams.ts'

export interface Deployment {
  readonly chainId: number
  /** No event of the contracts is older. */
  readonly deployedAtBlock: number
  readonly addresses: Readonly<Record<ContractName, Address>>
  /** Answers many reads in one question: contracts/Multicall.sol. */
  readonly multicall: Address
  /** Libraries that the contracts are linked with, by name. */
  readonly libraries: Readonly<Record<string, Address>>
  /** With what it began; governance may have changed some of it since. */
  readonly params: DeploymentParams
}

const address = z.custom<Address>((value) => typeof value === 'string' && /^0x[0-9a-fA-F]{40}$/.test(value), {
  error: 'is not an address',
})
const count = z.number().int().nonnegative().safe()
const amount = z
  .string()
  .regex(/^\d{1,39}$/)
  .transform((text) => BigInt(text))

const schema: z.ZodType<Deployment> = z.strictObject({
  chainId: count,
  deployedAtBlock: count,
  addresses: z.strictObject({
    token: address,
    mixnet: address,
    performance: address,
    rewardedSet: address,
    announcements: address,
    ecash: address,
    issuers: address,
    timelock: address,
  }),
  multicall: address,
  libraries: z.record(z.string(), address),
  params: z.strictObject({
    epochsInInterval: count,
    epochSeconds: count,
    validityEpochs: count,
    firstEpochId: count,
    firstEpochStart: count,
    rewardPool: amount,
    stakingSupply: amount,
    stakingSupplyScaleFactor: amount,
    sybilResistance: amount,
    activeSetWorkFactor: amount,
    intervalPoolEmission: amount,
    rewardedSet: z.strictObject({ entryGateways: count, exitGateways: count, mixnodes: count, standby: count }),
    minimumPledge: amount,
    minimumDelegation: amount,
    minimumProfitMargin: amount,
    maximumProfitMargin: amount,
    minimumOperatingCost: amount,
    maximumOperatingCost: amount,
    ticketBookPrice: amount,
    gatewayShare: amount,
    participantStake: amount,
    governanceDelaySeconds: count,
  }),
})

/** Amounts as decimal strings: JSON's numbers are too small for them. */
export function encodeDeployment(deployment: Deployment): Uint8Array {
  const text = JSON.stringify(deployment, (_, value) => (typeof value === 'bigint' ? String(value) : value), 2)
  return utf8(`${text}\n`)
}

/** Throws CONFIG_INVALID that names the key. */
export function decodeDeployment(file: Uint8Array): Deployment {
  let json: unknown
  try {
    json = JSON.parse(fromUtf8(file, 'deployment file'))
  } catch (cause) {
    throw new MixnetError('CONFIG_INVALID', { what: 'deployment file', why: 'not JSON' }, { cause })
  }
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new MixnetError('CONFIG_INVALID', {
    what: 'deployment file',
    key: issue?.path.join('.') ?? '',
    why: issue?.message ?? '',
  })
}

/** undefined where there is no such file. */
export async function readDeployment(files: Pick<Files, 'read'>, path: string): Promise<Deployment | undefined> {
  const file = await files.read(path)
  return file === undefined ? undefined : decodeDeployment(file)
}

export async function writeDeployment(
  files: Pick<Files, 'write'>,
  path: string,
  deployment: Deployment,
): Promise<void> {
  await files.write(path, encodeDeployment(deployment))
}
