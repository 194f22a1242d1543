/**
 * The directory's HTTP API: what clients and nodes ask, answered from one snapshot. Any web page may read it, as the official
 * one allows. Rules: docs/spec/directory-server.md; formats: docs/spec/directory.md. @module
 */
import type { Context, Hono } from 'hono'
import { toBase58 } from '../../foundation/base/base58.ts'
import { canonicalIp, formatIp, parseIp } from '../../foundation/base/ipAddress.ts'
import type { Log, Meter } from '../../foundation/base/observe.ts'
import { type Millis, millis, minutes } from '../../foundation/base/units.ts'
import type { World } from '../../foundation/platform/world.ts'
import {
  answer,
  answerText,
  boundedText,
  forEveryPage,
  type JsonHandler,
  jsonApi,
  numberParameter,
  refuse,
} from '../../network/api/jsonApi.ts'
import {
  type ApiHealth,
  decodeAddressesRequest,
  encodeAddressesAnswer,
  encodeApiHealth,
} from '../../protocol/wire/directory/apiStatus.ts'
import { type BuildInformation, encodeBuildInformation } from '../../protocol/wire/directory/buildInformation.ts'
import { encodeDescribedNodes } from '../../protocol/wire/directory/describedNodes.ts'
import { encodeInterval, encodeKeyRotationInfo, encodeRewardedSet } from '../../protocol/wire/directory/epochs.ts'
import type { JsonValue } from '../../protocol/wire/directory/json.ts'
import { encodePage, onePage } from '../../protocol/wire/directory/listings.ts'
import { encodeNetworkDetails, type NetworkDetails } from '../../protocol/wire/directory/networkDetails.ts'
import { encodeNoiseKey } from '../../protocol/wire/directory/nodeKeys.ts'
import {
  decodeRefreshDescribed,
  REFRESH_REQUEST_MAX_AGE_SECONDS,
  verifyRefreshDescribed,
} from '../../protocol/wire/directory/refreshDescribed.ts'
import { parseDate } from '../../protocol/wire/issuer/calendarDate.ts'
import { credentialEpochToJson } from '../../protocol/wire/issuer/credentialEpoch.ts'
import { annotate, ratePerformance } from './annotations.ts'
import type { Describer } from './describer.ts'
import type { EpochSource } from './epochs.ts'
import { formatHttpDate } from './httpDate.ts'
import { type Issuers, PASSED_ON } from './issuers.ts'
import { answerFromLedger } from './ledgerApi.ts'
import type { LedgerNetwork } from './ledgerNetwork.ts'
import { isActive, listNodes, NODE_LISTINGS, type NodeListing, withRole } from './nodeListings.ts'
import { mixPortOf, type Snapshot, type Snapshots } from './snapshot.ts'

export interface DirectoryApiOptions {
  readonly world: Pick<World, 'clock' | 'crypto'>
  readonly epochs: EpochSource
  readonly snapshots: Pick<Snapshots, 'current'>
  readonly describer: Pick<Describer, 'find' | 'refresh'>
  readonly issuers: Pick<Issuers, 'epoch' | 'ask'>
  readonly network: NetworkDetails
  readonly build: BuildInformation
  readonly chainStatus: () => ApiHealth['chainStatus']
  readonly ledger: LedgerNetwork | undefined
  readonly meter: Meter
  readonly log: Log
  /** Adds what other roles serve at the same address, such as the issuers' `/v1/ecash`. */
  readonly extend?: ((app: Hono) => void) | undefined
}

/** The longest body the API reads: 4,096 addresses. */
export const MAX_REQUEST_BYTES: number = 256 * 1024
const MAX_REFRESH_BYTES = 4096
/** A client's next round of questions must not find the last one's answer in a cache. */
const MAX_CACHE: Millis = minutes(1)
const NOT_READY = 'the directory has not asked its nodes yet; try again in some seconds'

export function directoryApi(options: DirectoryApiOptions): JsonHandler {
  const { world, epochs, network, build, chainStatus, meter, log, extend } = options
  const startedAt = world.clock.monotonic()
  const app = jsonApi({ optionalPrefix: '/api', log })

  for (const listing of NODE_LISTINGS) app.get(listing.path, (context) => answerListing(options, context, listing))
  answerFromSnapshots(app, options)
  app.post('/v1/nym-nodes/refresh-described', (context) => refreshDescribed(options, context))
  app.post('/v1/unstable/nym-nodes/by-addresses', (context) => byAddresses(options, context))

  // The clock needs no nodes: official nodes ask for it before they serve anything.
  app.get('/v1/epoch/key-rotation-info', () => answer(encodeKeyRotationInfo(epochs.current().rotation)))
  app.get('/v1/epoch/current', () => answer(encodeInterval(epochs.current().interval)))
  app.get('/v1/api-status/health', () => {
    const uptimeSeconds = Math.floor((world.clock.monotonic() - startedAt) / 1000)
    return answer(encodeApiHealth({ chainStatus: chainStatus(), uptimeSeconds }))
  })
  app.get('/v1/api-status/build-information', () => answer(encodeBuildInformation(build)))
  app.get('/v1/network/details', () => answer(encodeNetworkDetails(network, 1)))
  app.get('/v2/network/details', () => answer(encodeNetworkDetails(network, 2)))
  passOnIssuers(app, options)
  if (options.ledger !== undefined) answerFromLedger(app, world.clock, options.ledger)
  extend?.(app)

  const help = 'Answers of the directory by HTTP status'
  return async (request) => {
    const response = await forEveryPage(request, () => app.fetch(request))
    meter.counter('directory_answers_total', help, { status: String(response.status) }).value++
    return response
  }
}

/** Official clients ask their directory what here only issuers know. */
function passOnIssuers(app: Hono, { issuers }: DirectoryApiOptions): void {
  app.get('/v1/ecash/epoch', () => {
    const { epoch } = issuers
    if (epoch === undefined) return refuse(404, 'this directory knows no issuers of credentials that agree on an epoch')
    return answer(credentialEpochToJson(epoch))
  })
  for (const path of PASSED_ON) {
    app.get(`/v1/ecash${path}`, async ({ req }) => {
      const epochId = numberParameter(req.query('epoch_id'))
      const date = req.query('expiration_date')
      if (epochId === 'bad') return refuse(400, 'epoch_id is a number')
      if (date !== undefined && parseDate(date) === undefined) return refuse(400, 'expiration_date is YYYY-MM-DD')
      if (issuers.epoch === undefined) return refuse(404, 'this directory knows no issuers of credentials')
      // Written anew: what strangers write goes to nobody else.
      const query = [
        epochId === undefined ? [] : `epoch_id=${epochId}`,
        date === undefined ? [] : `expiration_date=${date}`,
      ]
      const text = await issuers.ask([path, ...[query.flat().join('&')].filter(Boolean)].join('?'))
      return text === undefined ? refuse(503, 'no issuer has an answer to that now') : answerText(text)
    })
  }
}

function answerFromSnapshots(app: Hono, { snapshots, ledger }: DirectoryApiOptions): void {
  const get = (path: string, make: (snapshot: Snapshot) => JsonValue): void => {
    app.get(path, (context) => {
      const snapshot = snapshots.current()
      if (snapshot === undefined) return refuse(503, NOT_READY)
      if (hasBadPage(context)) return refuse(400, 'page and per_page are numbers')
      return answerText(snapshot.text(path, () => make(snapshot)))
    })
  }
  const described = (version: 1 | 2) => (snapshot: Snapshot) =>
    encodeDescribedNodes(onePage(snapshot.nodes.map((node) => node.described)), version)
  get('/v1/nym-nodes/rewarded-set', (snapshot) => encodeRewardedSet(snapshot.rewardedSet))
  get('/v1/nym-nodes/described', described(1))
  get('/v2/nym-nodes/described', described(2))
  get('/v1/nym-nodes/noise', listNoise)
  // Pledges and rewards change while snapshots stay.
  if (ledger === undefined) get('/v1/nym-nodes/bonded', listBonded)

  const getForNode = (path: string, make: (snapshot: Snapshot, nodeId: number) => JsonValue): void => {
    app.get(`${path}/:id`, (context) => {
      const nodeId = numberParameter(context.req.param('id'))
      if (typeof nodeId !== 'number') return refuse(400, 'a node id is a number')
      const snapshot = snapshots.current()
      return snapshot === undefined ? refuse(503, NOT_READY) : answer(make(snapshot, nodeId))
    })
  }
  getForNode('/v1/nym-nodes/annotation', (snapshot, nodeId) => annotate(snapshot, nodeId, 1))
  getForNode('/v2/nym-nodes/annotation', (snapshot, nodeId) => annotate(snapshot, nodeId, 2))
  getForNode('/v1/nym-nodes/performance', ratePerformance)
}

function answerListing({ world, snapshots }: DirectoryApiOptions, context: Context, listing: NodeListing): Response {
  const snapshot = snapshots.current()
  if (snapshot === undefined) return refuse(503, NOT_READY)
  const knownEpochId = numberParameter(context.req.query('epoch_id'))
  // Read and not followed, like official directories: everything is on page 0.
  if (hasBadPage(context) || knownEpochId === 'bad') return refuse(400, 'page, per_page and epoch_id are numbers')
  const chosen = withRole(listing, context.req.query('role'))
  if (chosen === undefined) return refuse(400, 'unknown role')
  // Official directories say two minutes after the epoch's end. A browser that believed it would put together listings of two
  // epochs, and see nodes that joined only in the next one.
  const expires = Math.min(snapshot.epoch.end, world.clock.now() + MAX_CACHE)
  const headers = isActive(chosen) ? { expires: formatHttpDate(millis(expires)) } : {}
  return answerText(listNodes(snapshot, chosen, knownEpochId), headers)
}

const hasBadPage = ({ req }: Context): boolean =>
  numberParameter(req.query('page')) === 'bad' || numberParameter(req.query('per_page')) === 'bad'

/** Refusals in the order of official directories. */
async function refreshDescribed({ world, describer }: DirectoryApiOptions, context: Context): Promise<Response> {
  const text = await boundedText(context, MAX_REFRESH_BYTES)
  if (text === undefined) return refuse(413, 'the request is too long')
  const request = decodeRefreshDescribed(text)
  const bonded = await describer.find(request.identity)
  if (bonded === undefined) return refuse(404, 'there is no bonded node of this identity')
  if (!verifyRefreshDescribed(world.crypto, request)) return refuse(401, 'the signature does not hold')
  const ageSeconds = Math.floor(world.clock.now() / 1000) - request.unixSeconds
  if (ageSeconds < 0 || ageSeconds > REFRESH_REQUEST_MAX_AGE_SECONDS) {
    return refuse(400, 'the request is too old, or from the future; check the clock of the node')
  }
  const isDescribed = await describer.refresh(bonded)
  if (isDescribed === 'tooOften') return refuse(429, 'this node was asked less than a minute ago')
  return isDescribed ? answer(null) : refuse(422, 'the node cannot be reached or does not describe itself correctly')
}

async function byAddresses({ snapshots }: DirectoryApiOptions, context: Context): Promise<Response> {
  const snapshot = snapshots.current()
  if (snapshot === undefined) return refuse(503, NOT_READY)
  const text = await boundedText(context, MAX_REQUEST_BYTES)
  if (text === undefined) return refuse(413, 'the request is too long')
  const asked = decodeAddressesRequest(text)
  const ids = new Map(snapshot.nodes.flatMap(({ skimmed }) => skimmed.ipAddresses.map((ip) => [ip, skimmed.nodeId])))
  const canonical = (ip: string): string => formatIp(canonicalIp(parseIp(ip) as Uint8Array))
  return answer(encodeAddressesAnswer(new Map(asked.map((ip) => [ip, ids.get(canonical(ip))]))))
}

function listNoise({ nodes }: Snapshot): JsonValue {
  const withKeys = nodes.flatMap(({ described }) => {
    const { noiseKey } = described.hostInformation.keys
    return noiseKey === undefined ? [] : [{ described, noiseKey }]
  })
  return encodePage(onePage(withKeys), ({ described, noiseKey }) => ({
    key: encodeNoiseKey(noiseKey),
    mixnet_port: mixPortOf(described),
    ip_addresses: described.hostInformation.ipAddresses,
  }))
}

/** What there is of the official answer without a ledger: the bonds, without owners, pledges and rewards. */
function listBonded({ bonded }: Snapshot): JsonValue {
  return encodePage(onePage(bonded), ({ nodeId, identity, host, httpPort }) => ({
    bond_information: {
      node_id: nodeId,
      is_unbonding: false,
      node: { host, custom_http_port: httpPort ?? null, identity_key: toBase58(identity) },
    },
  }))
}
