/** `starling directory init`, `add` and `run`. @module */
import { parse, stringify } from 'smol-toml'
import { toBase58 } from '../../foundation/base/base58.ts'
import { fromUtf8Lossy, utf8 } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { Meter } from '../../foundation/base/observe.ts'
import type { Files } from '../../foundation/platform/files.ts'
import type { LedgerAccount } from '../../network/ledger/ledger.ts'
import { readBondedNodes } from '../../roles/directory/bondedNodes.ts'
import { formatDirectoryConfig, readDirectoryConfig, startDirectory } from '../node/directoryService.ts'
import type { NodeConfig } from '../node/nodeConfig.ts'
import { loadOrCreateNodeKeys } from '../node/nodeKeys.ts'
import { lockFolder } from './folders.ts'
import { readExistingNode } from './nodeCommands.ts'
import type { Session } from './session.ts'

export interface DirectoryInitOptions {
  readonly host: string
  readonly port: number
  readonly local: boolean
}

interface BondedEntry {
  readonly nodeId: number
  readonly identity: string
  readonly host: string
  readonly httpPort: number
  readonly layer?: 1 | 2 | 3
}

export interface DirectoryAddOptions {
  readonly layer?: 1 | 2 | 3
}

const NODES_HEAD =
  '# The nodes of this network: "starling directory add" writes here, and so may you. Read again when it changes.\n'

/** A folder that `directory init` made, or a TOML file that somebody wrote. */
const configPath = (path: string): string => (path.endsWith('.toml') ? path : `${path}/directory.toml`)

export async function initDirectory(
  { world, screen }: Session,
  folder: string,
  options: DirectoryInitOptions,
): Promise<number> {
  const path = configPath(folder)
  if ((await world.files.read(path)) !== undefined) {
    throw new MixnetError(
      'BAD_ARGUMENT',
      { folder },
      { message: 'there is a directory already', nextStep: `Run it: starling directory run ${folder}` },
    )
  }
  const bonded = `${folder}/nodes.toml`
  await world.files.write(bonded, utf8(`${NODES_HEAD}nodes = []\n`))
  await world.files.write(
    path,
    formatDirectoryConfig({
      listen: { host: options.host, port: options.port },
      bonded: 'nodes.toml',
      data: 'state',
      epochLengthSeconds: 3600,
      validityEpochs: 24,
      issuers: [],
      local: options.local,
    }),
  )
  screen.step('directory', path, undefined, { event: 'directory', config: path, nodes: bonded })
  screen.line(
    `\n  Add nodes   starling directory add ${folder} NODE-FOLDERS\n  Run it      starling directory run ${folder}`,
  )
  return 0
}

/** Puts nodes that `node init` made into the file of nodes: all of them or none. */
export async function addToDirectory(
  { world, screen }: Session,
  folder: string,
  nodeFolders: readonly string[],
  { layer }: DirectoryAddOptions,
): Promise<number> {
  const { files } = world
  const { bonded: path } = await readDirectoryConfig(files, await existing(files, folder))
  if (path === undefined) {
    const nextStep = 'Bond the nodes: starling node bond --help'
    throw new MixnetError('BAD_ARGUMENT', { folder }, { message: 'the ledger says who is in this network', nextStep })
  }
  const contents = (await files.read(path)) ?? utf8('nodes = []\n')
  const known = readBondedNodes(contents, path)
  // Entries that were there are kept as they are; comments do not survive, which the file's first line says.
  const { nodes } = parse(fromUtf8Lossy(contents)) as { nodes: Record<string, unknown>[] }
  const identities = new Set(known.map(({ identity }) => toBase58(identity)))
  let nodeId = Math.max(0, ...known.map((one) => one.nodeId))
  const added: { readonly node: NodeConfig; readonly entry: BondedEntry }[] = []
  for (const nodeFolder of nodeFolders) {
    const node = await readExistingNode(files, nodeFolder)
    if (layer !== undefined && !node.roles.includes('mix')) {
      const nextStep = 'Only mix nodes have a layer. Add this one by itself, without --layer.'
      throw new MixnetError(
        'BAD_ARGUMENT',
        { node: nodeFolder, '--layer': layer },
        { message: 'it is no mix node', nextStep },
      )
    }
    const identity = toBase58((await loadOrCreateNodeKeys(world, nodeFolder)).identity)
    if (identities.has(identity)) {
      const next = `Its entry is in ${path}.`
      throw new MixnetError('BAD_ARGUMENT', { node: nodeFolder }, { message: 'the directory has it', nextStep: next })
    }
    identities.add(identity)
    nodeId++
    const entry = { nodeId, identity, host: node.host, httpPort: node.ports.http }
    added.push({ node, entry: layer === undefined ? entry : { ...entry, layer } })
  }
  await files.write(path, utf8(`${NODES_HEAD}${stringify({ nodes: [...nodes, ...added.map(({ entry }) => entry)] })}`))
  for (const { node, entry } of added) {
    const where = layer === undefined ? '' : `   layer ${layer}`
    const text = `${node.name}   ${node.roles.join(', ')}   ${node.host}${where}   as node ${entry.nodeId}`
    screen.step('added', text, undefined, { event: 'added', ...entry })
  }
  return 0
}

/** Logs to standard error until Ctrl-C. */
export async function runDirectory(session: Session, path: string): Promise<number> {
  const { world, screen } = session
  const config = await readDirectoryConfig(world.files, await existing(world.files, path))
  const lock = await lockFolder(world.files, config.data, 'Stop it: one directory has one process.')
  const log = session.logOf('directory')
  try {
    const running = await startDirectory(world, config, { meter: new Meter(), log })
    const { directory, driver } = running
    try {
      const { endpoint } = directory
      const url = `http://${endpoint?.host}:${endpoint?.port}/api`
      screen.step('directory', url, undefined, { event: 'listening', http: endpoint, url })
      screen.step('nodes', config.bonded ?? `those bonded on the ledger of ${config.ledger?.deployment}`)
      if (driver !== undefined) await showDriver(screen, driver)
      screen.step('stop', 'Ctrl-C')
      directory.ready.then(
        () => screen.step('network', 'usable', undefined, { event: 'ready' }),
        () => {},
      )
      await session.untilInterrupted()
      log.info('directory.stopping')
    } finally {
      await running.stop()
    }
  } finally {
    await lock.release()
  }
  return 0
}

async function showDriver(screen: Session['screen'], driver: LedgerAccount): Promise<void> {
  const coins = await driver.coins()
  const isPoor = coins === 0n ? ': it has no coins to pay fees with, send it some' : ''
  screen.step('driver', `${driver.address} pays for the steps of epochs${isPoor}`, undefined, {
    event: 'driver',
    address: driver.address,
    wei: String(coins),
  })
}

async function existing(files: Files, path: string): Promise<string> {
  const file = configPath(path)
  if ((await files.read(file)) !== undefined) return file
  throw new MixnetError(
    'BAD_ARGUMENT',
    { path },
    {
      message: 'there is no directory',
      nextStep: `Make one: starling directory init ${path.replace(/\/?[^/]*\.toml$/, '') || 'directory'}`,
    },
  )
}
