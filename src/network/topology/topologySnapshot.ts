/**
 * A directory's answers in one document: for networks that are handed out in a file, and for clients that ask no directory at all. The
 * answers are kept as they came, so whoever reads them checks them as if they came just now. Keys rotate: a snapshot is good until then,
 * and refused after it, for packets under old keys would vanish without a word. @module
 */
import { utf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError, malformed, tryDecode } from '../../foundation/base/errors.ts'
import { type Millis, millis } from '../../foundation/base/units.ts'
import type { Clock } from '../../foundation/platform/clock.ts'
import type { Net } from '../../foundation/platform/net.ts'
import { decodeKeyRotationInfo, decodeRewardedSet } from '../../protocol/wire/directory/epochs.ts'
import { parseJson } from '../../protocol/wire/directory/json.ts'
import { decodeSkimmedListing } from '../../protocol/wire/directory/listings.ts'
import { DirectoryClient } from './directoryClient.ts'
import { buildTopology, unavailable } from './topology.ts'

/** JSON all through: it can be written to a file, or be a module of a bundle. */
export interface TopologySnapshot {
  readonly format: typeof FORMAT
  /** By the path of the question, the answer. */
  readonly answers: Readonly<Record<string, unknown>>
}

const FORMAT = 'starling-topology-1'
const ROTATION = '/v1/epoch/key-rotation-info'
const REWARDED = '/v1/nym-nodes/rewarded-set'
const MIX_NODES = '/v2/unstable/nym-nodes/skimmed/mixnodes/active'
const ENTRIES = '/v2/unstable/nym-nodes/skimmed/entry-gateways'
const DESCRIBED = '/v1/nym-nodes/described'
const PATHS = [ROTATION, REWARDED, MIX_NODES, ENTRIES, DESCRIBED] as const
/** Of the form that a directory client takes; nobody is asked. */
const BASE_URL = 'http://snapshot'

/** Asks for all of it. Throws TOPOLOGY_UNAVAILABLE, also where the answers do not fit together: ask again then. */
export async function takeSnapshot(directory: DirectoryClient, clock: Pick<Clock, 'now'>): Promise<TopologySnapshot> {
  const answers = await directory.ask(async (reader) =>
    Object.fromEntries(await Promise.all(PATHS.map(async (path) => [path, await reader.get(path, parsed)] as const))),
  )
  const snapshot: TopologySnapshot = { format: FORMAT, answers }
  const refusal = tryDecode(() => openSnapshot(snapshot, clock))
  if (isMixnetError(refusal)) throw unavailable(refusal.message, refusal)
  return snapshot
}

/** Throws MALFORMED: what is no JSON is the directory's fault, and the next one may do better. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw malformed('directory answer', 'not JSON')
  }
}

/**
 * A directory that answers from the snapshot and contacts nobody. Throws BAD_ARGUMENT for what is no snapshot, TOPOLOGY_UNAVAILABLE for one
 * whose keys are over; what it answers later ends with the keys as well.
 */
export function openSnapshot(snapshot: unknown, clock: Pick<Clock, 'now'>): DirectoryClient {
  const texts = tryDecode(() => textsOf(snapshot))
  if (isMixnetError(texts)) throw noSnapshot(texts)
  const goodUntil = tryDecode(() => checked(texts, clock.now()))
  if (isMixnetError(goodUntil))
    throw isMixnetError(goodUntil, 'TOPOLOGY_UNAVAILABLE') ? goodUntil : noSnapshot(goodUntil)
  expectGood(goodUntil, clock.now())
  const request: Net['request'] = async ({ url }) => {
    expectGood(goodUntil, clock.now())
    const [path = ''] = url.slice(BASE_URL.length).split('?')
    const text = texts.get(path)
    return { status: text === undefined ? 404 : 200, contentType: 'application/json', body: utf8(text ?? '') }
  }
  return new DirectoryClient({ request }, { baseUrls: [BASE_URL] })
}

/** Each answer as a directory would have sent it: whatever object this was, from here on it is text. */
function textsOf(snapshot: unknown): ReadonlyMap<string, string> {
  let whole: string
  try {
    whole = JSON.stringify(snapshot) ?? ''
  } catch {
    // Circles, big integers, and getters that throw.
    throw new MixnetError('MALFORMED', { what: 'topology snapshot', why: 'cannot be written as JSON' })
  }
  const json = parseJson(whole, 'topology snapshot')
  json.field('format').oneOf([FORMAT])
  const answers = json.field('answers')
  for (const path of PATHS) if (!answers.field(path).present) answers.field(path).refuse('not there')
  const parsed = (JSON.parse(whole) as TopologySnapshot).answers
  return new Map(PATHS.map((path) => [path, JSON.stringify(parsed[path])]))
}

/** Until when its keys are good. Throws where it makes no network. */
function checked(texts: ReadonlyMap<string, string>, now: Millis): Millis {
  const text = (path: string) => texts.get(path) as string
  const rotation = decodeKeyRotationInfo(text(ROTATION))
  const [mixNodes, gateways] = [decodeSkimmedListing(text(MIX_NODES)), decodeSkimmedListing(text(ENTRIES))]
  for (const { pagination, items } of [mixNodes, gateways])
    if (pagination.total !== items.length) throw unavailable('the snapshot has a part of its nodes only')
  const { metadata } = mixNodes
  if (metadata.rotationId !== rotation.currentKeyRotationId) throw unavailable('the snapshot is of two key rotations')
  const nodes = [
    ...mixNodes.items.map((node) => ({ node, gateway: false })),
    ...gateways.items.map((node) => ({ node, gateway: true })),
  ]
  buildTopology({ metadata, rewardedSet: decodeRewardedSet(text(REWARDED)), nodes, now })
  const epochsLeft = rotation.currentRotationEndingEpoch - rotation.currentAbsoluteEpochId + 1
  return millis(rotation.currentEpochStart + epochsLeft * rotation.epochDuration)
}

function expectGood(goodUntil: Millis, now: Millis): void {
  // A clock that is wrong the other way finds out by its packets.
  if (now < goodUntil) return
  const why = "the nodes' keys have rotated since the snapshot was taken"
  const nextStep = 'Take a new snapshot of the network, or name its directory instead.'
  throw new MixnetError('TOPOLOGY_UNAVAILABLE', { why }, { nextStep })
}

function noSnapshot(cause: MixnetError): MixnetError {
  const nextStep = 'Give what `topologySnapshot()` of a connected client returned, unchanged.'
  return new MixnetError(
    'BAD_ARGUMENT',
    { argument: 'topology', why: cause.message },
    { message: 'that is no topology snapshot', nextStep, cause },
  )
}
