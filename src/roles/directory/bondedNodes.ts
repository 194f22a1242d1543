/**
 * Which nodes belong to the network, and where to ask them about themselves. Until the ledger tells, a file does: TOML, or JSON
 * where its name ends in `.json`, with a list `nodes`. It is read again when it changes; a file that has become wrong is
 * reported and the last good one stays in force. Guide: docs/spec/directory-server.md. @module
 */
import { parse as parseToml } from 'smol-toml'
import { z } from 'zod'
import { fromBase58, toBase58 } from '../../foundation/base/base58.ts'
import { equalBytes, fromUtf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { parseIp } from '../../foundation/base/ipAddress.ts'
import type { Log, Meter } from '../../foundation/base/observe.ts'
import { type Millis, millis, seconds } from '../../foundation/base/units.ts'
import type { World } from '../../foundation/platform/world.ts'
import { MAX_NODES } from '../../protocol/wire/directory/epochs.ts'
import { KEY_BYTES } from '../../protocol/wire/directory/nodeKeys.ts'

/** What the operator of the network wants a node to be; where it does not say it can, the wish is not followed. */
export type RoleWish = (typeof ROLE_WISHES)[number]

export interface BondedNode {
  readonly nodeId: number
  /** Ed25519: whoever answers for the node must sign with it. */
  readonly identity: Uint8Array
  /** An IP address or a host name. The ledger takes any text: check with `isHost`. */
  readonly host: string
  /** Of the node's HTTP API, tried before the usual ones. */
  readonly httpPort?: number | undefined
  readonly role?: RoleWish | undefined
  readonly layer?: 1 | 2 | 3 | undefined
}

export interface BondedNodes {
  /**
   * All of them; the same array while nothing changed. Ids and identities are unique. Throws MixnetErrors where they cannot be
   * told now. Asked whenever a stranger claims to be a node: it must be cheap.
   */
  current(): Promise<readonly BondedNode[]>
}

export interface FileBondedNodesOptions {
  readonly world: Pick<World, 'files' | 'clock'>
  readonly path: string
  readonly meter: Meter
  readonly log: Log
}

const ROLE_WISHES = ['mix', 'entry', 'exit', 'standby'] as const
/** Strangers can make the directory look for a node it does not know: that must not read the file each time. */
const READ_AT_MOST_EVERY: Millis = seconds(1)
const MAX_HOST = 253
const HOST_NAME = /^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?\.?$/i

/** Whether it can stand in a URL and means nothing but a host there. */
export function isHost(text: string): boolean {
  return parseIp(text) !== undefined || (text.length <= MAX_HOST && HOST_NAME.test(text))
}

/** In memory, for networks that are planned by a program. */
export class MemoryBondedNodes implements BondedNodes {
  #nodes: readonly BondedNode[] = []

  /** Throws BAD_ARGUMENT. */
  constructor(nodes: readonly BondedNode[] = []) {
    this.set(nodes)
  }

  set(nodes: readonly BondedNode[]): void {
    const problem = duplicateIn(nodes)
    if (problem !== undefined) throw new MixnetError('BAD_ARGUMENT', { argument: 'nodes', problem })
    this.#nodes = nodes
  }

  current(): Promise<readonly BondedNode[]> {
    return Promise.resolve(this.#nodes)
  }
}

export class FileBondedNodes implements BondedNodes {
  readonly #options: FileBondedNodesOptions
  #nodes: readonly BondedNode[] | undefined
  #contents: Uint8Array | undefined
  #readAt: Millis = millis(Number.NEGATIVE_INFINITY)
  #reading: Promise<readonly BondedNode[]> | undefined

  constructor(options: FileBondedNodesOptions) {
    this.#options = options
  }

  /** Throws CONFIG_INVALID, naming the entry, while there has not been a good file. */
  current(): Promise<readonly BondedNode[]> {
    const { clock } = this.#options.world
    if (this.#nodes !== undefined && clock.monotonic() - this.#readAt < READ_AT_MOST_EVERY) {
      return Promise.resolve(this.#nodes)
    }
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  async #read(): Promise<readonly BondedNode[]> {
    const { world, path, meter, log } = this.#options
    this.#readAt = world.clock.monotonic()
    try {
      const contents = await world.files.read(path).catch((cause: unknown) => {
        throw new MixnetError('CONFIG_INVALID', { file: path, problem: 'cannot be read' }, { cause })
      })
      if (this.#nodes !== undefined && contents !== undefined && sameBytes(contents, this.#contents)) return this.#nodes
      this.#nodes = readBondedNodes(contents, path)
      this.#contents = contents
    } catch (error) {
      if (this.#nodes === undefined || !isMixnetError(error)) throw error
      meter.counter('directory_bonded_file_refused_total', 'Readings of the bonded nodes that were not usable').value++
      log.warn('directory.bonded-file-refused', { problem: error.message })
    }
    return this.#nodes
  }
}

const port = z.number().int().min(1).max(65_535)
const schema = z.strictObject({
  nodes: z
    .array(
      z.strictObject({
        nodeId: z.number().int().min(1).max(0xffff_fffe),
        identity: z.string(),
        host: z.string().refine(isHost, 'must be an IP address or a host name'),
        httpPort: port.optional(),
        role: z.enum(ROLE_WISHES).optional(),
        layer: z.union([z.literal(1), z.literal(2), z.literal(3)]).optional(),
      }),
    )
    .max(MAX_NODES),
})

/** Throws CONFIG_INVALID naming the file and the key. */
export function readBondedNodes(contents: Uint8Array | undefined, path: string): readonly BondedNode[] {
  const invalid = (details: Record<string, string | number>, cause?: unknown): MixnetError =>
    new MixnetError('CONFIG_INVALID', { file: path, ...details }, cause === undefined ? {} : { cause })
  if (contents === undefined) throw invalid({ problem: 'there is no such file' })
  const isJson = path.toLowerCase().endsWith('.json')
  let values: unknown
  try {
    const text = fromUtf8(contents, 'bonded nodes')
    values = isJson ? JSON.parse(text) : parseToml(text)
  } catch (cause) {
    throw invalid({ problem: isJson ? 'not JSON' : 'not TOML' }, cause)
  }
  const checked = schema.safeParse(values)
  if (!checked.success) {
    const [issue] = checked.error.issues
    throw invalid({ key: issue?.path.join('.') || '(top level)', problem: issue?.message ?? 'unknown' })
  }
  const nodes = checked.data.nodes.map((node, i): BondedNode => {
    try {
      return { ...node, identity: fromBase58(node.identity, 'identity', KEY_BYTES) }
    } catch (cause) {
      throw invalid({ key: `nodes.${i}.identity`, problem: 'must be 32 bytes in base58' }, cause)
    }
  })
  const problem = duplicateIn(nodes)
  if (problem !== undefined) throw invalid({ key: 'nodes', problem })
  return nodes
}

function duplicateIn(nodes: readonly BondedNode[]): string | undefined {
  const ids = new Set<number>()
  const identities = new Set<string>()
  for (const { nodeId, identity } of nodes) {
    const text = toBase58(identity)
    if (ids.has(nodeId)) return `two nodes have the id ${nodeId}`
    if (identities.has(text)) return `node ${nodeId} has the identity of another`
    ids.add(nodeId)
    identities.add(text)
  }
  return undefined
}

const sameBytes = (a: Uint8Array, b: Uint8Array | undefined): boolean => b !== undefined && equalBytes(a, b)
