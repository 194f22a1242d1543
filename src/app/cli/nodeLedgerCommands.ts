/** `starling node bond`, `unbond`, `pledge`, `costs` and `rewards`: an operator and its node on the ledger. @module */

import { toBase58 } from '../../foundation/base/base58.ts'
import { fromUtf8, toHex } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { machineError } from '../../foundation/base/machineError.ts'
import type { Hex } from '../../network/ledger/chain.ts'
import type { Ledger, LedgerAccount } from '../../network/ledger/ledger.ts'
import { bondingPayload } from '../../protocol/economy/bondingPayload.ts'
import { ONE, type Percent } from '../../protocol/economy/decimal.ts'
import { loadOrCreateNodeKeys } from '../node/nodeKeys.ts'
import { amountText, decimalAmountText } from './amounts.ts'
import { atEndOfEpoch, atEndOfInterval, type EpochNow, readEpoch } from './epochText.ts'
import { addressIn } from './ledgerAccess.ts'
import { carryOut, type Hand, type HandOptions, openHand } from './ledgerWrites.ts'
import { readExistingNode } from './nodeCommands.ts'
import type { Session } from './session.ts'

export interface BondOptions extends HandOptions {
  /** Default: the least that is allowed. */
  readonly pledge?: bigint
  readonly margin: Percent
  readonly cost: bigint
}

/** An Ed25519 signature is checked in it. */
const BOND_GAS = 900_000n
const PLEDGE_GAS = 160_000n

export async function bondNode(session: Session, folder: string, options: BondOptions): Promise<number> {
  const { world, screen } = session
  const config = await readExistingNode(world.files, folder)
  const keys = await loadOrCreateNodeKeys(world, config.data)
  const hand = await openHand(session, options)
  const { ledger, account } = hand
  const { block, results } = await ledger.readAll([
    { contract: 'mixnet', fn: 'signingNonce', args: [account.address] },
    { contract: 'mixnet', fn: 'operatorsParams', args: [] },
  ])
  const [nonce, { minimumPledge }] = results
  const pledge = options.pledge ?? minimumPledge
  const { host } = config
  const httpPort = config.ports.http
  const costs = { profitMargin: options.margin, intervalOperatingCost: options.cost }
  const { chainId, addresses } = ledger.deployment
  const text = bondingPayload({
    chainId,
    mixnet: addresses.mixnet,
    owner: account.address,
    nonce,
    identityKey: keys.identity,
    host,
    httpPort,
    ...costs,
    pledge,
  })
  const identityKey: Hex = `0x${toHex(keys.identity)}`
  const asked = await ledger.read(
    'mixnet',
    'bondingPayload',
    [account.address, identityKey, host, httpPort, costs, pledge],
    { block },
  )
  // A server that has us sign another text than the one shown would have a proof for that one.
  if (asked !== `0x${toHex(text)}`) {
    throw machineError(
      'LEDGER_MISMATCH',
      { what: 'ownership text' },
      { message: 'the contract asks for another text than the rules say' },
    )
  }
  const signature = world.crypto.ed25519Sign(keys.identitySeed.expose(), text)
  const identity = toBase58(keys.identity)
  screen.step('signs', `the node's identity key ${identity} signs this, and nothing else:`, undefined, {
    event: 'ownership',
    identity,
    text: fromUtf8(text, 'ownership text'),
    signature: toHex(signature),
  })
  screen.line(`\n${fromUtf8(text, 'ownership text')}\n`)
  return carryOut(hand, {
    contract: 'mixnet',
    fn: 'bond',
    args: [
      identityKey,
      host,
      httpPort,
      costs,
      pledge,
      `0x${toHex(signature.subarray(0, 32))}`,
      `0x${toHex(signature.subarray(32))}`,
    ],
    allowance: { spender: 'mixnet', amount: pledge, typicalGas: BOND_GAS },
    effects: [
      ['bond', `${config.name}, ${host} port ${httpPort}`],
      ['pledge', `${amountText(pledge)} of ${account.address}, which owns the node from then on`],
      ['costs', costsText(options.margin, options.cost)],
      ['when', `at once; it can be drawn once it has announced its keys, and is paid from the epoch after on`],
    ],
    done(events) {
      const bonded = events.find((one) => one.contract === 'mixnet' && one.event === 'Bonded')
      const nodeId = (bonded?.args as { readonly nodeId?: number } | undefined)?.nodeId
      return { text: `it is node ${nodeId}`, event: { nodeId, identity } }
    },
    look: 'starling ledger account show KEY-FILE',
  })
}

export async function unbondNode(session: Session, options: HandOptions): Promise<number> {
  const { hand, nodeId, epoch } = await openOwn(session, options)
  const { operator } = await hand.ledger.read('mixnet', 'rewardingOf', [nodeId], { block: epoch.block })
  return carryOut(hand, {
    contract: 'mixnet',
    fn: 'unbond',
    args: [],
    effects: [
      ['unbond', `node ${nodeId}: pledge and rewards, ${decimalAmountText(operator)} until now`],
      ['when', `${atEndOfEpoch(epoch)}; keep it running until then. Then fetch it: starling claim`],
      ['undone', 'it cannot be: to come back is a new bond, and delegators have to come again'],
    ],
    done: () => ({ text: 'it leaves at the end of the epoch; then: starling claim', event: { nodeId } }),
    look: 'type it again: a node that leaves is refused',
  })
}

export interface PledgeOptions extends HandOptions {
  readonly more?: bigint
  readonly less?: bigint
}

export async function changePledge(session: Session, options: PledgeOptions): Promise<number> {
  const { more, less } = options
  if ((more === undefined) === (less === undefined)) {
    throw new MixnetError(
      'BAD_ARGUMENT',
      {},
      { message: 'more or less?', nextStep: 'Give one of --more AMOUNT and --less AMOUNT.' },
    )
  }
  const { hand, nodeId, epoch } = await openOwn(session, options)
  const { originalPledge } = await hand.ledger.read('mixnet', 'bondOf', [nodeId], { block: epoch.block })
  const when = ['when', atEndOfEpoch(epoch)] as const
  const look = 'type it again, for a second change in one epoch is refused'
  if (more !== undefined) {
    return carryOut(hand, {
      contract: 'mixnet',
      fn: 'pledgeMore',
      args: [more],
      allowance: { spender: 'mixnet', amount: more, typicalGas: PLEDGE_GAS },
      effects: [
        ['pledge', `${amountText(originalPledge)} of node ${nodeId} become ${amountText(originalPledge + more)}`],
        ['when', `the NYM go now; they count ${atEndOfEpoch(epoch)}`],
      ],
      done: () => ({ text: `${amountText(more)} wait for the end of the epoch`, event: { nodeId } }),
      look,
    })
  }
  const amount = less as bigint
  return carryOut(hand, {
    contract: 'mixnet',
    fn: 'decreasePledge',
    args: [amount],
    effects: [
      ['pledge', `${amountText(originalPledge)} of node ${nodeId} become ${amountText(originalPledge - amount)}`],
      when,
      ['then', `${amountText(amount)} to fetch: starling claim`],
    ],
    done: () => ({ text: 'at the end of the epoch; then: starling claim', event: { nodeId } }),
    look,
  })
}

export interface CostsOptions extends HandOptions {
  /** Default: as they are. */
  readonly margin?: Percent
  readonly cost?: bigint
}

export async function changeCosts(session: Session, options: CostsOptions): Promise<number> {
  const { hand, nodeId, epoch } = await openOwn(session, options)
  const now = await hand.ledger.read('mixnet', 'rewardingOf', [nodeId], { block: epoch.block })
  const profitMargin = options.margin ?? now.profitMargin
  const intervalOperatingCost = options.cost ?? now.intervalOperatingCost
  return carryOut(hand, {
    contract: 'mixnet',
    fn: 'updateCostParams',
    args: [{ profitMargin, intervalOperatingCost }],
    effects: [
      ['now', costsText(now.profitMargin, now.intervalOperatingCost)],
      ['becomes', costsText(profitMargin, intervalOperatingCost)],
      ['when', `${atEndOfInterval(epoch)}; a later change before then takes its place`],
    ],
    done: () => ({ text: 'at the end of the interval', event: { nodeId } }),
    look: 'type it again, which does no harm',
  })
}

/** Who may announce the node's keys, besides its owner: an account that runs about with the node and holds fees only. */
export async function nameAnnouncer(session: Session, who: string, options: HandOptions): Promise<number> {
  const announcer = await addressIn(session, who)
  const { hand, nodeId } = await openOwn(session, options)
  const before = await hand.ledger.read('announcements', 'announcerOf', [nodeId])
  return carryOut(hand, {
    contract: 'announcements',
    fn: 'setAnnouncer',
    args: [nodeId, announcer],
    effects: [
      ['announcer', `${announcer} may say where node ${nodeId} is and which keys it has, and nothing else`],
      ['before', /^0x0{40}$/.test(before) ? 'nobody but its owner' : before],
      ['when', 'at once; run the node with its key: starling node run FOLDER --key FILE'],
    ],
    done: () => ({ text: `${announcer} announces node ${nodeId}`, event: { nodeId, announcer } }),
    look: 'type it again, which does no harm',
  })
}

export const costsText = (margin: Percent, cost: bigint): string =>
  `${amountText(cost)} an interval first, then ${Number((margin * 10_000n) / ONE) / 100} % of what is left`

/** The account's own node. Throws BAD_ARGUMENT where it has none. */
async function openOwn(
  session: Session,
  options: HandOptions,
): Promise<{ readonly hand: Hand; readonly nodeId: number; readonly epoch: EpochNow }> {
  const hand = await openHand(session, options)
  const epoch = await readEpoch(hand.ledger, session.world.clock.now() / 1000)
  return { hand, nodeId: await ownNode(hand.ledger, hand.account.address), epoch }
}

export async function ownNode(ledger: Pick<Ledger, 'read'>, owner: LedgerAccount['address']): Promise<number> {
  const nodeId = await ledger.read('mixnet', 'nodeIdOf', [owner])
  if (nodeId > 0) return nodeId
  const nextStep = 'Use the account that bonded it, or bond one: starling node bond FOLDER.'
  throw new MixnetError('BAD_ARGUMENT', { account: owner }, { message: 'this account has no node', nextStep })
}
