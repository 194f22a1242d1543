import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { isMixnetError } from '../../../foundation/base/errors.ts'
import { hours, millis } from '../../../foundation/base/units.ts'
import {
  decodeAddressesAnswer,
  decodeAddressesRequest,
  decodeApiHealth,
  encodeAddressesAnswer,
  encodeAddressesRequest,
  encodeApiHealth,
} from './apiStatus.ts'
import { decodeBuildInformation, encodeBuildInformation } from './buildInformation.ts'
import { decodeDescribedNodes, encodeDescribedNodes } from './describedNodes.ts'
import {
  decodeCurrentEpoch,
  decodeKeyRotationInfo,
  decodeRewardedSet,
  encodeCurrentEpoch,
  encodeKeyRotationInfo,
  encodeRewardedSet,
  keyRotationInfo,
} from './epochs.ts'
import { encodeFraction } from './json.ts'
import {
  decodeSemiSkimmedListing,
  decodeSemiSkimmedListingV1,
  decodeSkimmedListing,
  decodeSkimmedListingV1,
  encodeSemiSkimmedListing,
  encodeSemiSkimmedListingV1,
  encodeSkimmedListing,
  encodeSkimmedListingV1,
  onePage,
  sameEpoch,
} from './listings.ts'
import { decodeNetworkDetails, encodeNetworkDetails } from './networkDetails.ts'
import {
  declaredRoles,
  decodeAuxiliaryDetails,
  decodeAuxiliaryDetailsV2,
  decodeMixnetWebsockets,
  decodeNodeHealth,
  decodeNodeRoles,
  decodePublishedExitPolicy,
  decodeServiceProviderDetails,
  encodeAuxiliaryDetails,
  encodeAuxiliaryDetailsV2,
  encodeMixnetWebsockets,
  encodeNodeHealth,
  encodeNodeRoles,
  encodePublishedExitPolicy,
  encodeServiceProviderDetails,
} from './nodeApi.ts'
import { performancePercent } from './skimmedNodes.ts'

/** As much of the examples' shape as the tests take apart. */
interface Documents extends Readonly<Record<string, unknown>> {
  readonly skimmed: Listing
  readonly semiSkimmed: Listing
  readonly rewardedSet: Readonly<Record<string, unknown>>
  readonly keyRotation: Readonly<Record<string, unknown>>
  readonly exitPolicy: Readonly<Record<string, unknown>>
  readonly auxiliary: Readonly<Record<string, unknown>>
}

interface Listing {
  readonly metadata: { readonly refreshed_at: string }
  readonly nodes: { readonly data: readonly Readonly<Record<string, unknown>>[] }
}

const documents = JSON.parse(readFileSync(new URL('documents.json', import.meta.url), 'utf8')) as Documents

const malformed = (error: unknown): boolean => isMixnetError(error, 'MALFORMED')
const wire = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

/** The document decodes to a value that encodes to the document. */
function roundTrips<T>(document: unknown, decode: (text: string) => T, encode: (value: T) => unknown): T {
  const value = decode(JSON.stringify(document))
  assert.deepEqual(wire(encode(value)), document)
  return value
}

describe('directory documents of the specification', () => {
  it('skimmed nodes', () => {
    const listing = roundTrips(documents.skimmed, decodeSkimmedListing, encodeSkimmedListing)
    const [node] = listing.items
    assert.equal(listing.metadata.refreshedAt, 1_795_334_462_500)
    assert.ok(listing.metadata.status.kind === 'fresh')
    assert.equal(listing.metadata.status.interval.epochLength, hours(1))
    assert.equal(node?.role, 'entryGateway')
    assert.equal(node?.performance, 0.97)
    assert.deepEqual(node?.identity, new Uint8Array(32).fill(1))
    assert.deepEqual(node?.entry, { hostname: undefined, wsPort: 9000, wssPort: undefined })
    const empty = { ...documents.skimmed, metadata: { ...documents.skimmed.metadata, status: 'no-updates' } }
    roundTrips({ ...empty, nodes: onePageOf([]) }, decodeSkimmedListing, encodeSkimmedListing)
    const { metadata, nodes } = documents.skimmed
    const v1 = { status: null, refreshed_at: metadata.refreshed_at, nodes }
    roundTrips(v1, decodeSkimmedListingV1, encodeSkimmedListingV1)
  })

  it('every epoch role, and the names that older directories wrote', () => {
    const [node] = documents.skimmed.nodes.data
    const decoded = (role: unknown): unknown =>
      decodeSkimmedListing(JSON.stringify({ ...documents.skimmed, nodes: onePageOf([{ ...node, role }]) })).items[0]
        ?.role
    const names = [
      { Mixnode: { layer: 1 } },
      { Mixnode: { layer: 3 } },
      'EntryGateway',
      'ExitGateway',
      'Standby',
      'Inactive',
    ]
    assert.deepEqual(names.map(decoded), ['layer1', 'layer3', 'entryGateway', 'exitGateway', 'standby', 'inactive'])
    assert.deepEqual(['entry', 'gateway', 'exit'].map(decoded), ['entryGateway', 'entryGateway', 'exitGateway'])
    for (const role of names) {
      const document = { ...documents.skimmed, nodes: onePageOf([{ ...node, role }]) }
      roundTrips(document, decodeSkimmedListing, encodeSkimmedListing)
    }
    for (const role of [{ Mixnode: { layer: 0 } }, { Mixnode: { layer: 4 } }, 'Mixnode', 'toString', {}, null]) {
      assert.throws(() => decoded(role), malformed)
    }
    const { role, ...without } = node as Record<string, unknown>
    const renamed = { ...documents.skimmed, nodes: onePageOf([{ ...without, epoch_role: role }]) }
    assert.equal(decodeSkimmedListing(JSON.stringify(renamed)).items[0]?.role, 'entryGateway')
  })

  it('performance is a decimal in 0 to 1, counted in whole percent', () => {
    const [node] = documents.skimmed.nodes.data
    const decoded = (performance: unknown): unknown =>
      decodeSkimmedListing(JSON.stringify({ ...documents.skimmed, nodes: onePageOf([{ ...node, performance }]) }))
        .items[0]?.performance
    assert.equal(decoded('1'), 1)
    assert.equal(decoded('0.125000000000000000'), 0.125)
    for (const bad of ['1.01', '-0.5', '1e-3', '.5', '1.', '', 'NaN', 0.5, null])
      assert.throws(() => decoded(bad), malformed)
    assert.deepEqual([0.29, 0.57, 0.5, 0.4999, 1, 0].map(performancePercent), [29, 57, 50, 49, 100, 0])
    assert.deepEqual([1, 0.97, 1e-7, 0, 1.23456789e-5].map(encodeFraction), [
      '1',
      '0.97',
      '0.0000001',
      '0',
      '0.0000123456789',
    ])
  })

  it('semi-skimmed nodes', () => {
    const listing = roundTrips(documents.semiSkimmed, decodeSemiSkimmedListing, encodeSemiSkimmedListing)
    assert.equal(listing.items[0]?.noiseKey?.supportedVersion, 1)
    assert.equal(listing.items[1]?.noiseKey, undefined)
    const { metadata, nodes } = documents.semiSkimmed
    const v1 = { status: null, refreshed_at: metadata.refreshed_at, nodes }
    roundTrips(v1, decodeSemiSkimmedListingV1, encodeSemiSkimmedListingV1)
  })

  it('listings of one epoch belong together', () => {
    const { metadata } = decodeSkimmedListing(JSON.stringify(documents.skimmed))
    assert.ok(sameEpoch(metadata, { ...metadata, refreshedAt: millis(0) }))
    assert.ok(!sameEpoch(metadata, { ...metadata, rotationId: 31 }))
    assert.ok(!sameEpoch(metadata, { ...metadata, absoluteEpochId: 731 }))
    assert.ok(!sameEpoch(metadata, { ...metadata, status: { kind: 'unstated' } }))
  })

  it('the rewarded set, whose epoch may be missing', () => {
    const set = roundTrips(documents.rewardedSet, decodeRewardedSet, encodeRewardedSet)
    assert.equal(set.epochId, 730)
    const { epoch_id: _, ...older } = documents.rewardedSet
    assert.equal(decodeRewardedSet(JSON.stringify(older)).epochId, 0)
  })

  it('key rotation', () => {
    const info = roundTrips(documents.keyRotation, decodeKeyRotationInfo, encodeKeyRotationInfo)
    const epoch = { absoluteId: 730, start: info.currentEpochStart, duration: info.epochDuration }
    assert.deepEqual(keyRotationInfo({ validityEpochs: 24, initialEpochId: 10 }, epoch), info)
    const before = keyRotationInfo({ validityEpochs: 24, initialEpochId: 10 }, { ...epoch, absoluteId: 3 })
    assert.equal(before.currentKeyRotationId, 0)
    const never = { ...documents.keyRotation, key_rotation_state: { validity_epochs: 0, initial_epoch_id: 0 } }
    assert.throws(() => decodeKeyRotationInfo(JSON.stringify(never)), malformed)
  })

  it('the current epoch', () => {
    const interval = roundTrips(documents.interval, decodeCurrentEpoch, encodeCurrentEpoch)
    assert.equal(interval?.totalElapsedEpochs, 730)
    roundTrips(null, decodeCurrentEpoch, encodeCurrentEpoch)
  })

  it('described nodes, both versions', () => {
    const page = roundTrips(documents.described, decodeDescribedNodes, (value) => encodeDescribedNodes(value, 1))
    assert.equal(page.items[0]?.hostInformation.keys.sphinxKey.rotationId, 30)
    const v2 = wire(encodeDescribedNodes(page, 2)) as { data: { description: Record<string, unknown> }[] }
    assert.equal(v2.data[0]?.description.lewes_protocol, null)
    assert.deepEqual(decodeDescribedNodes(JSON.stringify(v2)), page)
  })

  it('the bodies of a node', () => {
    assert.equal(roundTrips({ status: 'up', uptime: 12 }, decodeNodeHealth, encodeNodeHealth).uptimeSeconds, 12)
    assert.throws(() => decodeNodeHealth('{"status":"down","uptime":12}'), malformed)
    const roles = roundTrips(documents.roles, decodeNodeRoles, encodeNodeRoles)
    assert.deepEqual(declaredRoles(roles), { mixnode: false, entry: true, exitNr: true, exitIpr: false })
    assert.deepEqual(declaredRoles({ ...roles, gatewayEnabled: false, mixnodeEnabled: true }), {
      mixnode: true,
      entry: false,
      exitNr: false,
      exitIpr: false,
    })
    roundTrips(documents.build, decodeBuildInformation, encodeBuildInformation)
    const auxiliary = roundTrips(documents.auxiliary, decodeAuxiliaryDetails, encodeAuxiliaryDetails)
    assert.equal(auxiliary.location, 'PL')
    assert.deepEqual(decodeAuxiliaryDetails('{}').announcePorts, { verlocPort: undefined, mixPort: undefined })
    roundTrips({ ...documents.auxiliary, address: 'n1abc' }, decodeAuxiliaryDetailsV2, encodeAuxiliaryDetailsV2)
    roundTrips({ ws_port: 9000, wss_port: 9001 }, decodeMixnetWebsockets, encodeMixnetWebsockets)
    roundTrips(documents.provider, decodeServiceProviderDetails, encodeServiceProviderDetails)
    roundTrips(documents.exitPolicy, decodePublishedExitPolicy, encodePublishedExitPolicy)
    roundTrips({ ...documents.exitPolicy, policy: null }, decodePublishedExitPolicy, encodePublishedExitPolicy)
  })

  it('network details, both versions', () => {
    const details = roundTrips(documents.network, decodeNetworkDetails, (value) => encodeNetworkDetails(value, 1))
    assert.equal(details.contracts.mixnet, 'n1mixnet')
    assert.equal(details.nymApiUrls[0]?.frontHosts, undefined)
    const withFallbacks = { ...details, dnsFallbacks: [{ url: 'api.example.org', addresses: ['192.0.2.1'] }] }
    assert.deepEqual(decodeNetworkDetails(JSON.stringify(encodeNetworkDetails(withFallbacks, 2))), withFallbacks)
  })

  it('health of the directory', () => {
    roundTrips({ status: 'up', chain_status: 'synced', uptime: 5 }, decodeApiHealth, encodeApiHealth)
    const stalled = { status: 'up', chain_status: { stalled: { approximate_amount: '5m' } }, uptime: 5 }
    roundTrips(stalled, decodeApiHealth, encodeApiHealth)
  })

  it('nodes by their addresses', () => {
    roundTrips({ addresses: ['192.0.2.1', '2001:db8::1'] }, decodeAddressesRequest, encodeAddressesRequest)
    const answer = roundTrips(
      { existence: { '192.0.2.1': 7, '::1': null } },
      decodeAddressesAnswer,
      encodeAddressesAnswer,
    )
    assert.equal(answer.get('192.0.2.1'), 7)
    assert.ok(answer.has('::1'))
  })

  it('refusals name the path and not the value', () => {
    const document = { ...documents.rewardedSet, layer2: [1, 'secret'] }
    assert.throws(
      () => decodeRewardedSet(JSON.stringify(document)),
      (error: unknown) => {
        assert.ok(malformed(error))
        const { message } = error as Error
        assert.match(message, /\.layer2\[1\]/)
        assert.doesNotMatch(message, /secret/)
        return true
      },
    )
    assert.throws(
      () => decodeRewardedSet('secret'),
      (error: unknown) => !String(error).includes('secret'),
    )
  })

  it('counts are bounded', () => {
    const tooMany = { ...documents.rewardedSet, standby: new Array(65_537).fill(1) }
    assert.throws(() => decodeRewardedSet(JSON.stringify(tooMany)), malformed)
    assert.deepEqual(onePage([1, 2]).pagination, { total: 2, page: 0, size: 2 })
  })
})

const onePageOf = (data: readonly unknown[]): unknown => ({
  pagination: { total: data.length, page: 0, size: data.length },
  data,
})
