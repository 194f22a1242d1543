/** `starling ledger deploy`: the contracts of a new network, after everything that will be in them was shown. @module */
import { z } from 'zod'
import { fromUtf8, utf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { CONTRACT_ARTEFACTS } from '../../network/ledger/contractArtefacts.ts'
import { deployLedger } from '../../network/ledger/deploy.ts'
import { type DeploymentParams, localNetwork, mainnetLike } from '../../network/ledger/deploymentParams.ts'
import { parseDecimal } from '../../protocol/economy/decimal.ts'
import { readConfigFile } from '../node/configFile.ts'
import { amountText, parseAmount } from './amounts.ts'
import { durationText } from './epochText.ts'
import { type LedgerOptions, openSigner, rpcUrls, type SignerOptions } from './ledgerAccess.ts'
import { isWanted, type WriteChoice } from './ledgerWrites.ts'
import type { Session } from './session.ts'

export interface DeployOptions extends LedgerOptions, SignerOptions, WriteChoice {
  readonly deployment: string
  /** TOML: what is to be other than on the main network. */
  readonly params?: string
  /** Short epochs and a small set. */
  readonly local: boolean
}

const amount = z.string().transform((text, context) => {
  try {
    return parseAmount(text)
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'not an amount' })
    return z.NEVER
  }
})
const decimal = z.union([z.number(), z.string()]).transform((value, context) => {
  try {
    return parseDecimal(String(value))
  } catch {
    context.addIssue({ code: 'custom', message: 'must be a number like 0.3' })
    return z.NEVER
  }
})
const count = z.number().int().nonnegative().max(0xffff_ffff)

const schema = z
  .strictObject({
    epochsInInterval: count.min(1).max(100_000),
    epochSeconds: count.min(10),
    validityEpochs: count.min(3),
    firstEpochId: count,
    rewardPool: amount,
    stakingSupply: amount,
    stakingSupplyScaleFactor: decimal,
    sybilResistance: decimal,
    activeSetWorkFactor: decimal,
    intervalPoolEmission: decimal,
    rewardedSet: z.strictObject({ entryGateways: count, exitGateways: count, mixnodes: count, standby: count }),
    minimumPledge: amount,
    minimumDelegation: amount,
    minimumProfitMargin: decimal,
    maximumProfitMargin: decimal,
    minimumOperatingCost: amount,
    maximumOperatingCost: amount,
    ticketBookPrice: amount,
    gatewayShare: z.number().int().min(0).max(100).transform(BigInt),
    participantStake: amount,
    governanceDelaySeconds: count,
  })
  .partial()

export async function deployContracts(session: Session, options: DeployOptions): Promise<number> {
  const { world, screen } = session
  const { files, clock } = world
  const path = options.deployment
  const urls = await rpcUrls(world, options)
  const changed = options.params === undefined ? {} : await readConfigFile(files, options.params, schema)
  const now = Math.floor(clock.now() / 1000)
  const defaults = options.local ? localNetwork(now) : mainnetLike(now)
  const chosen = Object.fromEntries(Object.entries(changed).filter(([, value]) => value !== undefined))
  const params = await begunWith(session, path, { ...defaults, ...chosen } as DeploymentParams)
  const signer = await openSigner(session, options)
  for (const [label, text] of previewLines(params)) screen.step(label, text)
  screen.step(
    'account',
    `${signer.address} deploys 13 contracts' worth of transactions, and has what NYM the pool has not`,
    undefined,
    {
      event: 'preview',
      account: signer.address,
      params: shown(params),
    },
  )
  screen.step('file', `${path}; stopped half way, the same command goes on`)
  if (!(await isWanted(session, options))) {
    screen.step('left', 'nothing was sent', undefined, { event: 'left' })
    return session.interruptedCode
  }
  await files.write(beside(path), utf8(textOf(params)))
  const started = clock.monotonic()
  try {
    const deployment = await deployLedger(world, {
      urls,
      chainId: undefined,
      signer,
      params,
      path,
      artefacts: CONTRACT_ARTEFACTS,
      onStep(step, number, of) {
        // Between two of them: the one under way is waited for.
        if (session.interrupted.aborted) throw new MixnetError('ABORTED')
        screen.step('step', `${number} of ${of}   ${step}`, undefined, { event: 'step', step, number, of })
      },
    })
    await files.remove(beside(path))
    screen.step('deployed', `chain ${deployment.chainId}   ${path}`, clock.monotonic() - started, {
      event: 'deployed',
      file: path,
      addresses: deployment.addresses,
    })
    screen.line(`\n  See it   starling ledger status --rpc URL --deployment ${path}`)
    return 0
  } catch (error) {
    if (!isMixnetError(error, 'ABORTED')) throw error
    screen.step('stopped', 'what was sent may still happen; the same command goes on from there', undefined, {
      event: 'stopped',
      mayStillHappen: true,
    })
    return session.interruptedCode
  }
}

const beside = (path: string): string => `${path}.params`

/**
 * A deployment that was begun goes on with the numbers it began with, also the moment at which its first epoch starts: else its second half
 * would be of another network.
 */
async function begunWith({ world }: Session, path: string, params: DeploymentParams): Promise<DeploymentParams> {
  const { files } = world
  if ((await files.kindOf(path)) !== undefined) {
    const nextStep = 'Look at it: starling ledger status --deployment FILE. For another network, name another file.'
    throw new MixnetError(
      'BAD_ARGUMENT',
      { '--deployment': path },
      { message: 'there is a deployment already', nextStep },
    )
  }
  const begun = (await files.kindOf(`${path}.begun`)) === undefined ? undefined : await files.read(beside(path))
  if (begun === undefined) return params
  const said = fromUtf8(begun, 'begun deployment')
  const firstEpochStart = Number((JSON.parse(said) as { readonly firstEpochStart: unknown }).firstEpochStart)
  const same = { ...params, firstEpochStart }
  if (textOf(same) === said) return same
  const nextStep = `Give the numbers it began with, or remove ${path}.begun to begin another one.`
  throw new MixnetError(
    'BAD_ARGUMENT',
    { '--deployment': path },
    { message: 'it was begun with other numbers', nextStep },
  )
}

const textOf = (params: DeploymentParams): string => JSON.stringify(shown(params))

const shown = (params: DeploymentParams): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(params).map(([key, value]) => [key, typeof value === 'bigint' ? String(value) : value]),
  )

function previewLines(p: DeploymentParams): readonly (readonly [string, string])[] {
  const { entryGateways, exitGateways, mixnodes, standby } = p.rewardedSet
  const percent = (value: bigint) => `${Number(value / 10n ** 14n) / 100} %`
  return [
    [
      'epochs',
      `${durationText(p.epochSeconds)} each, ${p.epochsInInterval} in an interval; the first is number ${p.firstEpochId}`,
    ],
    ['keys', `a Sphinx key lasts ${p.validityEpochs} epochs`],
    ['set', `${entryGateways} entries, ${exitGateways} exits, ${mixnodes} mix nodes, ${standby} on standby`],
    ['pool', `${amountText(p.rewardPool)}, of which an interval gives ${percent(p.intervalPoolEmission)}`],
    [
      'stake',
      `the network aims at ${amountText(p.stakingSupply)}; ${percent(p.stakingSupplyScaleFactor)} of what is paid adds to it`,
    ],
    [
      'own stake',
      `alpha ${percent(p.sybilResistance)}; active work counts ${Number(p.activeSetWorkFactor / 10n ** 14n) / 10_000} times that of standby`,
    ],
    [
      'bonding',
      `pledge at least ${amountText(p.minimumPledge)}; delegation at least ${p.minimumDelegation === 0n ? 'anything' : amountText(p.minimumDelegation)}`,
    ],
    ['margin', `${percent(p.minimumProfitMargin)} to ${percent(p.maximumProfitMargin)}`],
    ['costs', `${amountText(p.minimumOperatingCost)} to ${amountText(p.maximumOperatingCost)} an interval`],
    ['tickets', `${amountText(p.ticketBookPrice)} for a book; gateways get ${p.gatewayShare} % of a ticket`],
    ['monitors', `${amountText(p.participantStake)} at stake each`],
    ['governance', `changes wait ${durationText(p.governanceDelaySeconds)}; whoever deploys may propose them`],
  ]
}
