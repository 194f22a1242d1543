/**
 * The entrance to the package: `import { connect } from 'starling-mixnet'`. A client of a mixnet on the machine's own sockets,
 * files and clock. Guide: docs/guides/first-app.md. @module
 */
import { fileURLToPath } from 'node:url'
import { ClientPool } from '../../client/clientPool.ts'
import { Mixnet, type NodeMixnetOptions } from '../../client/mixnet.ts'
import type { MixnetEvent as Event, MixnetState as State } from '../../client/mixnetEvents.ts'
import type { Plain } from '../../client/optionKinds.ts'
import { type TrafficDescription as Description, describeTraffic as describe } from '../../client/trafficFigures.ts'
import type { TrafficChoice as Choice } from '../../client/trafficProfiles.ts'
import { fromUtf8 } from '../../foundation/base/bytes.ts'
import {
  type ErrorCode,
  MixnetError as Failure,
  isMixnetError as isError,
  type MixnetError as MixnetFailure,
} from '../../foundation/base/errors.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { holdProcess } from '../../foundation/platform/node/holdProcess.ts'
import { nodeWorld } from '../../foundation/platform/node/nodeWorld.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { TopologySnapshot } from '../../network/topology/topologySnapshot.ts'
import { startCredentialEngine } from '../node/credentialEngine.ts'
import { type CommonOptions, clientOptions, expectConnectOptions, memberOptions } from './connectOptions.ts'

/** What this package throws: a stable `code`, whose fault it is (`guilty`), and what to do about it (`nextStep`). */
export type MixnetError = MixnetFailure
export type MixnetErrorCode = ErrorCode
/** What `onEvent` gets, and what `state` says. */
export type MixnetEvent = Event
export type MixnetState = State
/** A client and what it offers: `fetch` and adapters for other libraries, `open`, `send`, `messages`, `explain`, `proxy`, `close`. */
export type MixnetConnection = Mixnet

export interface ConnectOptions extends Omit<CommonOptions, 'topology'>, Pick<NodeMixnetOptions, 'ca' | 'tickets'> {
  /** Instead of a directory: a snapshot, or the path or file: URL of one, as JSON. Nobody is asked then, until keys rotate. */
  readonly topology?: TopologySnapshot | string | URL | undefined
  /**
   * The network's ledger, for who does not want to trust its directories: every topology is checked against what the contracts say, and
   * one that does not fit is refused with TOPOLOGY_UNAVAILABLE.
   */
  readonly ledger?: LedgerChoice | undefined
}

export interface LedgerChoice {
  /** Of the chain, by JSON-RPC over http or https; of several all must agree. They see your address, and that you use the network. */
  readonly rpc: string | readonly string[]
  /** Path of the file that `starling ledger deploy` wrote: which chain, and where its contracts are. */
  readonly deployment: string
}

/**
 * Resolves when requests can be made. Rejects with TOPOLOGY_UNAVAILABLE, GATEWAY_UNREACHABLE, GATEWAY_REFUSED,
 * EXIT_UNREACHABLE, KEY_FILE_UNREADABLE, BAD_ARGUMENT, ABORTED or TIMEOUT. Close what it returns, or declare it with `await using`.
 */
export async function connect(options: ConnectOptions): Promise<MixnetConnection> {
  // Between two attempts nothing is open, and a script would end without a word in the middle of its await.
  const release = holdProcess()
  try {
    // Pages have no such option, and share the list.
    const { tickets, ledger, ...others } = options ?? {}
    expectConnectOptions(options === undefined ? options : others)
    const world = nodeWorld(nodeProvider)
    const topology = await readTopology(world, options.topology)
    const topologySource = ledger && (await checkedTopologies(world, ledger, options))
    return await Mixnet.connect(world, { ...clientOptions({ ...others, topology }), tickets, engine, topologySource })
  } finally {
    release()
  }
}

/** Loaded late: few want it, and it brings hashes and formats along that nothing else of a client needs. */
async function checkedTopologies(world: World, ledger: LedgerChoice, { topology }: ConnectOptions) {
  if (topology !== undefined) {
    const nextStep = 'Give a `directory` with the `ledger`: a snapshot is not of the epoch that runs.'
    throw new Failure('BAD_ARGUMENT', { argument: 'ledger', why: 'not with a topology' }, { nextStep })
  }
  const { ledgerTopologySource } = await import('./ledgerTopology.ts')
  return ledgerTopologySource(world, ledger)
}

/** A thread costs nothing before the first ticket. In Deno it never answers: there tickets are made on the spot. */
const engine = 'Deno' in globalThis ? undefined : async () => startCredentialEngine()

async function readTopology(
  { files }: World,
  topology: ConnectOptions['topology'],
): Promise<TopologySnapshot | undefined> {
  if (typeof topology !== 'string' && !(topology instanceof URL)) return topology
  const place = String(topology)
  if (/^(?!file:)[a-z][a-z+.-]+:/i.test(place)) {
    const nextStep = 'Give a path or a file: URL; of a directory on the web, `directory` is the option.'
    throw new Failure('BAD_ARGUMENT', { argument: 'topology' }, { nextStep })
  }
  const path = place.startsWith('file:') ? fileURLToPath(place) : place
  const contents = await files.read(path)
  const nextStep = 'Name a file with what `topologySnapshot()` of a connected client returned, as JSON.'
  if (contents === undefined) throw new Failure('FILE_UNUSABLE', { path, why: 'there is no such file' }, { nextStep })
  try {
    return JSON.parse(fromUtf8(contents, 'topology snapshot'))
  } catch (cause) {
    throw new Failure('BAD_ARGUMENT', { argument: 'topology', why: 'not JSON' }, { nextStep, cause })
  }
}

/** True for a MixnetError of any copy of this package, and, where `code` is given, only for that code. */
export function isMixnetError(error: unknown, code?: MixnetErrorCode): error is MixnetError {
  return isError(error, code)
}

/** Which traffic a client makes: a profile's name, a budget, or parameters. */
export type TrafficChoice = Plain<Choice>
export type TrafficDescription = Description

/** What a choice costs and what it hides, in words and figures, before anything is connected. Throws BAD_ARGUMENT. */
export function describeTraffic(choice?: TrafficChoice): TrafficDescription {
  return describe(choice as Choice)
}

/** `size` clients, 1 to 16, each somebody else: as much traffic so many times over. Rejects as `connect`. With `folder`, each has one in it. */
export async function connectPool(choice: ConnectOptions & { readonly size: number }): Promise<ClientPool> {
  const { size, ...options } = choice ?? {}
  const { clock, random } = nodeWorld(nodeProvider)
  return await ClientPool.connect(size, { clock, random: random.stream('pool') }, (number, signal) =>
    connect(memberOptions(options, number, signal)),
  )
}
