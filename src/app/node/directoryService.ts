/** A directory as a process: its configuration, and what it says of a network without a ledger. @module */
import { stringify } from 'smol-toml'
import { z } from 'zod'
import { utf8 } from '../../foundation/base/bytes.ts'
import type { Log, Meter } from '../../foundation/base/observe.ts'
import { seconds } from '../../foundation/base/units.ts'
import type { Files } from '../../foundation/platform/files.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { NetworkDetails } from '../../protocol/wire/directory/networkDetails.ts'
import { FileBondedNodes } from '../../roles/directory/bondedNodes.ts'
import type { DescriberParams } from '../../roles/directory/describerParams.ts'
import { Directory } from '../../roles/directory/directory.ts'
import { BUILD_INFORMATION } from './buildInformation.ts'
import { besideFile, readConfigFile } from './configFile.ts'
import { PROMETHEUS_TEXT, prometheusText } from './metrics.ts'

export interface DirectoryConfig {
  readonly listen: { readonly host: string; readonly port: number }
  /** File that lists the nodes of the network. */
  readonly bonded: string
  /** Folder for epochs and roles. */
  readonly data: string
  readonly epochLengthSeconds: number
  /** How many epochs a Sphinx key lives. */
  readonly validityEpochs: number
  /** Who issues the tickets of this network: addresses without /v1. None: bandwidth is free. */
  readonly issuers: readonly string[]
  /** A network on one machine: nodes may announce loopback addresses, and are asked more often. */
  readonly local: boolean
}

const schema: z.ZodType<DirectoryConfig, unknown> = z.strictObject({
  listen: z
    .strictObject({ host: z.string().default('127.0.0.1'), port: z.number().int().min(0).max(65_535).default(8080) })
    .prefault({}),
  bonded: z.string().min(1),
  data: z.string().min(1),
  epochLengthSeconds: z.number().int().min(10).default(3600),
  validityEpochs: z.number().int().min(3).default(24),
  issuers: z
    .array(z.url({ protocol: /^https?$/ }))
    .max(100)
    .default([]),
  local: z.boolean().default(false),
})

/** Throws CONFIG_INVALID. */
export async function readDirectoryConfig(files: Files, path: string): Promise<DirectoryConfig> {
  const config = await readConfigFile(files, path, schema)
  return { ...config, bonded: besideFile(path, config.bonded), data: besideFile(path, config.data) }
}

export function formatDirectoryConfig(config: DirectoryConfig): Uint8Array {
  return utf8(
    `# A directory. Written by "starling directory init"; docs/guides/run-a-network.md explains every key\n${stringify(config)}`,
  )
}

/** Starts serving. Throws what Directory.start does. */
export async function startDirectory(
  world: World,
  config: DirectoryConfig,
  { meter, log }: { meter: Meter; log: Log },
): Promise<Directory> {
  const { listen, bonded, data, epochLengthSeconds, validityEpochs, issuers, local } = config
  let directory: Directory | undefined
  directory = await Directory.start(world, {
    folder: data,
    listen,
    bonded: new FileBondedNodes({ world, path: bonded, meter, log }),
    network: localNetworkDetails(`http://${listen.host}:${listen.port}/api`),
    build: BUILD_INFORMATION,
    epochs: { epochLength: seconds(epochLengthSeconds), validityEpochs },
    describer: local ? LOCAL_DESCRIBER : {},
    issuers,
    meter,
    log,
    // Nothing here that the API does not tell everybody anyway.
    extend: (app) => {
      app.get('/status', () => Response.json({ ...directory?.status(), counters: meter.snapshot() }))
      app.get(
        '/metrics',
        async () => new Response(await prometheusText(meter), { headers: { 'content-type': PROMETHEUS_TEXT } }),
      )
    },
  })
  return directory
}

/** Nodes of a network on one machine come and go while somebody watches. */
export const LOCAL_DESCRIBER: Partial<DescriberParams> = {
  allowLocalAddresses: true,
  retryInterval: seconds(1),
  refreshInterval: seconds(15),
}

/** What is said of a network that has no ledger yet. */
export function localNetworkDetails(apiUrl: string): NetworkDetails {
  const denomination = (base: string, display: string) => ({ base, display, displayExponent: 6 })
  return {
    connectedNyxd: '',
    networkName: 'starling-local',
    bech32Prefix: 'n',
    mixDenomination: denomination('unym', 'nym'),
    stakeDenomination: denomination('unyx', 'nyx'),
    endpoints: [],
    contracts: {},
    nymApiUrls: apiUrl === '' ? [] : [{ url: apiUrl, frontHosts: undefined }],
    nymVpnApiUrls: [],
    dnsFallbacks: [],
  }
}
