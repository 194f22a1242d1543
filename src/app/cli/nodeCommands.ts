/** `starling node init` and `starling node run`. @module */
import { basename } from 'node:path'
import { toBase58 } from '../../foundation/base/base58.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { Meter } from '../../foundation/base/observe.ts'
import { minutes } from '../../foundation/base/units.ts'
import { startNode } from '../node/node.ts'
import { checkNodeConfig, formatNodeConfig, type NodeRole, readNodeConfig } from '../node/nodeConfig.ts'
import { loadOrCreateNodeKeys } from '../node/nodeKeys.ts'
import type { Session } from './session.ts'

export interface NodeInitOptions {
  readonly role: readonly NodeRole[]
  readonly host: string
  readonly directory: readonly string[]
  readonly name?: string
  readonly mixPort: number
  readonly httpPort: number
  readonly wsPort: number
  readonly noise: boolean
  readonly local: boolean
  readonly openProxy: boolean
  readonly allowLocalAddresses: boolean
}

const configPath = (folder: string): string => `${folder}/node.toml`

export async function initNode({ world, screen }: Session, folder: string, options: NodeInitOptions): Promise<number> {
  const path = configPath(folder)
  if ((await world.files.read(path)) !== undefined) {
    throw new MixnetError('BAD_ARGUMENT', { folder, why: 'there is a node already; its file is node.toml' })
  }
  const config = checkNodeConfig(
    {
      name: options.name ?? basename(folder),
      roles: options.role,
      host: options.host,
      directories: options.directory,
      data: folder,
      ports: { mix: options.mixPort, http: options.httpPort, ws: options.wsPort },
      noise: options.noise,
      local: options.local,
      exit: { openProxy: options.openProxy, allowLocalAddresses: options.allowLocalAddresses },
    },
    'the command line',
  )
  const keys = await loadOrCreateNodeKeys(world, folder)
  await world.files.write(path, formatNodeConfig(config))
  const identity = toBase58(keys.identity)
  screen.step('node', `${config.name}   ${config.roles.join(', ')}   ${config.host}`, undefined, {
    event: 'node',
    identity,
    config: path,
  })
  screen.line(
    `\n  Its identity      ${identity}\n  Its configuration ${path}\n  Run it            starling node run ${folder}`,
  )
  screen.line(
    `  Have it listed    give identity, host ${config.host} and HTTP port ${config.ports.http} to the directory`,
  )
  return 0
}

/** Logs to standard error until Ctrl-C: one line a minute when all is well. */
export async function runNode(session: Session, folder: string): Promise<number> {
  const { world, interrupted } = session
  const config = await readNodeConfig(world.files, configPath(folder))
  const log = session.logOf(config.name)
  const meter = new Meter()
  const starting = startNode(world, config, { meter, log, signal: interrupted })
  const node = await starting
  try {
    const { mix, http, ws } = node.endpoints
    log.info('node.listening', { mixPort: mix.port, httpPort: http.port, wsPort: ws?.port })
    session.screen.line('', { event: 'listening', mix, http, ws })
    const report = () => {
      const { pool, counters } = node.status()
      const dropped = Object.entries(counters).reduce(
        (sum, [name, value]) => (name.startsWith('mix_dropped') ? sum + value : sum),
        0,
      )
      log.info('node.minute', { packets: counters.mix_received_total ?? 0, pool, dropped })
      timer = world.clock.after(minutes(1), report)
    }
    let timer = world.clock.after(minutes(1), report)
    await session.untilInterrupted()
    timer.cancel()
    log.info('node.stopping')
  } finally {
    await node.stop()
  }
  return 0
}
