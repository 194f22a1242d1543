/** What a gateway has earned with tickets, beside its node's rewards: its issuers' votes put it down at the contract. @module */
import type { Block, Hex } from '../../network/ledger/chain.ts'
import type { Ledger } from '../../network/ledger/ledger.ts'
import { amountText } from './amounts.ts'
import { carryOut, type Hand } from './ledgerWrites.ts'
import type { Session } from './session.ts'

/** unym to take out. Nothing is said of a node that never took a ticket that was paid. */
export async function showEarnings(
  { screen }: Session,
  ledger: Ledger,
  gateway: Hex,
  { block }: { readonly block: Block },
): Promise<bigint> {
  const unym = await ledger.read('ecash', 'earned', [gateway], { block })
  if (unym > 0n) {
    const text = `${amountText(unym)} for tickets that its clients paid with, to take out`
    screen.step('tickets', text, undefined, { event: 'earnings', unym: String(unym) })
  }
  return unym
}

export function withdrawEarnings(hand: Hand, gateway: Hex, unym: bigint): Promise<number> {
  return carryOut(hand, {
    contract: 'ecash',
    fn: 'withdrawEarnings',
    args: [gateway],
    effects: [
      ['withdraw', `${amountText(unym)} to ${hand.account.address}, for tickets`],
      ['when', 'at once'],
    ],
    done: (events) => {
      const paid = events.find((one) => one.contract === 'ecash' && one.event === 'EarningsWithdrawn')
      const amount = paid?.event === 'EarningsWithdrawn' ? paid.args.paid : unym
      return { text: `${amountText(amount)} withdrawn`, event: { earningsUnym: String(amount) } }
    },
    look: 'starling node rewards',
  })
}
