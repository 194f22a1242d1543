/** Decoders of what directories and nodes say over HTTP. @module */

import { readFileSync } from 'node:fs'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { millis } from '../../../src/foundation/base/units.ts'
import { nodeProvider as crypto } from '../../../src/foundation/crypto/nodeProvider.ts'
import { checkTopology } from '../../../src/network/topology/verifiedTopology.ts'
import { announcementLeaf, NO_LEAF } from '../../../src/protocol/economy/announcementLeaf.ts'
import { topologyRoot } from '../../../src/protocol/economy/topologyRoot.ts'
import { decodeAccountAddress, encodeAccountAddress } from '../../../src/protocol/wire/directory/accountAddress.ts'
import { decodeAnnouncement, encodeAnnouncement } from '../../../src/protocol/wire/directory/announcement.ts'
import {
  decodeAddressesAnswer,
  decodeAddressesRequest,
  decodeApiHealth,
} from '../../../src/protocol/wire/directory/apiStatus.ts'
import { decodeBuildInformation, readBuildInformation } from '../../../src/protocol/wire/directory/buildInformation.ts'
import { decodeDescribedNodes } from '../../../src/protocol/wire/directory/describedNodes.ts'
import {
  decodeCurrentEpoch,
  decodeKeyRotationInfo,
  decodeRewardedSet,
  readInterval,
} from '../../../src/protocol/wire/directory/epochs.ts'
import {
  decodeSignedHostInformation,
  readIpAddresses,
  verifyHostInformation,
} from '../../../src/protocol/wire/directory/hostInformation.ts'
import { parseJson } from '../../../src/protocol/wire/directory/json.ts'
import {
  decodeRewardingParams,
  decodeSaturation,
  decodeSupply,
  encodeNodeDetails,
  encodeRewardingParams,
  encodeSupply,
  readCoin,
  readDecimal,
  readNodeDetails,
} from '../../../src/protocol/wire/directory/ledgerAnswers.ts'
import {
  decodeSemiSkimmedListing,
  decodeSemiSkimmedListingV1,
  decodeSkimmedListing,
  decodeSkimmedListingV1,
  readPage,
} from '../../../src/protocol/wire/directory/listings.ts'
import { decodeNetworkDetails } from '../../../src/protocol/wire/directory/networkDetails.ts'
import {
  decodeAuxiliaryDetails,
  decodeAuxiliaryDetailsV2,
  decodeMixnetWebsockets,
  decodeNodeHealth,
  decodeNodeRoles,
  decodePublishedExitPolicy,
  decodeServiceProviderDetails,
  readAuxiliaryDetails,
  readMixnetWebsockets,
} from '../../../src/protocol/wire/directory/nodeApi.ts'
import { readNoiseKey, readRotationKey } from '../../../src/protocol/wire/directory/nodeKeys.ts'
import {
  decodeRefreshDescribed,
  verifyRefreshDescribed,
} from '../../../src/protocol/wire/directory/refreshDescribed.ts'
import {
  readDeclaredRoles,
  readHostname,
  readSemiSkimmedNode,
  readSkimmedNode,
} from '../../../src/protocol/wire/directory/skimmedNodes.ts'
import { decodeTopologyBundle, encodeTopologyBundle } from '../../../src/protocol/wire/directory/topologyBundle.ts'
import { parseLooseInstant, parseRfc3339 } from '../../../src/protocol/wire/timestamp.ts'
import { bytesDecoder, type Decoder, jsonDecoder, textDecoder } from '../decoder.ts'

const documents: Record<string, unknown> = JSON.parse(
  readFileSync(new URL('../../../src/protocol/wire/directory/documents.json', import.meta.url), 'utf8'),
)
const seeds = Object.values(documents).map((document) => JSON.stringify(document))
/** Every object and array inside the official documents: what the cursors are put on. */
const parts = Object.values(documents)
  .flatMap((document) => partsOf(document))
  .map((part) => JSON.stringify(part))
  .filter((text) => text.length < 2000)

function partsOf(value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null) return []
  return [value, ...Object.values(value).flatMap(partsOf)]
}

const text = (name: string, run: (text: string) => unknown): Decoder => textDecoder(name, run, { seeds })
const json = (name: string, run: Parameters<typeof jsonDecoder>[1]): Decoder => jsonDecoder(name, run, { seeds: parts })

const account = encodeAccountAddress(new Uint8Array(20).fill(7))
const rewardingParams = JSON.stringify(
  encodeRewardingParams({
    rewardPool: 10n ** 30n,
    stakingSupply: 10n ** 30n,
    stakingSupplyScaleFactor: 1n,
    epochRewardBudget: 2n,
    stakeSaturationPoint: 3n,
    sybilResistance: 4n,
    activeSetWorkFactor: 5n,
    intervalPoolEmission: 6n,
    rewardedSet: { entryGateways: 1, exitGateways: 2, mixnodes: 3, standby: 4 },
  }),
)
const supply = JSON.stringify(encodeSupply({ total: 9n, mixminingReserve: 1n, vesting: 0n, circulating: 8n }))
const nodeDetails = JSON.stringify(
  encodeNodeDetails({
    nodeId: 1,
    owner: new Uint8Array(20),
    originalPledge: 5n,
    bondedAt: 6,
    isUnbonding: false,
    host: '1.2.3.4',
    httpPort: 8080,
    identity: new Uint8Array(32),
    profitMargin: 1n,
    intervalOperatingCost: 2n,
    operator: 3n,
    delegates: 4n,
    totalUnitReward: 5n,
    lastRewardedEpoch: 6,
    uniqueDelegations: 7,
  }),
)
const announced = encodeAnnouncement({
  ipAddresses: ['1.2.3.4', '2001:db8::1'],
  mixPort: 1789,
  hostname: 'node.example.org',
  wsPort: 9000,
  wssPort: 9001,
  sphinxKeys: [
    { rotationId: 1, publicKey: new Uint8Array(32).fill(1) },
    { rotationId: 2, publicKey: new Uint8Array(32).fill(2) },
  ],
  noiseKey: { supportedVersion: 1, publicKey: new Uint8Array(32).fill(3) },
  buildVersion: '1.31.0',
})
const said = { sequence: 1n, capabilities: 15, data: announced, signature: new Uint8Array(64) }
const bundle = JSON.stringify(
  encodeTopologyBundle({
    epochId: 5,
    seed: new Uint8Array(32),
    nodes: [{ nodeId: 1, identity: new Uint8Array(32), role: 1, announcement: said }],
  }),
)

/** With the root that it has, so that what is behind that check is reached. */
function checkAgainstItself(input: string): unknown {
  const given = decodeTopologyBundle(input)
  const nodes = given.nodes.map(({ nodeId, identity, role, announcement }) => ({
    nodeId,
    identityKey: identity,
    leaf:
      announcement === undefined
        ? NO_LEAF
        : announcementLeaf({ nodeId, ...announcement }, announcement.data, announcement.signature, keccak_256),
    role,
  }))
  const root = topologyRoot({ epochId: given.epochId, seed: given.seed, nodes }, keccak_256)
  const truth = { epochId: given.epochId, root, epochEnd: millis(5), rotationId: 1 }
  // Whether it is signed is not for bytes to find out.
  const checks = { crypto: { ed25519Verify: () => true }, keccak256: keccak_256 }
  return checkTopology(
    given,
    truth,
    { ...checks, announcements: { chainId: 1, contract: new Uint8Array(20) } },
    millis(1),
  )
}

export const directoryDecoders: readonly Decoder[] = [
  textDecoder('parseJson', (input) => parseJson(input, 'fuzz'), { seeds }),
  text('decodeSkimmedListing', decodeSkimmedListing),
  text('decodeSemiSkimmedListing', decodeSemiSkimmedListing),
  text('decodeSkimmedListingV1', decodeSkimmedListingV1),
  text('decodeSemiSkimmedListingV1', decodeSemiSkimmedListingV1),
  text('decodeRewardedSet', decodeRewardedSet),
  text('decodeKeyRotationInfo', decodeKeyRotationInfo),
  text('decodeCurrentEpoch', decodeCurrentEpoch),
  text('decodeDescribedNodes', decodeDescribedNodes),
  text('decodeNetworkDetails', decodeNetworkDetails),
  text('decodeBuildInformation', decodeBuildInformation),
  text('decodeNodeRoles', decodeNodeRoles),
  text('decodeAuxiliaryDetails', decodeAuxiliaryDetails),
  text('decodeAuxiliaryDetailsV2', decodeAuxiliaryDetailsV2),
  text('decodeServiceProviderDetails', decodeServiceProviderDetails),
  text('decodePublishedExitPolicy', decodePublishedExitPolicy),
  textDecoder('decodeSignedHostInformation', (input) =>
    verifyHostInformation(crypto, decodeSignedHostInformation(input)),
  ),
  textDecoder('decodeRefreshDescribed', (input) => verifyRefreshDescribed(crypto, decodeRefreshDescribed(input))),
  textDecoder('decodeMixnetWebsockets', decodeMixnetWebsockets, { seeds: ['{"ws_port":9000,"wss_port":null}'] }),
  textDecoder('decodeNodeHealth', decodeNodeHealth, { seeds: ['{"status":"up","uptime":5}'] }),
  textDecoder('decodeApiHealth', decodeApiHealth, { seeds: ['{"status":"up","chain_status":"unknown","uptime":5}'] }),
  textDecoder('decodeAddressesRequest', decodeAddressesRequest, { seeds: ['{"addresses":["1.2.3.4","::1"]}'] }),
  textDecoder('decodeAddressesAnswer', decodeAddressesAnswer, { seeds: ['{"existence":{"1.2.3.4":5,"::1":null}}'] }),
  bytesDecoder('decodeAnnouncement', decodeAnnouncement, { seeds: [announced] }),
  textDecoder('decodeTopologyBundle', decodeTopologyBundle, { seeds: [bundle] }),
  textDecoder('checkTopology', checkAgainstItself, {
    seeds: [bundle],
    refusals: ['MALFORMED', 'TOPOLOGY_UNAVAILABLE'],
  }),
  textDecoder('decodeAccountAddress', decodeAccountAddress, { seeds: [account, `0x${'ab'.repeat(20)}`] }),
  textDecoder('decodeRewardingParams', decodeRewardingParams, { seeds: [rewardingParams] }),
  textDecoder('decodeSaturation', decodeSaturation, {
    seeds: ['{"saturation":"1","uncapped_saturation":"1.25","as_at":5}'],
  }),
  textDecoder('decodeSupply', decodeSupply, { seeds: [supply] }),
  jsonDecoder('readNodeDetails', readNodeDetails, { seeds: [nodeDetails] }),
  jsonDecoder('readDecimal', readDecimal, { seeds: ['"0.00416666666666666"'] }),
  jsonDecoder('readCoin', readCoin, { seeds: ['{"denom":"unym","amount":"100000000"}'] }),
  json('readSkimmedNode', readSkimmedNode),
  json('readSemiSkimmedNode', readSemiSkimmedNode),
  json('readDeclaredRoles', readDeclaredRoles),
  json('readHostname', readHostname),
  json('readInterval', readInterval),
  json('readPage', (page) => readPage(page, (item) => item.u32())),
  json('readIpAddresses', readIpAddresses),
  json('readBuildInformation', readBuildInformation),
  json('readAuxiliaryDetails', readAuxiliaryDetails),
  json('readMixnetWebsockets', readMixnetWebsockets),
  json('readRotationKey', readRotationKey),
  json('readNoiseKey', readNoiseKey),
  textDecoder('parseRfc3339', parseRfc3339, { seeds: ['2026-05-16T12:34:56.789Z', '2026-02-30T00:00:00+01:00'] }),
  textDecoder('parseLooseInstant', parseLooseInstant, { seeds: ['2026-05-16 12:34:56.789 +00:00:00'] }),
]
