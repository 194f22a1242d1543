/**
 * `kill -9` of a gateway that is a process of its own, with its database on a real disk: `starling node run`, killed at random
 * instants while messages for its client arrive. Whatever the sender got an ack for must reach the client, once.
 *
 * The rest of the network lives in this process. Every node has a loopback address of its own, so this runs where the system
 * has them (Linux). @module
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { BUILD_INFORMATION } from '../../src/app/node/buildInformation.ts'
import { LOCAL_DESCRIBER, localNetworkDetails } from '../../src/app/node/directoryService.ts'
import { startNode } from '../../src/app/node/node.ts'
import { formatNodeConfig, type NodeConfig, type NodeRole } from '../../src/app/node/nodeConfig.ts'
import { loadOrCreateNodeKeys } from '../../src/app/node/nodeKeys.ts'
import { hasLoopbackAddresses } from '../../src/app/testnet/layout.ts'
import { Mixnet } from '../../src/client/mixnet.ts'
import { DEFAULT_TRAFFIC } from '../../src/client/trafficParams.ts'
import { toBase58 } from '../../src/foundation/base/base58.ts'
import { Meter, silentLog } from '../../src/foundation/base/observe.ts'
import { millis, seconds } from '../../src/foundation/base/units.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { sleep, withDeadline } from '../../src/foundation/platform/clock.ts'
import type { Endpoint } from '../../src/foundation/platform/net.ts'
import { nodeWorld } from '../../src/foundation/platform/node/nodeWorld.ts'
import { formatRecipient } from '../../src/protocol/packet/recipient.ts'
import { MemoryBondedNodes } from '../../src/roles/directory/bondedNodes.ts'
import { Directory } from '../../src/roles/directory/directory.ts'
import { numbered } from './support.test.ts'

const KILLS = 4
const COMMAND = fileURLToPath(new URL('../../src/app/cli/main.ts', import.meta.url))
const ADDRESSES = '127.0.77.'
const DIRECTORY = `${ADDRESSES}250`
const GATEWAY = 'tern'
const LIMIT = seconds(60)

const world = nodeWorld(nodeProvider)
const { clock } = world

const NODES: readonly { name: string; role: NodeRole; layer: 1 | 2 | 3 | undefined }[] = [
  { name: 'knot', role: 'mix', layer: 1 },
  { name: 'dunlin', role: 'mix', layer: 2 },
  { name: 'rook', role: 'mix', layer: 3 },
  { name: 'plover', role: 'entry', layer: undefined },
  { name: GATEWAY, role: 'entry', layer: undefined },
]

async function until(what: string, condition: () => boolean): Promise<void> {
  let waiting = true
  const poll = async () => {
    while (waiting && !condition()) await sleep(clock, millis(20))
  }
  await withDeadline(clock, LIMIT, what, poll()).finally(() => {
    waiting = false
  })
}

/** `starling node run`; resolves when it listens. */
async function spawnNode(folder: string): Promise<{ process: ChildProcess; http: Endpoint }> {
  const child = spawn(process.execPath, [COMMAND, '--json', 'node', 'run', folder], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const listening = new Promise<Endpoint>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const said = JSON.parse(line) as { event?: string; http?: Endpoint }
      if (said.event === 'listening' && said.http !== undefined) resolve(said.http)
    })
    child.once('exit', (code) => reject(new Error(`the gateway ended with exit code ${code}`)))
  })
  listening.catch(() => {})
  try {
    return { process: child, http: await withDeadline(clock, LIMIT, 'gateway process', listening) }
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
}

it('kill -9 of a gateway process under load: what was acknowledged arrives once', async (test) => {
  if (!(await hasLoopbackAddresses(world.net))) return test.skip('the system has one loopback address only')
  const folder = await mkdtemp(join(tmpdir(), 'starling-kill-'))
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(() => rm(folder, { recursive: true, force: true }))
  const bonded = new MemoryBondedNodes()
  const directory = await Directory.start(world, {
    folder: `${folder}/directory`,
    listen: { host: DIRECTORY, port: 0 },
    bonded,
    network: localNetworkDetails(''),
    build: BUILD_INFORMATION,
    describer: LOCAL_DESCRIBER,
  })
  cleanup.use(directory)
  const directories = [`http://${DIRECTORY}:${directory.endpoint?.port}/api`]

  const configOf = ({ name, role }: (typeof NODES)[number], index: number): NodeConfig => ({
    name,
    roles: [role],
    host: `${ADDRESSES}${index + 1}`,
    directories,
    data: `${folder}/${name}`,
    ports: { mix: 1789, http: 8080, ws: 9000 },
    noise: true,
    local: true,
    exit: { openProxy: false, allowLocalAddresses: false },
  })
  let gateway: ChildProcess | undefined
  cleanup.defer(() => void gateway?.kill('SIGKILL'))
  const listed = await Promise.all(
    NODES.map(async (node, index) => {
      const config = configOf(node, index)
      const bond = { nodeId: index + 1, host: config.host, layer: node.layer }
      if (node.name !== GATEWAY) {
        const running = await startNode(world, config, { meter: new Meter(), log: silentLog })
        cleanup.defer(() => running.stop())
        return { ...bond, identity: running.identity, httpPort: running.endpoints.http.port }
      }
      const { identity } = await loadOrCreateNodeKeys(world, config.data)
      await world.files.write(`${config.data}/node.toml`, formatNodeConfig(config))
      const spawned = await spawnNode(config.data)
      gateway = spawned.process
      return { ...bond, identity, httpPort: spawned.http.port }
    }),
  )
  bonded.set(listed)
  await withDeadline(clock, LIMIT, 'network', directory.ready)
  const identityOf = (name: string) => listed[NODES.findIndex((node) => node.name === name)]?.identity as Uint8Array

  const connect = async (at: string, meter: Meter, onMessage: (data: Uint8Array) => void): Promise<Mixnet> => {
    const identity = identityOf(at)
    const mixnet = await Mixnet.connect(world, {
      directories,
      gateway: toBase58(identity),
      // Nobody is asked for anything outside.
      exit: formatRecipient({ identity, encryptionKey: identity, gateway: identity }),
      anonymous: false,
      traffic: { ...DEFAULT_TRAFFIC, mainStreamInterval: undefined },
      meter,
      onMessage: ({ data }) => onMessage(data),
    })
    cleanup.use(mixnet)
    return mixnet
  }
  const arrivals = new Map<number, number>()
  const senderMeter = new Meter()
  const receiverMeter = new Meter()
  const sender = await connect('plover', senderMeter, () => {})
  const receiver = await connect(GATEWAY, receiverMeter, (data) => {
    const number = new DataView(data.buffer, data.byteOffset).getUint32(0)
    arrivals.set(number, (arrivals.get(number) ?? 0) + 1)
  })
  const acked = () => senderMeter.snapshot().client_acked_total ?? 0

  let sent = 0
  let sending = true
  const load = async () => {
    while (sending) {
      for (let i = 0; i < 3; i++) {
        const message = { to: receiver.address, data: numbered(sent++), anonymous: false }
        await sender.client.send(message)
      }
      await sleep(clock, millis(40))
    }
  }
  const loading = load()
  for (let kill = 0; kill < KILLS; kill++) {
    const before = acked()
    await until('acks', () => acked() > before)
    // Drawn anew in every run: over many runs, every instant has its turn.
    await sleep(clock, millis(Math.random() * 700))
    const dying = gateway as ChildProcess
    dying.kill('SIGKILL')
    await once(dying, 'exit')
    const spawned = await spawnNode(`${folder}/${GATEWAY}`)
    gateway = spawned.process
  }
  sending = false
  await loading
  await until('every ack', () => acked() === sent)
  await until('every message', () => arrivals.size === sent)
  const repeated = [...arrivals].filter(([, times]) => times > 1)
  assert.deepEqual(repeated, [])
  test.diagnostic(`${sent} messages, ${senderMeter.snapshot().client_retransmitted_total ?? 0} fragments sent again`)
})
