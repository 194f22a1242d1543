/** The configuration of a node: a TOML file, checked key by key. Errors name the file, the key and what it may be. @module */
import { stringify } from 'smol-toml'
import { z } from 'zod'
import { utf8 } from '../../foundation/base/bytes.ts'
import { canonicalIpText, parseIp } from '../../foundation/base/ipAddress.ts'
import type { Files } from '../../foundation/platform/files.ts'
import { isHostname } from '../../protocol/wire/directory/skimmedNodes.ts'
import { besideFile, checkConfig, readConfigFile } from './configFile.ts'
import { type LedgerConfig, ledgerBeside, ledgerSection } from './ledgerConfig.ts'

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
  /** DNS name of `host`, which a gateway announces to its clients. */
  readonly hostname?: string | undefined
  readonly directories: readonly string[]
  /** Folder of keys, inbox, replay tags; in a file, relative to it. */
  readonly data: string
  readonly ports: {
    readonly mix: number
    readonly http: number
    readonly ws: number
    /** Announced only: where the operator's TLS proxy answers for `hostname` and hands on to `ws`. Pages that came by https need it. */
    readonly wss?: number | undefined
  }
  /** Encrypted links to nodes that can do it. */
  readonly noise: boolean
  /** Memory for recognising replayed packets, over all keys: 30 bits a packet of one key's lifetime; past it honest packets are lost. Default 128. */
  readonly replayMemoryMB?: number | undefined
  /** How a gateway takes payment. Default: neither. */
  readonly tickets?:
    | {
        /** No bandwidth without a ticket. */
        readonly required: boolean
        /** Tickets of older official clients are taken, which do not keep a dishonest client to the fifty it paid for. */
        readonly compatible: boolean
      }
    | undefined
  /** Where it announces itself, and is paid for tickets. Its account needs coins for fees, and is not the owner's. */
  readonly ledger?: LedgerConfig | undefined
  /** A network on one machine: short reconnect waits, quick start-up, and non-global addresses count as reachable. */
  readonly local: boolean
  readonly exit: {
    /** Any destination is allowed, apart from local addresses. */
    readonly openProxy: boolean
    /** Destinations on this machine and in private networks are allowed. For test networks only. */
    readonly allowLocalAddresses: boolean
    /** A policy file in Nym's text format; a built-in one where there is none. */
    readonly policyFile?: string | undefined
    /** What carries IP packets of clients: the program `passt`, the kernel through a device (`tun`), or nothing. Default: nothing. */
    readonly packets?: 'passt' | 'tun' | 'off' | undefined
  }
}

const port = z.number().int().min(0).max(65_535)
const ip = z.string().refine((text) => parseIp(text) !== undefined, 'must be an IP address')

const ports = z.strictObject({
  mix: port.default(1789),
  http: port.default(8080),
  ws: port.default(9000),
  wss: port.min(1).optional(),
})

const settings = z.strictObject({
  name: z.string().min(1).max(64),
  roles: z.array(z.enum(['mix', 'entry', 'exit'])).min(1),
  host: ip,
  listenHost: ip.optional(),
  hostname: z.string().refine(isHostname, 'must be a host name').optional(),
  directories: z
    .array(z.url({ protocol: /^https?$/ }))
    .min(1)
    .max(8),
  data: z.string().min(1).default('.'),
  ports: ports.prefault({}),
  noise: z.boolean().default(true),
  replayMemoryMB: z.number().int().min(8).max(4096).optional(),
  tickets: z.strictObject({ required: z.boolean().default(false), compatible: z.boolean().default(false) }).optional(),
  ledger: ledgerSection.optional(),
  local: z.boolean().default(false),
  exit: z
    .strictObject({
      openProxy: z.boolean().default(false),
      allowLocalAddresses: z.boolean().default(false),
      policyFile: z.string().optional(),
      packets: z.enum(['passt', 'tun', 'off']).optional(),
    })
    .prefault({}),
})

const schema: z.ZodType<NodeConfig, unknown> = settings
  .refine(
    // A certificate is for a name.
    ({ hostname, ports }) => ports.wss === undefined || hostname !== undefined,
    { path: ['ports', 'wss'], message: 'needs a hostname' },
  )
  .refine(
    // Nobody would be told of them, and whoever wrote it would think that they are carried.
    ({ roles, exit: { packets = 'off' } }) => packets === 'off' || roles.includes('exit'),
    { path: ['exit', 'packets'], message: 'only exits carry packets: the node needs the role exit' },
  )

/** Throws CONFIG_INVALID. */
export async function readNodeConfig(files: Files, path: string): Promise<NodeConfig> {
  const config = canonical(await readConfigFile(files, path, schema))
  const { ledger } = config
  const { policyFile } = config.exit
  return {
    ...config,
    data: besideFile(path, config.data),
    ...(ledger === undefined ? {} : { ledger: ledgerBeside(path, ledger) }),
    exit: { ...config.exit, ...(policyFile === undefined ? {} : { policyFile: besideFile(path, policyFile) }) },
  }
}

/** Throws CONFIG_INVALID. */
export const checkNodeConfig = (values: unknown, source: string): NodeConfig =>
  canonical(checkConfig(values, source, schema))

const canonical = (config: NodeConfig): NodeConfig => ({ ...config, host: canonicalIpText(config.host) })

export function formatNodeConfig(config: NodeConfig): Uint8Array {
  return utf8(
    `# A Starling node. Written by "starling node init"; every key is explained in docs/guides/run-a-node.md\n${stringify(config)}`,
  )
}
