/** `starling node init` and `starling node run`. @module */

import { basename, resolve } from 'node:path'
import { keccak256 } from 'viem/utils'
import { toBase58 } from '../../foundation/base/base58.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { type Log, Meter } from '../../foundation/base/observe.ts'
import { minutes } from '../../foundation/base/units.ts'
import type { Clock, Timer } from '../../foundation/platform/clock.ts'
import type { Files } from '../../foundation/platform/files.ts'
import type { Endpoint } from '../../foundation/platform/net.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { Ledger, LedgerAccount } from '../../network/ledger/ledger.ts'
import { startCredentialEngine } from '../node/credentialEngine.ts'
import { CONFIRMATIONS, openConfiguredLedger } from '../node/ledgerConfig.ts'
import { ledgerRedeemer } from '../node/ledgerRedeemer.ts'
import { type NodeOptions, type RunningNode, startNode } from '../node/node.ts'
import {
  checkNodeConfig,
  formatNodeConfig,
  type NodeConfig,
  type NodeRole,
  readNodeConfig,
} from '../node/nodeConfig.ts'
import { loadOrCreateNodeKeys } from '../node/nodeKeys.ts'
import { openPacketEngine } from '../node/packetEngine.ts'
import { explainLocked } from './folders.ts'
import { type LedgerOptions, openAccount, openChosenLedger, type SignerOptions } from './ledgerAccess.ts'
import { explainFileError } from './problems.ts'
import type { Session } from './session.ts'

export interface NodeInitOptions {
  readonly role: readonly NodeRole[]
  readonly host: string
  readonly directory: readonly string[]
  readonly name?: string
  readonly mixPort: number
  readonly httpPort: number
  readonly wsPort: number
  readonly hostname?: string
  readonly wssPort?: number
  readonly noise: boolean
  readonly local: boolean
  readonly openProxy: boolean
  readonly allowLocalAddresses: boolean
  /** Carries IP packets of clients, with that. */
  readonly packets?: 'passt' | 'tun'
}

const configPath = (folder: string): string => `${folder}/node.toml`

export async function initNode({ world, screen }: Session, folder: string, options: NodeInitOptions): Promise<number> {
  const path = configPath(folder)
  if ((await world.files.read(path)) !== undefined) {
    throw new MixnetError(
      'BAD_ARGUMENT',
      { folder },
      { message: 'there is a node already', nextStep: `Run it: starling node run ${folder}. Its settings: ${path}` },
    )
  }
  const config = checkNodeConfig(
    {
      name: options.name ?? basename(resolve(folder)),
      roles: options.role,
      host: options.host,
      ...(options.hostname === undefined ? {} : { hostname: options.hostname }),
      directories: options.directory,
      data: '.',
      ports: {
        mix: options.mixPort,
        http: options.httpPort,
        ws: options.wsPort,
        ...(options.wssPort === undefined ? {} : { wss: options.wssPort }),
      },
      noise: options.noise,
      local: options.local,
      exit: {
        openProxy: options.openProxy,
        allowLocalAddresses: options.allowLocalAddresses,
        ...(options.packets === undefined ? {} : { packets: options.packets }),
      },
    },
    'the command line',
  )
  const keys = await loadOrCreateNodeKeys(world, folder).catch((error: unknown) => {
    throw explainFileError(error)
  })
  await world.files.write(path, formatNodeConfig(config))
  const identity = toBase58(keys.identity)
  screen.step('node', `${config.name}   ${config.roles.join(', ')}   ${config.host}`, undefined, {
    event: 'node',
    identity,
    config: path,
  })
  screen.line(`\n  Its identity      ${identity}\n  Its configuration ${path}`)
  screen.line(`  Have it listed    starling directory add DIRECTORY-FOLDER ${folder}`)
  screen.line(`  Or on a ledger    starling node bond ${folder} --pledge "100 NYM" --key KEY-FILE`)
  screen.line(`  Run it            starling node run ${folder}`)
  if (!config.local && isLoopback(config.host)) {
    screen.line(
      `\n  ${config.host} is known to this machine only: directories take such a node with --local, on both sides.`,
    )
  }
  return 0
}

/** Throws BAD_ARGUMENT where `init` never made one there, CONFIG_INVALID. */
export async function readExistingNode(files: Files, folder: string): Promise<NodeConfig> {
  if ((await files.read(configPath(folder))) !== undefined) return readNodeConfig(files, configPath(folder))
  throw new MixnetError(
    'BAD_ARGUMENT',
    { folder },
    {
      message: 'there is no node',
      nextStep: `Make one: starling node init ${folder} --role mix --host IP (see starling node init --help)`,
    },
  )
}

/** With a key the node announces itself on the ledger: the bond's own, or one that its owner named (`node announcer`). */
export type NodeRunOptions = LedgerOptions & SignerOptions

type OnLedger = Pick<NodeOptions, 'ledger' | 'redeemer'>

/** Announcing, and being paid for tickets, with one account. */
function ledgerParts(ledger: Ledger, account: LedgerAccount, confirmations: number): OnLedger {
  return {
    ledger: { ledger, account, keccak256: (bytes) => keccak256(bytes, 'bytes') },
    redeemer: (gateway) => ledgerRedeemer({ ledger, account, gateway, confirmations }),
  }
}

/** Logs to standard error until Ctrl-C: one line a minute when all is well. */
export async function runNode(session: Session, folder: string, options: NodeRunOptions = {}): Promise<number> {
  const { world, interrupted, screen } = session
  const config = await readExistingNode(world.files, folder)
  const log = session.logOf(config.name)
  const meter = new Meter()
  const onLedger = (await typedLedger(session, config, options)) ?? (await configuredLedger(world, config))
  screen.step('directory', config.directories.join(', '))
  // Whoever serves clients takes their tickets, where the network has issuers.
  const { packets = 'off', allowLocalAddresses } = config.exit
  const wayOut =
    packets !== 'off' && config.roles.includes('exit')
      ? await openPacketEngine(world, { engine: packets, allowLocalAddresses, log: log.child('exit') })
      : undefined
  const engine = config.roles.some((role) => role !== 'mix') ? startCredentialEngine() : undefined
  const node = await startNode(world, config, {
    meter,
    log,
    signal: interrupted,
    onStep: (wanted, used) => log.warn('port.taken', { wanted, used }),
    ...(engine && { credentials: engine }),
    wayOut,
    ...onLedger,
  }).catch(async (error: unknown) => {
    await engine?.close()
    await wayOut?.close()
    throw explainLocked(error, folder, 'Stop it: one node is one process.')
  })
  try {
    const { mix, http, ws } = node.endpoints
    const shown = { 'takes packets': at(mix), ...(ws === undefined ? {} : { 'takes clients': `ws://${at(ws)}/` }) }
    screen.step('node', `${config.name}   ${config.roles.join(', ')}`, undefined, { event: 'listening', mix, http, ws })
    for (const [label, where] of Object.entries(shown)) screen.line(`  ${label.padEnd(16)}${where}`)
    screen.line(`  status          http://${at(http)}/status\n  metrics         http://${at(http)}/metrics`)
    screen.line('  stop            Ctrl-C')
    node.ready.then(
      () => screen.line('', { event: 'ready' }),
      // Said in the log, with its reason.
      () => {},
    )
    const stopReports = reportEveryMinute(world.clock, node, log)
    await session.untilInterrupted()
    stopReports()
    log.info('node.stopping')
  } finally {
    await node.stop()
    await engine?.close()
  }
  return 0
}

async function typedLedger(
  session: Session,
  { local }: NodeConfig,
  options: NodeRunOptions,
): Promise<OnLedger | undefined> {
  if (options.key === undefined && options.signer === undefined) return undefined
  const { ledger } = await openChosenLedger(session, options)
  const account = await openAccount(session, ledger, options)
  session.screen.step('ledger', `announces itself, and is paid for tickets, as ${account.address}`)
  return ledgerParts(ledger, account, local ? 0 : CONFIRMATIONS)
}

async function configuredLedger(world: World, { ledger: config }: NodeConfig): Promise<OnLedger | undefined> {
  if (config === undefined) return undefined
  const { ledger, account } = await openConfiguredLedger(world, config)
  return ledgerParts(ledger, account, config.confirmations)
}

function reportEveryMinute(clock: Clock, node: RunningNode, log: Log): () => void {
  let before = { packets: 0, dropped: 0 }
  let timer: Timer
  const report = () => {
    const { pool, counters } = node.status()
    const total = (prefix: string) =>
      Object.entries(counters).reduce((sum, [name, value]) => (name.startsWith(prefix) ? sum + value : sum), 0)
    const now = { packets: total('mix_received_total'), dropped: total('mix_dropped_total') }
    log.info('minute', { packets: now.packets - before.packets, pool, dropped: now.dropped - before.dropped })
    before = now
    timer = clock.after(minutes(1), report)
  }
  timer = clock.after(minutes(1), report)
  return () => timer.cancel()
}

const isLoopback = (ip: string): boolean => ip.startsWith('127.') || ip === '::1'

const at = ({ host, port }: Endpoint): string => `${host.includes(':') ? `[${host}]` : host}:${port}`
