/** The answers of a directory that only a ledger can give. Rules: docs/spec/directory-server.md, "From the ledger". @module */
import type { Hono } from 'hono'
import type { Clock } from '../../foundation/platform/clock.ts'
import { answer, answerText, numberParameter, refuse } from '../../network/api/jsonApi.ts'
import { encodeAccountAddress } from '../../protocol/wire/directory/accountAddress.ts'
import {
  encodeNodeDetails,
  encodeRewardingParams,
  encodeSaturation,
  encodeSupply,
  type SupplyAnswer,
} from '../../protocol/wire/directory/ledgerAnswers.ts'
import { encodePage, onePage } from '../../protocol/wire/directory/listings.ts'
import type { NetworkDetails } from '../../protocol/wire/directory/networkDetails.ts'
import { TOPOLOGY_BUNDLE_PATH } from '../../protocol/wire/directory/topologyBundle.ts'
import type { LedgerNetwork } from './ledgerNetwork.ts'
import type { LedgerSnapshot } from './ledgerSnapshot.ts'

const ONE = 10n ** 18n
/** unym: a billion NYM, all there will ever be. */
const TOTAL_SUPPLY = 10n ** 15n
const UNYM_PER_NYM = 1e6

export function answerFromLedger(app: Hono, clock: Pick<Clock, 'now'>, ledger: LedgerNetwork): void {
  app.get('/v1/epoch/reward_params', () => answer(encodeRewardingParams(ledger.snapshot.params)))
  app.get('/v1/circulating-supply', () => answer(encodeSupply(supplyOf(ledger.snapshot))))
  const nym = (amount: bigint) => answer(Number(amount) / UNYM_PER_NYM)
  app.get('/v1/circulating-supply/total-supply-value', () => nym(TOTAL_SUPPLY))
  app.get('/v1/circulating-supply/circulating-supply-value', () => nym(supplyOf(ledger.snapshot).circulating))
  app.get('/v1/nym-nodes/bonded', ({ req }) => {
    const { page, per_page } = req.query()
    if ([page, per_page].some((text) => numberParameter(text) === 'bad'))
      return refuse(400, 'page and per_page are numbers')
    return answer(encodePage(onePage(ledger.snapshot.nodes), encodeNodeDetails))
  })
  app.get('/v1/nym-nodes/stake-saturation/:id', ({ req }) => {
    const nodeId = numberParameter(req.param('id'))
    if (typeof nodeId !== 'number') return refuse(400, 'a node id is a number')
    const node = ledger.node(nodeId)
    const { stakeSaturationPoint } = ledger.snapshot.params
    if (node === undefined || stakeSaturationPoint === 0n) return refuse(404, 'there is no bonded node of that id')
    const uncapped = ((node.operator + node.delegates) * ONE) / stakeSaturationPoint
    const asAt = Math.floor(clock.now() / 1000)
    return answer(encodeSaturation({ saturation: uncapped > ONE ? ONE : uncapped, uncapped, asAt }))
  })
  app.get(`${TOPOLOGY_BUNDLE_PATH}/:epoch`, async ({ req }) => {
    const epochId = numberParameter(req.param('epoch'))
    if (typeof epochId !== 'number') return refuse(400, 'an epoch is a number')
    const text = await ledger.topology(epochId)
    return text === undefined ? refuse(404, 'this directory has no topology of that epoch') : answerText(text)
  })
}

/**
 * The contracts of `network/details`, from the addresses of ours (20 bytes each): those that do what the official one of that name does.
 * Others are told as missing.
 */
export function contractsOf(
  ours: Readonly<Record<'mixnet' | 'performance' | 'announcements' | 'ecash' | 'issuers', Uint8Array>>,
): NetworkDetails['contracts'] {
  return {
    mixnet: encodeAccountAddress(ours.mixnet),
    performance: encodeAccountAddress(ours.performance),
    directory: encodeAccountAddress(ours.announcements),
    ecash: encodeAccountAddress(ours.ecash),
    coconut_dkg: encodeAccountAddress(ours.issuers),
  }
}

/** Tokenomics 5.2: what the pool still holds does not circulate, and vesting is over. */
function supplyOf({ params }: LedgerSnapshot): SupplyAnswer {
  const mixminingReserve = params.rewardPool / ONE
  const circulating = TOTAL_SUPPLY - mixminingReserve
  return { total: TOTAL_SUPPLY, mixminingReserve, vesting: 0n, circulating }
}
