/** A directory as a process: its configuration, and what it says of a network without a ledger. @module */
import { keccak_256 } from '@noble/hashes/sha3.js'
import { stringify } from 'smol-toml'
import { z } from 'zod'
import { utf8 } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import type { Log, Meter } from '../../foundation/base/observe.ts'
import { seconds } from '../../foundation/base/units.ts'
import type { Files } from '../../foundation/platform/files.ts'
import type { World } from '../../foundation/platform/world.ts'
import { readDeployment } from '../../network/ledger/deployment.ts'
import type { LedgerAccount } from '../../network/ledger/ledger.ts'
import { openLedger } from '../../network/ledger/rpcLedger.ts'
import type { NetworkDetails } from '../../protocol/wire/directory/networkDetails.ts'
import { FileBondedNodes } from '../../roles/directory/bondedNodes.ts'
import type { DescriberParams } from '../../roles/directory/describerParams.ts'
import { Directory } from '../../roles/directory/directory.ts'
import { EpochDriver } from '../../roles/directory/epochDriver.ts'
import { DEFAULT_LEDGER_PARAMS, LedgerNetwork } from '../../roles/directory/ledgerNetwork.ts'
import { BUILD_INFORMATION } from './buildInformation.ts'
import { besideFile, readConfigFile } from './configFile.ts'
import { loadOrCreateLedgerKey } from './ledgerKeys.ts'
import { epochLedger, ledgerSource } from './ledgerSources.ts'
import { PROMETHEUS_TEXT, prometheusText } from './metrics.ts'

export interface DirectoryLedgerConfig {
  /** JSON-RPC of the chain, in order of preference. */
  readonly rpc: readonly string[]
  /** File that says where the contracts are. */
  readonly deployment: string
  /** Blocks on top of the one that is believed. */
  readonly confirmations: number
  /** File of the key whose account drives the epochs and pays for it, made where there is none. Without it others have to. */
  readonly driverKey?: string | undefined
}

export interface DirectoryConfig {
  readonly listen: { readonly host: string; readonly port: number }
  /** File that lists the nodes of the network; none where a ledger does. */
  readonly bonded?: string | undefined
  /** Says who is in the network, what everybody does, and which epoch it is. */
  readonly ledger?: DirectoryLedgerConfig | undefined
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

const urls = z.array(z.url({ protocol: /^https?$/ }))

const schema: z.ZodType<DirectoryConfig, unknown> = z
  .strictObject({
    listen: z
      .strictObject({ host: z.string().default('127.0.0.1'), port: z.number().int().min(0).max(65_535).default(8080) })
      .prefault({}),
    bonded: z.string().min(1).optional(),
    ledger: z
      .strictObject({
        rpc: urls.min(1).max(8),
        deployment: z.string().min(1),
        confirmations: z.number().int().min(0).max(100).default(DEFAULT_LEDGER_PARAMS.confirmations),
        driverKey: z.string().min(1).optional(),
      })
      .optional(),
    data: z.string().min(1),
    epochLengthSeconds: z.number().int().min(10).default(3600),
    validityEpochs: z.number().int().min(3).default(24),
    issuers: urls.max(100).default([]),
    local: z.boolean().default(false),
  })
  .refine(({ bonded, ledger }) => (bonded === undefined) !== (ledger === undefined), {
    path: ['bonded'],
    message: 'give a file of nodes, or a ledger: one of them, not both',
  })

/** Throws CONFIG_INVALID. */
export async function readDirectoryConfig(files: Files, path: string): Promise<DirectoryConfig> {
  const { bonded, ledger, data, ...config } = await readConfigFile(files, path, schema)
  const beside = (file: string | undefined): string | undefined => file && besideFile(path, file)
  return {
    ...config,
    data: besideFile(path, data),
    bonded: beside(bonded),
    ledger: ledger && {
      ...ledger,
      deployment: besideFile(path, ledger.deployment),
      driverKey: beside(ledger.driverKey),
    },
  }
}

export function formatDirectoryConfig(config: DirectoryConfig): Uint8Array {
  return utf8(
    `# A directory. Written by "starling directory init"; docs/guides/run-a-network.md explains every key\n${stringify(config)}`,
  )
}

export interface RunningDirectory {
  readonly directory: Directory
  /** The account that drives the epochs, where this directory does. */
  readonly driver: LedgerAccount | undefined
  stop(): Promise<void>
}

/** Starts serving. Throws what Directory.start does, and CONFIG_INVALID and LEDGER_… where the ledger cannot be read. */
export async function startDirectory(
  world: World,
  config: DirectoryConfig,
  { meter, log }: { meter: Meter; log: Log },
): Promise<RunningDirectory> {
  const { listen, bonded, data, epochLengthSeconds, validityEpochs, issuers, local } = config
  const kept = config.ledger && (await openKept(world, config.ledger, { meter, log }))
  let directory: Directory | undefined
  try {
    directory = await Directory.start(world, {
      folder: data,
      listen,
      ...(bonded === undefined ? {} : { bonded: new FileBondedNodes({ world, path: bonded, meter, log }) }),
      ledger: kept?.network,
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
  } catch (error) {
    await kept?.network.stop()
    throw error
  }
  kept?.driver?.start()
  return {
    directory,
    driver: kept?.account,
    async stop() {
      await kept?.driver?.stop()
      await directory.stop()
    },
  }
}

async function openKept(
  world: World,
  { rpc, deployment: path, confirmations, driverKey }: DirectoryLedgerConfig,
  { meter, log }: { meter: Meter; log: Log },
) {
  const deployment = await readDeployment(world.files, path)
  if (deployment === undefined) {
    const problem = 'there is no such file: "starling ledger deploy" writes it'
    throw new MixnetError('CONFIG_INVALID', { key: 'ledger.deployment', problem, path })
  }
  const ledger = openLedger(world, { urls: rpc, deployment })
  const source = ledgerSource(ledger, keccak_256)
  const network = await LedgerNetwork.open({
    world,
    source,
    params: { confirmations },
    meter,
    log: log.child('ledger'),
  })
  if (driverKey === undefined) return { network, driver: undefined, account: undefined }
  const account = ledger.account(await loadOrCreateLedgerKey(world, driverKey))
  const driver = new EpochDriver({
    world,
    ledger: epochLedger(ledger, account, keccak_256),
    meter,
    log: log.child('driver'),
  })
  return { network, driver, account }
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
