/**
 * Asks one bonded node about itself over its HTTP API and checks everything it says: the signature, the identity, the keys, the
 * addresses. What it cannot prove keeps it out; what it says can hurt nobody but itself. Every answer is bounded in size and
 * time. Rules: docs/spec/directory-server.md, "Describing nodes". @module
 */
import { equalBytes, fromUtf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { canonicalIp, formatIp, IPV4_BYTES, parseIp } from '../../foundation/base/ipAddress.ts'
import { type Millis, seconds } from '../../foundation/base/units.ts'
import { withDeadline } from '../../foundation/platform/clock.ts'
import type { World } from '../../foundation/platform/world.ts'
import { parseRecipient } from '../../protocol/packet/recipient.ts'
import { decodeBuildInformation } from '../../protocol/wire/directory/buildInformation.ts'
import type { DescribedNode } from '../../protocol/wire/directory/describedNodes.ts'
import {
  decodeSignedHostInformation,
  type SignedHostInformation,
  verifyHostInformation,
} from '../../protocol/wire/directory/hostInformation.ts'
import {
  declaredRoles,
  decodeAuxiliaryDetails,
  decodeMixnetWebsockets,
  decodeNodeHealth,
  decodeNodeRoles,
  decodePublishedExitPolicy,
  decodeServiceProviderDetails,
  type ServiceProviderDetails,
} from '../../protocol/wire/directory/nodeApi.ts'
import { isGlobalAddress } from '../../protocol/wire/exit/globalAddress.ts'
import { type BondedNode, isHost } from './bondedNodes.ts'

export interface PollParams {
  /** For the health of one of the places where a node's API may be. */
  readonly healthTimeout: Millis
  /** For each other answer. */
  readonly answerTimeout: Millis
  /** For everything about one node: a node that drips costs the others no more than this. */
  readonly nodeTimeout: Millis
  readonly maxBodyBytes: number
  /** Of an exit policy, by far the longest answer. */
  readonly maxPolicyBytes: number
  /** Loopback addresses may be announced: for networks on one machine. */
  readonly allowLocalAddresses: boolean
  /** Where the policy that all exits are to follow is published: `uses_exit_policy` compares with it. */
  readonly exitPolicyUrl: string
}

export const DEFAULT_POLL_PARAMS: PollParams = {
  healthTimeout: seconds(5),
  answerTimeout: seconds(5),
  nodeTimeout: seconds(15),
  maxBodyBytes: 64 * 1024,
  maxPolicyBytes: 1024 * 1024,
  allowLocalAddresses: false,
  exitPolicyUrl: 'https://nymtech.net/.wellknown/network-requester/exit-policy.txt',
}

/** Which answer kept the node out, and why: labels of a counter, so never anything a node wrote. */
export interface PollFailure {
  readonly part: string
  readonly why:
    | 'unreachable'
    | 'timeout'
    | 'status'
    | 'too-long'
    | 'malformed'
    | 'identity'
    | 'signature'
    | 'address'
    | 'key'
    | 'bug'
}

export interface Polled {
  readonly node: DescribedNode
  /** Addresses at which the bonded host really is, canonical. What else it announces, others may have a better right to. */
  readonly provenIps: readonly string[]
}

export type PollResult = { readonly polled: Polled } | { readonly failure: PollFailure }

type Got<T> =
  | { readonly value: T; readonly failure?: never }
  | { readonly value?: never; readonly failure: PollFailure }

interface Asking {
  readonly world: Pick<World, 'net' | 'clock' | 'crypto'>
  readonly params: PollParams
  readonly base: string
  readonly signal: AbortSignal
}

const USUAL_HTTP_PORT = 8080
/** Any clamped scalar shows whether a point is of low order: the product is zero then. */
const PROBE_SCALAR = new Uint8Array(32).fill(0x48)

export async function pollNode(
  world: Pick<World, 'net' | 'clock' | 'crypto'>,
  params: PollParams,
  bonded: BondedNode,
  stop: AbortSignal,
): Promise<PollResult> {
  if (!isHost(bonded.host)) return failed('host', 'malformed')
  const deadline = new AbortController()
  const timer = world.clock.after(params.nodeTimeout, () => deadline.abort())
  try {
    const signal = AbortSignal.any([deadline.signal, stop])
    const base = await findApi({ world, params, base: '', signal }, bonded)
    if (base.failure) return base
    return await describe({ world, params, base: base.value, signal }, bonded)
  } finally {
    timer.cancel()
  }
}

/** The first place that says it is up, in the order of official directories. */
async function findApi(asking: Asking, { host, httpPort }: BondedNode): Promise<Got<string>> {
  const authority = host.includes(':') ? `[${host}]` : host
  const places = [`http://${authority}:${USUAL_HTTP_PORT}`, `https://${authority}`, `http://${authority}`]
  if (httpPort !== undefined && httpPort !== USUAL_HTTP_PORT) places.unshift(`http://${authority}:${httpPort}`)
  let first: PollFailure | undefined
  for (const base of places) {
    const health = await get({ ...asking, base }, 'health', decodeNodeHealth, asking.params.healthTimeout)
    if (!health.failure) return { value: base }
    first ??= health.failure
    if (asking.signal.aborted) break
  }
  // The first place is where the node should be: what went wrong there says most.
  return { failure: first as PollFailure }
}

async function describe(asking: Asking, bonded: BondedNode): Promise<PollResult> {
  const { world, params } = asking
  const signed = await get(asking, 'host-information', decodeSignedHostInformation)
  if (signed.failure) return signed
  const ipAddresses = announcedIps(signed.value, params.allowLocalAddresses)
  const lie = lieIn(world, signed.value, bonded) ?? (ipAddresses === undefined ? 'address' : undefined)
  if (lie !== undefined || ipAddresses === undefined) return failed('host-information', lie ?? 'address')

  const [build, roles, websockets, auxiliary, requester, router, authenticator, provenIps] = await Promise.all([
    get(asking, 'build-information', decodeBuildInformation),
    get(asking, 'roles', decodeNodeRoles),
    get(asking, 'gateway/client-interfaces/mixnet-websockets', decodeMixnetWebsockets),
    get(asking, 'auxiliary-details', decodeAuxiliaryDetails),
    service(asking, 'network-requester'),
    service(asking, 'ip-packet-router'),
    service(asking, 'authenticator'),
    ipsOf(asking, bonded.host),
  ])
  if (build.failure) return build
  if (roles.failure) return roles
  if (websockets.failure) return websockets
  let usesExitPolicy = false
  if (requester !== undefined) {
    const policy = await get(asking, 'network-requester/exit-policy', decodePublishedExitPolicy)
    if (policy.failure) return policy
    usesExitPolicy = policy.value.enabled && policy.value.upstreamSource === params.exitPolicyUrl
  }
  const node: DescribedNode = {
    nodeId: bonded.nodeId,
    contractNodeType: 'nym_node',
    lastPolled: world.clock.now(),
    hostInformation: { ...signed.value.data, ipAddresses },
    declaredRole: declaredRoles(roles.value),
    // Official directories take the defaults where a node does not answer this one.
    auxiliaryDetails: auxiliary.value ?? decodeAuxiliaryDetails('{}'),
    buildInformation: build.value,
    networkRequester: requester && { address: requester.address, usesExitPolicy },
    ipPacketRouter: router && { address: router.address },
    authenticator: authenticator && { address: authenticator.address },
    wireguard: undefined,
    mixnetWebsockets: websockets.value,
  }
  return { polled: { node, provenIps } }
}

function lieIn(
  { crypto }: Pick<World, 'crypto'>,
  signed: SignedHostInformation,
  bonded: BondedNode,
): PollFailure['why'] | undefined {
  const { identity, sphinxKey, preAnnouncedSphinxKey, noiseKey } = signed.data.keys
  if (!equalBytes(identity, bonded.identity)) return 'identity'
  if (!verifyHostInformation(crypto, signed)) return 'signature'
  // With a point of low order everybody knows the shared secret: the node would be a hole in every route through it.
  const keys = [sphinxKey.publicKey, preAnnouncedSphinxKey?.publicKey, noiseKey?.publicKey]
  const isWeak = (key: Uint8Array | undefined): boolean =>
    key !== undefined && crypto.x25519(PROBE_SCALAR, key).every((byte) => byte === 0)
  return keys.some(isWeak) ? 'key' : undefined
}

/** Canonical and each once, or undefined where the list is empty or holds what no node can be reached at. */
function announcedIps({ data }: SignedHostInformation, allowLocalAddresses: boolean): readonly string[] | undefined {
  const ips = new Set<string>()
  for (const text of data.ipAddresses) {
    const bytes = canonicalIp(parseIp(text) as Uint8Array)
    if (!isReachable(bytes, allowLocalAddresses)) return undefined
    ips.add(formatIp(bytes))
  }
  return ips.size === 0 ? undefined : [...ips]
}

function isReachable(ip: Uint8Array, allowLocalAddresses: boolean): boolean {
  const [first = 0] = ip
  const isUnspecified = ip.every((byte) => byte === 0)
  const isV4 = ip.length === IPV4_BYTES
  const isMulticast = isV4 ? first >= 0xe0 && first < 0xf0 : first === 0xff
  const isBroadcast = isV4 && ip.every((byte) => byte === 0xff)
  // A private address would have every node of the network dial into its neighbours' local networks.
  return !isUnspecified && !isMulticast && !isBroadcast && (allowLocalAddresses || isGlobalAddress(ip))
}

async function ipsOf({ world, params }: Asking, host: string): Promise<readonly string[]> {
  const canonical = (text: string): string => formatIp(canonicalIp(parseIp(text) as Uint8Array))
  if (parseIp(host) !== undefined) return [canonical(host)]
  try {
    const found = await withDeadline(world.clock, params.answerTimeout, 'name', world.net.resolve(host))
    return found.filter((text) => parseIp(text) !== undefined).map(canonical)
  } catch (error) {
    if (isMixnetError(error)) return []
    throw error
  }
}

/** Optional: undefined where the node has none, or says something that is not a recipient. */
async function service(asking: Asking, path: string): Promise<ServiceProviderDetails | undefined> {
  const decode = (text: string): ServiceProviderDetails => {
    const details = decodeServiceProviderDetails(text)
    parseRecipient(asking.world.crypto, details.address)
    return details
  }
  return (await get(asking, path, decode)).value
}

async function get<T>(
  { world, params, base, signal }: Asking,
  part: string,
  decode: (text: string) => T,
  timeout: Millis = params.answerTimeout,
): Promise<Got<T>> {
  const maxBodyBytes = part.endsWith('exit-policy') ? params.maxPolicyBytes : params.maxBodyBytes
  try {
    const response = await world.net.request({
      url: `${base}/api/v1/${part}`,
      headers: { accept: 'application/json' },
      timeout,
      maxBodyBytes,
      signal,
    })
    if (response.status !== 200) return failed(part, 'status')
    return { value: decode(fromUtf8(response.body, part)) }
  } catch (error) {
    if (!isMixnetError(error)) throw error
    switch (error.code) {
      case 'TIMEOUT':
      case 'ABORTED':
        return failed(part, 'timeout')
      case 'MESSAGE_TOO_LONG':
        return failed(part, 'too-long')
      case 'MALFORMED':
        return failed(part, 'malformed')
      default:
        return failed(part, 'unreachable')
    }
  }
}

const failed = (part: string, why: PollFailure['why']): { readonly failure: PollFailure } => ({
  failure: { part, why },
})
