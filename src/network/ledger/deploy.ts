/**
 * The contracts of a network, one transaction after the other from one account: where each will be follows from the account's nonce, so
 * that those that know each other can be told before they are there. A step that was done is not done again; what was begun is in a file
 * beside the deployment's until it is complete.
 *
 * Who deploys keeps nothing but the tokens that are not in the pool: every parameter is the timelock's from the first block on. @module
 */

import { encodeDeployData, encodeFunctionData, getContractAddress } from 'viem/utils'
import { fromUtf8, utf8 } from '../../foundation/base/bytes.ts'
import type { MixnetError } from '../../foundation/base/errors.ts'
import { machineError } from '../../foundation/base/machineError.ts'
import { millis } from '../../foundation/base/units.ts'
import { awaited, sleep } from '../../foundation/platform/clock.ts'
import type { World } from '../../foundation/platform/world.ts'
import { ABIS } from './abis.ts'
import type { Artefact, Artefacts, CreatedName } from './artefact.ts'
import type { Address, Hex } from './chain.ts'
import { codeAt, NEWEST_HEADER, transactionCount } from './chainCalls.ts'
import { type Deployment, readDeployment, writeDeployment } from './deployment.ts'
import { type DeploymentParams, participationOf } from './deploymentParams.ts'
import { JsonRpc, type RpcOptions } from './jsonRpc.ts'
import type { Signer } from './ledger.ts'
import { DEFAULT_SENDING, Sending, type SendingOptions } from './sending.ts'
import { verifyDeployment } from './verifyDeployment.ts'

/** In this order. The pool is funded before the mixnet, which refuses to begin without it. */
const STEPS = [
  'multicall',
  'timelock',
  'token',
  'ownershipProof',
  'governance',
  'reconciliation',
  'pool',
  'mixnet',
  'performance',
  'rewardedSet',
  'announcements',
  'issuers',
  'ecash',
] as const
type StepName = (typeof STEPS)[number]
const CREATED: readonly CreatedName[] = STEPS.filter((name) => name !== 'pool')

export interface DeployOptions extends RpcOptions, Partial<SendingOptions> {
  readonly signer: Signer
  readonly params: DeploymentParams
  readonly artefacts: Artefacts
  /** Of the deployment's file. */
  readonly path: string
  /** Who may propose to the timelock; anybody may execute what has waited. Default: who deploys. */
  readonly proposers?: readonly Address[]
  readonly onStep?: (step: string, number: number, of: number) => void
}

interface Begun {
  readonly deployer: Address
  readonly nonce: number
  readonly chainId: number
  /** The newest then. */
  readonly block: number
}

const POLL = millis(500)

/**
 * The deployment, which is then in its file. One that is there already is verified and given back. Throws LEDGER_MISMATCH where the chain
 * has something else in its place, and whatever a write throws: call again, and it goes on.
 */
export async function deployLedger(
  world: Pick<World, 'clock' | 'net' | 'files'>,
  options: DeployOptions,
): Promise<Deployment> {
  const { path, artefacts, params } = options
  const rpc = new JsonRpc(world, options)
  const known = await readDeployment(world.files, path)
  if (known !== undefined) {
    await verifyDeployment(rpc, known, artefacts)
    return known
  }
  const chainId = await rpc.chainId()
  const begun = await begin(world, rpc, options, chainId)
  const addresses = addressesOf(begun)
  const sending = new Sending({ world, rpc, signer: options.signer, options })
  for (const [i, name] of STEPS.entries()) {
    const nonce = begun.nonce + i
    if ((await settledNonce(world, rpc, begun.deployer, options)) > nonce) {
      if (name !== 'pool' && (await rpc.ask(codeAt(addresses[name]))) === '0x') throw elsewhere(path)
      continue
    }
    options.onStep?.(name, i + 1, STEPS.length)
    const receipt = await sending.send(requestOf(name, addresses, options), { step: name }, {})
    if (name !== 'pool' && receipt.contractAddress !== addresses[name]) throw elsewhere(path)
  }
  const { multicall, governance: Governance, reconciliation: Reconciliation, ownershipProof, ...contracts } = addresses
  const deployment: Deployment = {
    chainId,
    deployedAtBlock: begun.block,
    addresses: contracts,
    multicall,
    libraries: { Governance, Reconciliation, OwnershipProof: ownershipProof },
    params,
  }
  await verifyDeployment(rpc, deployment, artefacts)
  await writeDeployment(world.files, path, deployment)
  await world.files.remove(partialPath(path))
  return deployment
}

const partialPath = (path: string): string => `${path}.begun`

async function begin(
  { files }: Pick<World, 'files'>,
  rpc: JsonRpc,
  { path, signer }: DeployOptions,
  chainId: number,
): Promise<Begun> {
  const deployer = signer.address.toLowerCase() as Address
  const file = await files.read(partialPath(path))
  if (file !== undefined) {
    const begun = JSON.parse(fromUtf8(file, 'begun deployment')) as Begun
    if (begun.deployer === deployer && begun.chainId === chainId) return begun
  }
  const nonce = await rpc.ask(transactionCount(deployer, 'pending'))
  const head = await rpc.ask(NEWEST_HEADER)
  const begun: Begun = { deployer, nonce, chainId, block: head?.number ?? 0 }
  await files.write(partialPath(path), utf8(JSON.stringify(begun)))
  return begun
}

/** Of the next transaction, once none is on its way: one that was sent before a restart still counts. */
async function settledNonce(
  { clock }: Pick<World, 'clock'>,
  rpc: JsonRpc,
  deployer: Address,
  { deadline = DEFAULT_SENDING.deadline }: DeployOptions,
): Promise<number> {
  const until = clock.monotonic() + deadline
  for (;;) {
    const latest = await rpc.ask(transactionCount(deployer, 'latest'))
    const pending = await rpc.ask(transactionCount(deployer, 'pending'))
    if (pending <= latest) return latest
    if (clock.monotonic() >= until)
      throw machineError('LEDGER_UNDECIDED', { why: 'an earlier transaction waits', nonce: latest })
    await awaited(clock, sleep(clock, POLL))
  }
}

function elsewhere(path: string): MixnetError {
  return machineError(
    'LEDGER_MISMATCH',
    { what: 'deployment', why: 'the account was used for something else meanwhile' },
    {
      nextStep: `Remove ${partialPath(path)} and begin anew, with an account that nobody else uses.`,
    },
  )
}

type Addresses = Readonly<Record<CreatedName, Address>>

function addressesOf({ deployer, nonce }: Begun): Addresses {
  const at = (name: CreatedName) => getContractAddress({ from: deployer, nonce: BigInt(nonce + STEPS.indexOf(name)) })
  return Object.fromEntries(CREATED.map((name) => [name, at(name).toLowerCase()])) as Addresses
}

function requestOf(
  name: StepName,
  addresses: Addresses,
  options: DeployOptions,
): { readonly to: Hex | undefined; readonly data: Hex } {
  if (name === 'pool') {
    const args = [addresses.mixnet, options.params.rewardPool] as const
    return { to: addresses.token, data: encodeFunctionData({ abi: ABIS.token, functionName: 'transfer', args }) }
  }
  const { abi, bytecode, links } = options.artefacts[name]
  const request = { abi, bytecode: linked(bytecode, links, addresses), args: argumentsOf(name, addresses, options) }
  return { to: undefined, data: encodeDeployData(request as Parameters<typeof encodeDeployData>[0]) }
}

function linked(bytecode: Hex, links: Artefact['links'], addresses: Addresses): Hex {
  let code: string = bytecode
  for (const { library, starts } of links) {
    const address = addresses[`${library[0]?.toLowerCase()}${library.slice(1)}` as CreatedName]
    for (const start of starts) code = code.slice(0, 2 + 2 * start) + address.slice(2) + code.slice(42 + 2 * start)
  }
  return code as Hex
}

/** Of the constructors, in their order. */
function argumentsOf(
  name: CreatedName,
  at: Addresses,
  { params, signer, proposers }: DeployOptions,
): readonly unknown[] {
  switch (name) {
    case 'timelock':
      return [BigInt(params.governanceDelaySeconds), proposers ?? [signer.address], [ANYBODY]]
    case 'token':
      return [signer.address]
    case 'mixnet':
      return [mixnetConfig(at, params)]
    case 'performance':
      return [at.token, at.mixnet, at.timelock, participationOf(params), false]
    case 'rewardedSet':
      return [at.mixnet, at.performance, at.announcements]
    case 'announcements':
      return [at.mixnet]
    case 'issuers':
      return [at.timelock]
    case 'ecash':
      return [at.token, at.mixnet, at.issuers, at.timelock, params.ticketBookPrice, params.gatewayShare]
    default:
      return []
  }
}

/** As the timelock says it. */
const ANYBODY: Address = `0x${'00'.repeat(20)}`

function mixnetConfig(at: Addresses, params: DeploymentParams): object {
  return {
    ...at,
    governance: at.timelock,
    epochsInInterval: params.epochsInInterval,
    epochLength: params.epochSeconds,
    keyValidityEpochs: params.validityEpochs,
    firstEpochId: params.firstEpochId,
    firstEpochStart: BigInt(params.firstEpochStart),
    rewarding: {
      ...params,
      rewardPool: params.rewardPool * DECIMAL,
      stakingSupply: params.stakingSupply * DECIMAL,
      // Derived by the contract.
      epochRewardBudget: 0n,
      stakeSaturationPoint: 0n,
    },
    operators: params,
  }
}

const DECIMAL = 10n ** 18n
