/** `starling ledger status`: the epoch, who serves in it, the pool, who measures. @module */
import { toBase58 } from '../../foundation/base/base58.ts'
import { fromHex } from '../../foundation/base/bytes.ts'
import type { Address, Block } from '../../network/ledger/chain.ts'
import type { Ledger, ReadResult } from '../../network/ledger/ledger.ts'
import { formatDecimal } from '../../protocol/economy/decimal.ts'
import { ROLE, type Role } from '../../protocol/economy/draw.ts'
import { amountText, decimalAmountText } from './amounts.ts'
import { durationText, type EpochNow, readEpoch } from './epochText.ts'
import { type LedgerOptions, openChosenLedger } from './ledgerAccess.ts'
import { showTickets } from './ledgerTicketsStatus.ts'
import type { Session } from './session.ts'

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
  const drawn = GROUPS.map(([label], i) => ({ label, ids: results[8 + i] as readonly number[] }))
  const isDrawn = new Set(drawn.flatMap(({ ids }) => ids))
  const bonds = await bondsOf(ledger, lastNodeId, block)
  const outside = bonds.filter(({ nodeId }) => !isDrawn.has(nodeId))
  const others = { label: 'outside', ids: outside.map(({ nodeId }) => nodeId) }
  const set = outside.length > 0 || session.json ? [...drawn, others] : drawn
  const monitors = await participantsOf(ledger, who, block)

  const late = lateText(epoch)
  screen.step('epoch', epochLine(epoch, Number(revealFrom)), undefined, {
    event: 'epoch',
    epoch: interval.totalElapsedEpochs,
    state: epoch.state,
    secondsLeft: Math.round(epoch.secondsLeft),
    late: late !== undefined,
    block: block.number,
  })
  if (late !== undefined) screen.step('late', late)
  screen.step(
    'interval',
    `${interval.id}, epoch ${interval.currentEpochId + 1} of ${interval.epochsInInterval}, ends in ${durationText(epoch.intervalSecondsLeft)}`,
  )
  const silent = await silentOf(ledger, outside, block)
  const names = new Map(
    bonds.map(({ nodeId, bond }) => {
      const why = bond.isUnbonding ? ', leaving' : silent.has(nodeId) ? ', not announced yet' : ''
      return [nodeId, `${bond.host}${why}`]
    }),
  )
  for (const { label, ids } of set) {
    screen.step(label, ids.length === 0 ? 'nobody' : listText(ids, names), undefined, {
      event: 'set',
      role: label,
      nodes: ids,
    })
  }
  for (const { nodeId, bond } of session.json ? bonds : []) {
    const identity = toBase58(fromHex(bond.identityKey.slice(2)))
    screen.event({
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
      pool: formatDecimal(params.rewardPool),
      removed: formatDecimal(removed),
      added: formatDecimal(added),
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
  await showTickets(session, ledger, { price, bonds, block })
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
  screen.step(
    'waiting',
    `${epochEvents} ${epochEvents === 1n ? 'change' : 'changes'} for the end of the epoch, ${intervalEvents} for that of the interval`,
  )
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
async function bondsOf(
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

/** Of those that are shown: who said nothing of itself, and can be drawn for nothing. */
async function silentOf(
  ledger: Ledger,
  nodes: readonly { readonly nodeId: number }[],
  block: Block,
): Promise<ReadonlySet<number>> {
  const ids = nodes.slice(0, MAX_LISTED).map(({ nodeId }) => nodeId)
  const [leaves] = await ledger.read('announcements', 'entriesOf', [ids], { block })
  return new Set(ids.filter((_, i) => BigInt(leaves[i] ?? 0) === 0n))
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
