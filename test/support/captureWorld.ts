/**
 * A machine whose only wire is watched: run in a network namespace of its own, it makes another, with `starling` in it, and the mixnet and the sites at
 * the other end of the wire. Prints what went over the wire in each phase, a line of JSON each. Ends, and all of it with it, when it is killed.
 * Started by test/runCapture.test.ts. @module
 */
import { spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { WebSocketServer } from 'ws'
import { openPacketEngine } from '../../src/app/node/packetEngine.ts'
import { planNetwork } from '../../src/app/testnet/layout.ts'
import { startTestnet } from '../../src/app/testnet/testnet.ts'
import { silentLog } from '../../src/foundation/base/observe.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { nodeWorld } from '../../src/foundation/platform/node/nodeWorld.ts'
import { COMMAND, Starling } from './starling.ts'

const [folder = ''] = process.argv.slice(2)
const [HERE, THERE] = ['10.77.0.1', '10.77.0.2']

function must(...command: string[]): void {
  const [program = '', ...args] = command
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: 10_000 })
  if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}`)
}

const rest = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

// ---- the wire

const holder = spawn('unshare', ['--net', 'cat'], { stdio: ['pipe', 'ignore', 'ignore'] })
await rest(300)
const inside = ['nsenter', `--net=/proc/${holder.pid}/ns/net`] as const
must('ip', 'link', 'set', 'lo', 'up')
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

// ---- the other end

const world = nodeWorld(nodeProvider)
const packets = await openPacketEngine(world, { engine: 'passt', allowLocalAddresses: true, log: silentLog })
const network = await startTestnet({
  plans,
  folder: `${folder}/network`,
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
await new Promise<void>((resolve) => site.listen(0, HERE, resolve))
const echo = createSocket('udp4', (data, from) => echo.send(data, from.port, from.address))
await new Promise<void>((resolve) => echo.bind(0, HERE, resolve))
const chat = new WebSocketServer({ port: 0, host: HERE })
chat.on('connection', (socket) => socket.on('message', (data) => socket.send(`said ${data}`)))
await new Promise<void>((resolve) => chat.once('listening', resolve))
const [https, udp, ws] = [site.address(), echo.address(), chat.address()].map((one) => (one as AddressInfo).port)

// ---- the phases

const program = `${folder}/program.mjs`
writeFileSync(
  program,
  `import { createSocket } from 'node:dgram'
   import { once } from 'node:events'
   const socket = createSocket('udp4')
   const ask = setInterval(() => socket.send('hello', ${udp}, '${HERE}'), 1000)
   const [data] = await once(socket, 'message')
   clearInterval(ask)
   socket.close()
   const ws = new WebSocket('ws://${HERE}:${ws}/')
   await once(ws, 'open')
   ws.send('x')
   const [message] = await once(ws, 'message')
   console.log(String(data), message.data)
   ws.close()`,
)
const url = `https://${HERE}:${https}/`
const all = `curl -sSk ${url}; echo; dig +short +time=20 some.example; ping -c 2 -W 20 ${HERE} >/dev/null && echo pong; ${process.execPath} ${program}`
const restless = `echo started; while :; do curl -sk -m 2 ${url}; dig +time=1 +tries=1 other.example; ping -c 1 -W 1 ${HERE}; ping -c 1 -W 1 9.9.9.9; done`
const run = (script: string): Starling =>
  new Starling(['run', '--directory', network.directoryUrl, '--', 'sh', '-c', script], {
    command: [...inside, ...COMMAND],
  })

const entry = network.nodes.find(({ plan }) => plan.roles.includes('entry') && !plan.roles.includes('exit'))
const gateway = entry?.running.endpoints.ws
const directory = new URL(network.directoryUrl)
/** Neighbours ask each other for their hardware's addresses, whoever speaks. */
const kindOf = (line: string): string => {
  if (line.startsWith('ARP,')) return 'arp'
  const ends = /^IP (\S+) > (\S+): /.exec(line)?.slice(1) ?? []
  if (ends.includes(`${gateway?.host}.${gateway?.port}`)) return 'gateway'
  return ends.includes(`${directory.hostname}.${directory.port}`) ? 'directory' : line
}
const report = (phase: string, more: Record<string, unknown> = {}): void => {
  const kinds: Record<string, number> = {}
  for (const line of seen.splice(0)) kinds[kindOf(line)] = (kinds[kindOf(line)] ?? 0) + 1
  console.log(JSON.stringify({ phase, kinds, ...more }))
}

await rest(500)
report('before')
const programs = run(all)
const { code } = await programs.exited
report('programs', { code, out: programs.stdout, problem: programs.stderr })
const stopped = run(restless)
const deadline = Date.now() + 60_000
while (!stopped.stdout.includes('started') && Date.now() < deadline) await rest(50)
await rest(3000)
report('running')
stopped.child.kill('SIGSTOP')
await rest(4000)
report('stopped')
stopped.child.kill('SIGCONT')
await rest(3000)
report('continued')
stopped.child.kill('SIGKILL')
await rest(3000)
report('killed')
const again = run(`curl -sSk ${url}`)
await again.exited
report('restarted', { out: again.stdout, problem: again.stderr })
process.exit(0)
