/**
 * A machine whose only wire is watched: a network namespace inside the one that we are in, and the mixnet and the sites at the other end of the wire, which
 * are ours. The network that we are in must be nobody else's. @module
 */
import { spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { readFileSync, readlinkSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { openPacketEngine } from '../../src/app/node/packetEngine.ts'
import { planNetwork } from '../../src/app/testnet/layout.ts'
import { startTestnet } from '../../src/app/testnet/testnet.ts'
import { silentLog } from '../../src/foundation/base/observe.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { nodeWorld } from '../../src/foundation/platform/node/nodeWorld.ts'

/** The ends of the wire, and a public address at our end. */
export const HERE = '10.77.0.1'
export const THERE = '10.77.0.2'
const PUBLIC = '9.9.9.8'

export interface WiredMachine {
  /** What runs a command on it. */
  readonly inside: readonly [string, ...string[]]
  readonly directoryUrl: string
  /** Of the site: https, at our end of the wire and at the public address. */
  readonly url: string
  readonly publicUrl: string
  /** What the wire has shown since it was asked for the last time: how many packets of each kind; what is of no kind by its text. */
  shown(): Promise<Readonly<Record<string, number>>>
}

/** Looked at now and then, since nobody tells us. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

export function must(...command: string[]): string {
  const [program = '', ...args] = command
  const { status, stderr, stdout } = spawnSync(program, args, { encoding: 'utf8', timeout: 10_000 })
  if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}`)
  return stdout
}

const networkOf = (pid: number | 'self' | undefined): string => readlinkSync(`/proc/${pid}/ns/net`)

/** `folder`: of the mixnet's nodes. All of it ends with this process. */
export async function wiredMachine(folder: string): Promise<WiredMachine> {
  const holder = spawn('unshare', ['--net', '--mount', 'cat'], { stdio: ['pipe', 'ignore', 'ignore'] })
  await until('it has a network of its own', () => networkOf(holder.pid) !== networkOf('self'))
  const inside = ['nsenter', `--net=/proc/${holder.pid}/ns/net`, `--mount=/proc/${holder.pid}/ns/mnt`] as const
  must('ip', 'link', 'set', 'lo', 'up')
  must('ip', 'addr', 'add', PUBLIC, 'dev', 'lo')
  // Each namespace has its own, and passt pings for others.
  must('sysctl', '-q', '-w', 'net.ipv4.ping_group_range=0 2147483647')
  must('ip', 'link', 'add', 'name', 'outer', 'type', 'veth', 'peer', 'name', 'inner')
  must('ip', 'link', 'set', 'inner', 'netns', String(holder.pid))
  for (const set of [[], inside]) must(...set, 'sysctl', '-q', '-w', 'net.ipv6.conf.all.disable_ipv6=1')
  const plans = planNetwork({ mixNodes: 3, entries: 1, exits: 1 }, true).map((plan) => ({
    ...plan,
    host: `10.77.0.${10 + plan.nodeId}`,
  }))
  for (const ip of [HERE, ...plans.map(({ host }) => host)]) must('ip', 'addr', 'add', `${ip}/24`, 'dev', 'outer')
  must('ip', 'link', 'set', 'outer', 'up')
  // What the exit sends into the world is not the client's, and goes another way: nowhere.
  must('ip', 'link', 'add', 'name', 'world', 'type', 'veth', 'peer', 'name', 'nowhere')
  must('ip', 'addr', 'add', '10.78.0.1/24', 'dev', 'world')
  must('ip', 'link', 'set', 'world', 'up')
  must('ip', 'route', 'add', 'default', 'via', '10.78.0.2')
  must(...inside, 'ip', 'link', 'set', 'lo', 'up')
  must(...inside, 'ip', 'addr', 'add', `${THERE}/24`, 'dev', 'inner')
  must(...inside, 'ip', 'link', 'set', 'inner', 'up')
  // Whatever leaks has somewhere to go.
  must(...inside, 'ip', 'route', 'add', 'default', 'via', HERE)
  const seen: string[] = []
  const capture = spawn('tcpdump', ['-i', 'outer', '-n', '-l', '-t', '-q', '--immediate-mode'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  createInterface({ input: capture.stdout }).on('line', (line) => seen.push(line))
  await new Promise((resolve) => capture.stderr.once('data', resolve))

  const world = nodeWorld(nodeProvider)
  const packets = await openPacketEngine(world, { engine: 'passt', allowLocalAddresses: true, log: silentLog })
  const network = await startTestnet({
    plans,
    folder,
    directory: { host: HERE, port: 8080 },
    noise: true,
    world,
    worldOf: () => world,
    wayOutOf: () => packets,
    logOf: () => silentLog,
  })
  const fixture = (name: string) => readFileSync(new URL(`../fixtures/tls/${name}`, import.meta.url))
  const site = createServer({ key: fixture('key.pem'), cert: fixture('certificate.pem') }, (_, response) =>
    response.end('the site'),
  )
  await new Promise<void>((resolve) => site.listen(0, '0.0.0.0', resolve))

  const { port } = site.address() as AddressInfo
  const entry = network.nodes.find(({ plan }) => plan.roles.includes('entry') && !plan.roles.includes('exit'))
  const gateway = entry?.running.endpoints.ws
  const directory = new URL(network.directoryUrl)
  const kindOf = (line: string): string => {
    // Neighbours ask each other for their hardware's addresses, whoever speaks.
    if (line.startsWith('ARP,')) return 'arp'
    const ends = /^IP (\S+) > (\S+): /.exec(line)?.slice(1) ?? []
    if (ends.includes(`${gateway?.host}.${gateway?.port}`)) return 'gateway'
    return ends.includes(`${directory.hostname}.${directory.port}`) ? 'directory' : line
  }
  const asker = createSocket('udp4')
  let marks = 200
  return {
    inside,
    directoryUrl: network.directoryUrl,
    url: `https://${HERE}:${port}/`,
    publicUrl: `https://${PUBLIC}:${port}/`,
    async shown() {
      // All of it is here once our own question for a neighbour that is not there is.
      const nobody = `10.77.0.${marks++}`
      asker.send('mark', 9, nobody)
      await until('the wire is read', () => seen.some((line) => line.startsWith(`ARP, Request who-has ${nobody} `)))
      const kinds: Record<string, number> = {}
      for (const line of seen.splice(0)) kinds[kindOf(line)] = (kinds[kindOf(line)] ?? 0) + 1
      return kinds
    },
  }
}
