/** Of `starling ledger status`: who issues tickets, how many were bought, and what gateways have for them. @module */
import type { Block, Hex } from '../../network/ledger/chain.ts'
import type { Ledger } from '../../network/ledger/ledger.ts'
import { amountText } from './amounts.ts'
import type { Session } from './session.ts'

export interface TicketsStatus {
  /** unym a book. */
  readonly price: bigint
  /** Of all nodes: any may be a gateway. */
  readonly bonds: readonly { readonly nodeId: number; readonly bond: { readonly identityKey: Hex } }[]
  readonly block: Block
}

export async function showTickets(
  { screen }: Session,
  ledger: Ledger,
  { price, bonds, block }: TicketsStatus,
): Promise<void> {
  const { results } = await ledger.readAll(
    [
      { contract: 'issuers', fn: 'epochs', args: [] },
      { contract: 'ecash', fn: 'depositCount', args: [] },
      { contract: 'ecash', fn: 'gatewayShare', args: [] },
    ],
    { block },
  )
  const [[agreed, planned], deposits, share] = results
  const earned = await ledger.readAll(
    bonds.map(({ bond }) => ({ contract: 'ecash', fn: 'earned', args: [bond.identityKey] }) as const),
    { block },
  )
  const earnings = bonds.flatMap(({ nodeId }, i) => {
    const unym = (earned.results as readonly bigint[])[i] ?? 0n
    return unym === 0n ? [] : [{ nodeId, unym }]
  })
  const total = earnings.reduce((sum, { unym }) => sum + unym, 0n)
  const { threshold, members } = await ledger.read('issuers', 'planOf', [agreed === 0n ? planned : agreed], { block })
  const present = members.filter(({ url }) => url !== '').length
  const who = agreed === 0n ? `${present} planned, who have no keys yet` : `${present}, any ${threshold} can issue`
  const next = planned > agreed && agreed > 0n ? `; the next ones make their keys (${planned})` : ''
  screen.step('issuers', planned === 0n ? 'nobody: no tickets can be bought' : `${who}${next}`, undefined, {
    event: 'issuers',
    agreed: Number(agreed),
    planned: Number(planned),
    issuers: present,
    threshold,
  })
  const paid = share === 0n ? '' : `; ${share} % to gateways, who have ${amountText(total)} to take out`
  screen.step('tickets', `${amountText(price)} for a book of fifty, ${deposits} bought${paid}`, undefined, {
    event: 'tickets',
    priceUnym: String(price),
    deposits,
    gatewaySharePercent: Number(share),
    earned: earnings.map(({ nodeId, unym }) => ({ nodeId, unym: String(unym) })),
  })
}
