/** The configuration of a node: a TOML file, checked key by key. Errors name the file, the key and what it may be. @module */
import { parse, stringify, TomlError } from 'smol-toml'
import { z } from 'zod'
import { fromUtf8Lossy, utf8 } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { formatIp, parseIp } from '../../foundation/base/ipAddress.ts'
import type { Files } from '../../foundation/platform/files.ts'

export type NodeRole = 'mix' | 'entry' | 'exit'

export interface NodeConfig {
  /** For people: logs and the status page. Never identifies the node. */
  readonly name: string
  /** What the node does. An exit is an entry gateway too: its service needs one. */
  readonly roles: readonly NodeRole[]
  /** The IP it announces. */
  readonly host: string
  /** Listens on this IP instead, behind a NAT. */
  readonly listenHost?: string | undefined
  readonly directories: readonly string[]
  /** Folder of keys, inbox, replay tags. */
  readonly data: string
  readonly ports: { readonly mix: number; readonly http: number; readonly ws: number }
  /** Encrypted links to nodes that can do it. */
  readonly noise: boolean
  /** A network on one machine: short reconnect waits, quick start-up, and non-global addresses count as reachable. */
  readonly local: boolean
  readonly exit: {
    /** Any destination is allowed, apart from local addresses. */
    readonly openProxy: boolean
    /** Destinations on this machine and in private networks are allowed. For test networks only. */
    readonly allowLocalAddresses: boolean
    /** A policy file in Nym's text format; a built-in one where there is none. */
    readonly policyFile?: string | undefined
  }
}

const port = z.number().int().min(0).max(65_535)
const ip = z.string().refine((text) => parseIp(text) !== undefined, 'must be an IP address')

const schema: z.ZodType<NodeConfig, unknown> = z.strictObject({
  name: z.string().min(1).max(64),
  roles: z.array(z.enum(['mix', 'entry', 'exit'])).min(1),
  host: ip,
  listenHost: ip.optional(),
  directories: z
    .array(z.url({ protocol: /^https?$/ }))
    .min(1)
    .max(8),
  data: z.string().min(1),
  ports: z.strictObject({ mix: port.default(1789), http: port.default(8080), ws: port.default(9000) }).prefault({}),
  noise: z.boolean().default(true),
  local: z.boolean().default(false),
  exit: z
    .strictObject({
      openProxy: z.boolean().default(false),
      allowLocalAddresses: z.boolean().default(false),
      policyFile: z.string().optional(),
    })
    .prefault({}),
})

/** Throws CONFIG_INVALID naming the key. */
export function checkNodeConfig(input: unknown, file: string): NodeConfig {
  const checked = schema.safeParse(input)
  if (checked.success) {
    const { host } = checked.data
    return { ...checked.data, host: formatIp(parseIp(host) as Uint8Array) }
  }
  const [issue] = checked.error.issues
  const key = issue === undefined || issue.path.length === 0 ? '(top level)' : issue.path.join('.')
  throw new MixnetError('CONFIG_INVALID', { file, key, problem: issue?.message ?? 'unknown' })
}

/** Throws CONFIG_INVALID. */
export async function readNodeConfig(files: Files, path: string): Promise<NodeConfig> {
  const contents = await files.read(path)
  if (contents === undefined) throw new MixnetError('CONFIG_INVALID', { file: path, problem: 'there is no such file' })
  let values: unknown
  try {
    values = parse(fromUtf8Lossy(contents))
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    throw new MixnetError('CONFIG_INVALID', { file: path, line: error.line, problem: 'not TOML' }, { cause: error })
  }
  return checkNodeConfig(values, path)
}

export function formatNodeConfig(config: NodeConfig): Uint8Array {
  return utf8(
    `# A Starling node. Written by "starling node init"; every key is explained in docs/guides/run-a-node.md\n${stringify(config)}`,
  )
}
