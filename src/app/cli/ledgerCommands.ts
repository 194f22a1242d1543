/** `starling ledger status`, `faucet` and `account`: what the ledger is at, and who is who on it. @module */
import { toBase58 } from '../../foundation/base/base58.ts'
import { fromHex } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import type { Address, Block } from '../../network/ledger/chain.ts'
import { balanceOf, hexOf } from '../../network/ledger/chainCalls.ts'
import { JsonRpc } from '../../network/ledger/jsonRpc.ts'
import { keystoreAddress, sealKeystore, writeKeystore } from '../../network/ledger/keystore.ts'
import type { Ledger, ReadResult } from '../../network/ledger/ledger.ts'
import { keySigner, newKey } from '../../network/ledger/signers.ts'
import { ROLE, type Role } from '../../protocol/economy/draw.ts'
import { localDeployerKey, UP_FOLDER } from '../node/localLedger.ts'
import { amountText, coinText, decimalAmountText } from './amounts.ts'
import { durationText, type EpochNow, readEpoch } from './epochText.ts'
import {
  KEYSTORE_TOOLS,
  type LedgerOptions,
  openChosenLedger,
  openKey,
  readPassword,
  type SignerOptions,
} from './ledgerAccess.ts'
import type { Session } from './session.ts'
import { askSecret, canAsk } from './terminal.ts'

const GROUPS: readonly (readonly [string, Role])[] = [
  ['entry', ROLE.entryGateway],
  ['layer 1', ROLE.layer1],
  ['layer 2', ROLE.layer2],
  ['layer 3', ROLE.layer3],
  ['exit', ROLE.exitGateway],
  ['standby', ROLE.standby],
]
/** An epoch that is over for longer, or for a tenth of its length where that is longer, has no driver. */
const LATE_SECONDS = 60
const MAX_LISTED = 12

export async function showLedger(session: Session, options: LedgerOptions): Promise<number> {
  const { screen, world } = session
  const { ledger, deployment } = await openChosenLedger(session, options)
  const epoch = await readEpoch(ledger, world.clock.now() / 1000)
  const { block, interval } = epoch
  const { results } = await ledger.readAll(
    [
      { contract: 'mixnet', fn: 'rewardingParams', args: [] },
      { contract: 'mixnet', fn: 'poolChange', args: [] },
      { contract: 'mixnet', fn: 'operatorsParams', args: [] },
      { contract: 'mixnet', fn: 'pendingEvents', args: [] },
      { contract: 'mixnet', fn: 'lastNodeId', args: [] },
      { contract: 'performance', fn: 'participants', args: [] },
      { contract: 'performance', fn: 'revealFrom', args: [] },
      { contract: 'ecash', fn: 'price', args: [] },
      ...GROUPS.map(([, role]) => ({ contract: 'rewardedSet', fn: 'nodesOf', args: [role] }) as const),
    ],
    { block },
  )
  const [params, [removed, added], operators, [epochEvents, intervalEvents], lastNodeId, who, revealFrom, price] =
    results
  const set = GROUPS.map(([label], i) => ({ label, ids: results[8 + i] as readonly number[] }))
  const bonds = await bondsOf(ledger, lastNodeId, block)
  const monitors = await participantsOf(ledger, who, block)

  const late = lateText(epoch)
  screen.step('epoch', epochLine(epoch, Number(revealFrom)), undefined, {
    event: 'epoch',
    epoch: interval.totalElapsedEpochs,
    state: epoch.state,
    secondsLeft: epoch.secondsLeft,
    late: late !== undefined,
    block: block.number,
  })
  if (late !== undefined) screen.step('late', late)
  screen.step(
    'interval',
    `${interval.id}, epoch ${interval.currentEpochId + 1} of ${interval.epochsInInterval}, ends in ${durationText(epoch.intervalSecondsLeft)}`,
  )
  const names = new Map(bonds.map(({ nodeId, bond }) => [nodeId, bond.host]))
  for (const { label, ids } of set) {
    screen.step(label, ids.length === 0 ? 'nobody' : listText(ids, names), undefined, {
      event: 'set',
      role: label,
      nodes: ids,
    })
  }
  for (const { nodeId, bond } of bonds) {
    const identity = toBase58(fromHex(bond.identityKey.slice(2)))
    screen.line('', {
      event: 'node',
      nodeId,
      owner: bond.owner,
      identity,
      host: bond.host,
      leaving: bond.isUnbonding,
      pledge: String(bond.originalPledge),
    })
  }
  const leaving = bonds.filter(({ bond }) => bond.isUnbonding).length
  screen.step('nodes', `${bonds.length} bonded${leaving === 0 ? '' : `, ${leaving} of them leaving`}`)
  screen.step(
    'pool',
    `${decimalAmountText(params.rewardPool - removed)}${added === 0n ? '' : `, and ${decimalAmountText(added)} given since the interval began`}`,
    undefined,
    {
      event: 'pool',
      pool: String(params.rewardPool),
      removed: String(removed),
      added: String(added),
    },
  )
  screen.step(
    'rewards',
    `${decimalAmountText(params.epochRewardBudget)} an epoch at most; a node is full at ${decimalAmountText(params.stakeSaturationPoint)}`,
  )
  screen.step(
    'bonding',
    `at least ${amountText(operators.minimumPledge)}; margin ${percentText(operators.minimumProfitMargin)} to ${percentText(operators.maximumProfitMargin)}; costs ${amountText(operators.minimumOperatingCost)} to ${amountText(operators.maximumOperatingCost)} an interval`,
  )
  screen.step('tickets', `${amountText(price)} for a book of fifty`)
  for (const one of monitors) {
    const { address, stake, measures, url, excludedUntilEpoch } = one
    const away = excludedUntilEpoch > interval.totalElapsedEpochs ? `, excluded until epoch ${excludedUntilEpoch}` : ''
    screen.step(measures ? 'monitor' : 'seed', `${address}   ${amountText(stake)}   ${url}${away}`, undefined, {
      event: 'participant',
      address,
      stake: String(stake),
      measures,
      url,
      excludedUntilEpoch,
    })
  }
  if (monitors.length === 0) screen.step('monitors', 'nobody: nodes have no scores, and earn nothing')
  screen.step('waiting', `${epochEvents} changes for the end of the epoch, ${intervalEvents} for that of the interval`)
  screen.step('ledger', `chain ${deployment.chainId}, block ${block.number}, mixnet ${deployment.addresses.mixnet}`)
  return 0
}

function epochLine({ interval, state, secondsLeft, endsAt, block }: EpochNow, revealFrom: number): string {
  const { totalElapsedEpochs: id } = interval
  if (state !== 'in progress') return `${id} is over: ${state}`
  if (secondsLeft <= 0) return `${id} is over, next steps are due`
  const reveals =
    endsAt - secondsLeft < revealFrom
      ? `reveals in ${durationText(revealFrom - endsAt + secondsLeft)}`
      : 'scores are revealed'
  return `${id}, ends in ${durationText(secondsLeft)} (${reveals}, block ${block.number})`
}

function lateText({ secondsLeft, interval }: EpochNow): string | undefined {
  const late = -secondsLeft
  if (late <= Math.max(LATE_SECONDS, interval.epochLength / 10)) return undefined
  return `it should have ended ${durationText(late)} ago: no driver does its work. Anybody may: starling directory run`
}

function listText(ids: readonly number[], names: ReadonlyMap<number, string>): string {
  const shown = ids.slice(0, MAX_LISTED).map((id) => `${id} (${names.get(id) ?? 'gone'})`)
  const more = ids.length - shown.length
  return `${shown.join(', ')}${more === 0 ? '' : `, and ${more} more`}`
}

const percentText = (decimal: bigint): string => `${Number(decimal / 10n ** 12n) / 10_000} %`

type Bond = ReadResult<'mixnet', 'bondOf'>

/** Ascending by id; bonded, or leaving. */
export async function bondsOf(
  ledger: Ledger,
  lastNodeId: number,
  block: Block,
): Promise<readonly { readonly nodeId: number; readonly bond: Bond }[]> {
  const words = Array.from({ length: Math.floor(lastNodeId / 256) + 1 }, (_, i) => BigInt(i))
  const { results } = await ledger.readAll(
    words.map((word) => ({ contract: 'mixnet', fn: 'bondedWord', args: [word] }) as const),
    { block },
  )
  const ids = (results as readonly bigint[]).flatMap((bits, word) =>
    Array.from({ length: 256 }, (_, bit) => (((bits >> BigInt(bit)) & 1n) === 1n ? [word * 256 + bit] : [])).flat(),
  )
  const bonds = await ledger.readAll(
    ids.map((id) => ({ contract: 'mixnet', fn: 'bondOf', args: [id] }) as const),
    { block },
  )
  return ids.map((nodeId, i) => ({ nodeId, bond: (bonds.results as readonly Bond[])[i] as Bond }))
}

export async function participantsOf(
  ledger: Ledger,
  addresses: readonly Address[],
  block: Block,
): Promise<readonly (ReadResult<'performance', 'participantOf'> & { readonly address: Address })[]> {
  const { results } = await ledger.readAll(
    addresses.map((one) => ({ contract: 'performance', fn: 'participantOf', args: [one] }) as const),
    { block },
  )
  return addresses.map((one, i) => ({
    ...((results as readonly ReadResult<'performance', 'participantOf'>[])[i] as ReadResult<
      'performance',
      'participantOf'
    >),
    address: one,
  }))
}

export interface FaucetOptions extends LedgerOptions {
  readonly amount: bigint
  readonly key: string
}

/** Of the chain's own coin: 10, which is fees for years. */
const FAUCET_COINS = 10n ** 19n

/** NYM of whoever deployed, and coins out of nothing, which only a local chain gives. */
export async function giveFromFaucet(session: Session, to: Address, options: FaucetOptions): Promise<number> {
  const { screen, world } = session
  const { ledger, deployment, urls } = await openChosenLedger(session, options)
  const rpc = new JsonRpc(world, { urls, chainId: deployment.chainId })
  const has = await rpc.ask(balanceOf(to))
  await rpc
    .ask({ method: 'anvil_setBalance', params: [to, hexOf(has + FAUCET_COINS)], decode: () => undefined })
    .catch((error: unknown) => {
      if (!isMixnetError(error) || error.details.reason !== 'server') throw error
      throw new MixnetError(
        'LEDGER_REFUSED',
        {},
        {
          message: 'this chain is not a local one: nobody gives coins away',
          nextStep: 'Get coins and NYM from somebody who has them.',
          cause: error,
        },
      )
    })
  const account = ledger.account(keySigner(await openKey(session, options.key, {})))
  const receipt = await account.write('token', 'transfer', [to, options.amount], { signal: session.interrupted })
  screen.step('given', `${amountText(options.amount)} and ${coinText(FAUCET_COINS)} to ${to}`, undefined, {
    event: 'given',
    to,
    unym: String(options.amount),
    wei: String(FAUCET_COINS),
    transaction: receipt.transactionHash,
  })
  return 0
}

export const FAUCET_KEY = localDeployerKey(UP_FOLDER)

/** A new key in a file that every wallet can open. */
export async function makeAccount(
  session: Session,
  path: string,
  options: Pick<SignerOptions, 'passwordFile' | 'passwordEnv'>,
): Promise<number> {
  const { world, screen, interrupted } = session
  if ((await world.files.kindOf(path)) !== undefined) {
    throw new MixnetError(
      'BAD_ARGUMENT',
      { file: path },
      { message: 'the file exists', nextStep: 'Choose a file that is not there yet: keys are never written over.' },
    )
  }
  const password = await readPassword(session, options, 'Password for the new key (empty is no protection): ')
  const isTyped = options.passwordFile === undefined && options.passwordEnv === undefined && canAsk()
  if (isTyped && (await askSecret('Once more: ', interrupted)) !== password) {
    throw new MixnetError(
      'BAD_ARGUMENT',
      {},
      { message: 'the passwords are not the same', nextStep: 'Type it again: no key was made.' },
    )
  }
  const key = newKey(world.random)
  const { address } = keySigner(key)
  await writeKeystore(world.files, path, await sealKeystore(KEYSTORE_TOOLS, world.random, key, password))
  screen.step('account', `${address}   in ${path}`, undefined, { event: 'account', address, file: path })
  screen.line('\n  Keep a copy of the file, and the password: without them what the account owns is lost.')
  screen.line(`  On a local network   starling ledger faucet ${address}`)
  return 0
}

export async function showAccount(session: Session, who: string, options: LedgerOptions): Promise<number> {
  const { screen } = session
  const at = await addressIn(session, who)
  const { ledger, deployment, urls } = await openChosenLedger(session, options)
  const coins = await new JsonRpc(session.world, { urls, chainId: deployment.chainId }).ask(balanceOf(at))
  const { results } = await ledger.readAll([
    { contract: 'token', fn: 'balanceOf', args: [at] },
    { contract: 'mixnet', fn: 'owed', args: [at] },
    { contract: 'mixnet', fn: 'nodeIdOf', args: [at] },
    { contract: 'performance', fn: 'participantOf', args: [at] },
  ])
  const [tokens, owed, nodeId, { stake, leftInEpoch }] = results
  screen.step('account', at, undefined, {
    event: 'account',
    address: at,
    unym: String(tokens),
    wei: String(coins),
    owed: String(owed),
    nodeId,
    monitorStake: String(stake),
  })
  screen.step('has', `${amountText(tokens)}, and ${coinText(coins)} for fees`)
  if (owed > 0n) screen.step('owed', `${amountText(owed)}: starling claim`)
  if (nodeId > 0) screen.step('node', `${nodeId}`)
  if (stake > 0n)
    screen.step('monitor', `${amountText(stake)} at stake${leftInEpoch > 0 ? `, left in epoch ${leftInEpoch}` : ''}`)
  return 0
}

/** An address, or a key file that says whose it is. */
async function addressIn({ world }: Session, who: string): Promise<Address> {
  if (/^0x[0-9a-fA-F]{40}$/.test(who)) return who as Address
  const file = await world.files.read(who)
  const at = file === undefined ? undefined : keystoreAddress(file)
  if (at !== undefined) return at
  throw new MixnetError(
    'BAD_ARGUMENT',
    { account: who },
    {
      message: 'neither an address nor a key file',
      nextStep: 'Give 0x and 40 hexadecimal digits, or the file of "starling ledger account new".',
    },
  )
}
