/** `starling delegate`, `undelegate`, `rewards` and `claim`: what an account has with others' nodes. @module */
import { MixnetError } from '../../foundation/base/errors.ts'
import type { Address } from '../../network/ledger/chain.ts'
import { keystoreAddress } from '../../network/ledger/keystore.ts'
import type { Ledger, LedgerEvent, ReadResult } from '../../network/ledger/ledger.ts'
import { truncate } from '../../protocol/economy/decimal.ts'
import { amountText, decimalAmountText } from './amounts.ts'
import { atEndOfEpoch, readEpoch } from './epochText.ts'
import { openAccount, openChosenLedger, openSigner } from './ledgerAccess.ts'
import { carryOut, type HandOptions, openHand } from './ledgerWrites.ts'
import type { Session } from './session.ts'

/** What it takes, with margin: docs/spec/ledger.md has the measured ones. */
const TYPICAL_GAS = 160_000n

export async function delegateTo(
  session: Session,
  nodeId: number,
  amount: bigint,
  options: HandOptions,
): Promise<number> {
  const hand = await openHand(session, options)
  const epoch = await readEpoch(hand.ledger, session.world.clock.now() / 1000)
  const { results } = await hand.ledger.readAll(
    [
      { contract: 'mixnet', fn: 'bondOf', args: [nodeId] },
      { contract: 'mixnet', fn: 'rewardingOf', args: [nodeId] },
      { contract: 'mixnet', fn: 'rewardingParams', args: [] },
    ],
    { block: epoch.block },
  )
  const [bond, rewarding, params] = results
  expectBonded(nodeId, bond)
  const stake = rewarding.operator + rewarding.delegates + amount * 10n ** 18n
  const full = params.stakeSaturationPoint
  const fullness = stake > full ? ', which is more than earns anything: everybody there would earn less' : ''
  return carryOut(hand, {
    contract: 'mixnet',
    fn: 'delegate',
    args: [nodeId, amount],
    allowance: { spender: 'mixnet', amount, typicalGas: TYPICAL_GAS },
    effects: [
      ['delegate', `${amountText(amount)} to node ${nodeId}, ${bond.host}`],
      [
        'margin',
        `its operator takes ${Number(rewarding.profitMargin / 10n ** 14n) / 100} % of what is earned beyond its costs`,
      ],
      ['full', `${percent(stake, full)} of what a node can use, with yours${fullness}`],
      ['when', `the NYM go now; they count and earn ${atEndOfEpoch(epoch)}`],
    ],
    done: () => ({
      text: `${amountText(amount)} wait for the end of the epoch`,
      event: { nodeId, unym: String(amount) },
    }),
    look: 'starling rewards',
  })
}

export async function undelegateFrom(session: Session, nodeId: number, options: HandOptions): Promise<number> {
  const hand = await openHand(session, options)
  const epoch = await readEpoch(hand.ledger, session.world.clock.now() / 1000)
  const { results } = await hand.ledger.readAll(
    [
      { contract: 'mixnet', fn: 'delegationOf', args: [nodeId, hand.account.address] },
      { contract: 'mixnet', fn: 'pendingDelegatorReward', args: [nodeId, hand.account.address] },
    ],
    { block: epoch.block },
  )
  const [{ amount }, reward] = results
  return carryOut(hand, {
    contract: 'mixnet',
    fn: 'undelegate',
    args: [nodeId],
    effects: [
      ['take back', `${amountText(amount)} from node ${nodeId}, with rewards, ${decimalAmountText(reward)} until now`],
      ['when', `${atEndOfEpoch(epoch)}; then fetch it: starling claim`],
    ],
    done: () => ({ text: 'taken back at the end of the epoch; then: starling claim', event: { nodeId } }),
    look: 'type it again, which does no harm',
  })
}

export interface RewardsOptions extends HandOptions {
  readonly account?: Address
  readonly withdraw: boolean
  /** Of that node alone. */
  readonly node?: number
}

export async function showRewards(session: Session, options: RewardsOptions): Promise<number> {
  const { screen } = session
  const { ledger } = await openChosenLedger(session, options)
  const owner = await whose(session, options)
  const found = await delegationsOf(ledger, owner, options.node)
  let total = 0n
  for (const { nodeId, amount, reward, bonded } of found) {
    total += truncate(reward)
    const left = bonded ? '' : '; the node has left: take it back with starling undelegate'
    screen.step(
      'delegation',
      `${amountText(amount)} with node ${nodeId}, earned ${decimalAmountText(reward)}${left}`,
      undefined,
      {
        event: 'delegation',
        nodeId,
        unym: String(amount),
        rewardUnym: String(truncate(reward)),
        bonded,
      },
    )
  }
  for (const { args } of await waitingOf(ledger, owner)) {
    screen.step(
      'waiting',
      `${amountText(args.amount)} for node ${args.nodeId}, until the end of the epoch`,
      undefined,
      {
        event: 'waiting',
        nodeId: args.nodeId,
        unym: String(args.amount),
      },
    )
  }
  const owed = await ledger.read('mixnet', 'owed', [owner])
  screen.step(
    'rewards',
    `${amountText(total)} of ${found.length} ${found.length === 1 ? 'delegation' : 'delegations'} of ${owner}`,
    undefined,
    {
      event: 'rewards',
      account: owner,
      rewardUnym: String(total),
      owedUnym: String(owed),
    },
  )
  if (owed > 0n) screen.step('owed', `${amountText(owed)} to fetch: starling claim`)
  if (!options.withdraw) return 0
  const account = await openAccount(session, ledger, options)
  const payable = found.filter(({ reward, bonded }) => bonded && truncate(reward) > 0n)
  if (payable.length === 0) {
    throw new MixnetError(
      'BAD_ARGUMENT',
      {},
      {
        message: 'there is nothing to withdraw',
        nextStep: 'Rewards come at the end of each epoch in which the node is drawn.',
      },
    )
  }
  for (const { nodeId, amount, reward } of payable) {
    const code = await carryOut(
      { session, ledger, account, choice: options },
      {
        contract: 'mixnet',
        fn: 'withdrawDelegatorReward',
        args: [nodeId],
        effects: [
          ['withdraw', `${decimalAmountText(reward)} of node ${nodeId}; the ${amountText(amount)} stay there`],
          ['when', 'at once; what is taken out earns nothing there any more'],
        ],
        done: (events) => ({ text: `${paidText(events, 'DelegatorRewardWithdrawn')} withdrawn`, event: { nodeId } }),
        look: 'starling rewards',
      },
    )
    if (code !== 0) return code
  }
  return 0
}

/** What reconciliation set aside: stakes taken back, refunds, smaller pledges. */
export async function claimOwed(session: Session, options: HandOptions): Promise<number> {
  const hand = await openHand(session, options)
  const owed = await hand.ledger.read('mixnet', 'owed', [hand.account.address])
  return carryOut(hand, {
    contract: 'mixnet',
    fn: 'claim',
    args: [],
    effects: [
      ['fetch', `${amountText(owed)} that were set aside for ${hand.account.address}`],
      ['when', 'at once'],
    ],
    done: (events) => ({ text: `${paidText(events, 'Claimed')} fetched` }),
    look: 'starling ledger account show KEY-FILE',
  })
}

/** Of the first event of that name. */
export function paidText(events: readonly { readonly event: string; readonly args: unknown }[], name: string): string {
  const args = events.find(({ event }) => event === name)?.args as { readonly paid?: bigint } | undefined
  return amountText(args?.paid ?? 0n)
}

const percent = (part: bigint, whole: bigint): string => `${Number((part * 10_000n) / whole) / 100} %`

function expectBonded(nodeId: number, { owner, isUnbonding }: ReadResult<'mixnet', 'bondOf'>): void {
  if (!/^0x0{40}$/.test(owner) && !isUnbonding) return
  const nextStep = 'Look which nodes there are: starling ledger status.'
  const message = isUnbonding ? 'the node is leaving' : 'there is no such bonded node'
  throw new MixnetError('BAD_ARGUMENT', { node: nodeId }, { message, nextStep })
}

/** Whose: as typed, or of the key file, for which no password is needed. */
export async function whose(
  session: Session,
  options: RewardsOptions | (HandOptions & { account?: Address }),
): Promise<Address> {
  if (options.account !== undefined) return options.account
  const file = options.key === undefined ? undefined : await session.world.files.read(options.key)
  const known = file === undefined ? undefined : keystoreAddress(file)
  return known ?? (await openSigner(session, options)).address
}

interface OwnDelegation {
  readonly nodeId: number
  readonly amount: bigint
  /** Decimal. */
  readonly reward: bigint
  readonly bonded: boolean
}

/** Ascending by node. */
async function delegationsOf(
  ledger: Ledger,
  owner: Address,
  only: number | undefined,
): Promise<readonly OwnDelegation[]> {
  const requests = await allEvents(ledger, owner)
  const ids = [...new Set(requests.map(({ args }) => args.nodeId))].sort((a, b) => a - b)
  const wanted = only === undefined ? ids : ids.filter((id) => id === only)
  const { results } = await ledger.readAll(
    wanted.flatMap(
      (id) =>
        [
          { contract: 'mixnet', fn: 'delegationOf', args: [id, owner] },
          { contract: 'mixnet', fn: 'pendingDelegatorReward', args: [id, owner] },
          { contract: 'mixnet', fn: 'bondOf', args: [id] },
        ] as const,
    ),
  )
  return wanted.flatMap((nodeId, i) => {
    const [{ amount }, reward, bond] = results.slice(3 * i, 3 * i + 3) as unknown as [
      ReadResult<'mixnet', 'delegationOf'>,
      bigint,
      ReadResult<'mixnet', 'bondOf'>,
    ]
    const bonded = !/^0x0{40}$/.test(bond.owner) && !bond.isUnbonding
    return amount === 0n ? [] : [{ nodeId, amount, reward, bonded }]
  })
}

/** Asked for since the epoch began. */
async function waitingOf(
  ledger: Ledger,
  owner: Address,
): Promise<readonly LedgerEvent<'mixnet', 'DelegationRequested'>[]> {
  const { totalElapsedEpochs: epochId } = await ledger.read('mixnet', 'interval', [])
  const began = await ledger.events({ contract: 'mixnet', event: 'EpochAdvanced', filter: { epochId } })
  const from = began.events.at(-1)?.block
  const cursor = from === undefined ? undefined : { next: from, seen: [] }
  const asked = await ledger.events({ contract: 'mixnet', event: 'DelegationRequested', filter: { owner }, cursor })
  return asked.events
}

async function allEvents(ledger: Ledger, owner: Address): Promise<readonly LedgerEvent<'mixnet', 'Delegated'>[]> {
  const events: LedgerEvent<'mixnet', 'Delegated'>[] = []
  for (let cursor: Parameters<Ledger['events']>[0]['cursor']; ; ) {
    const page = await ledger.events({ contract: 'mixnet', event: 'Delegated', filter: { owner }, cursor })
    events.push(...page.events)
    if (page.complete) return events
    cursor = page.cursor
  }
}
