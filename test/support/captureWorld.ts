/**
 * A machine whose only wire is watched: run in a network namespace of its own, it makes another, with `starling` in it, and the mixnet and the sites at
 * the other end of the wire. Prints what went over the wire in each phase, a line of JSON each. Ends, and all of it with it, when it is killed.
 * Started by test/runCapture.test.ts. @module
 */
import { spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { readFileSync, readlinkSync, writeFileSync } from 'node:fs'
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
import { LongChat, saidBy } from './longChat.ts'
import { COMMAND, Starling } from './starling.ts'

const [folder = ''] = process.argv.slice(2)
const [HERE, THERE] = ['10.77.0.1', '10.77.0.2']

function must(...command: string[]): void {
  const [program = '', ...args] = command
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: 10_000 })
  if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}`)
}

/** Looked at now and then, since nobody tells us. */
async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const networkOf = (pid: number | 'self' | undefined): string => readlinkSync(`/proc/${pid}/ns/net`)

// ---- the wire

const holder = spawn('unshare', ['--net', 'cat'], { stdio: ['pipe', 'ignore', 'ignore'] })
await until('it has a network of its own', () => networkOf(holder.pid) !== networkOf('self'))
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
const long = await LongChat.listen(HERE)
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
const staying = `${folder}/staying.mjs`
writeFileSync(staying, long.program(HERE))
/** Beside the program that stays. */
const restless = `while :; do { curl -sk -m 2 ${url}; dig +time=1 +tries=1 other.example; ping -c 1 -W 1 ${HERE}; ping -c 1 -W 1 9.9.9.9; } >/dev/null 2>&1; echo tried; done`
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
const asker = createSocket('udp4')
let marks = 200
/** All that the wire has shown until now is here, once a question for a neighbour that is not there is: it is our own. */
async function report(phase: string, more: Record<string, unknown> = {}): Promise<void> {
  const nobody = `10.77.0.${marks++}`
  asker.send('mark', 9, nobody)
  await until('the wire is read', () => seen.some((line) => line.startsWith(`ARP, Request who-has ${nobody} `)))
  const kinds: Record<string, number> = {}
  for (const line of seen.splice(0)) kinds[kindOf(line)] = (kinds[kindOf(line)] ?? 0) + 1
  const chat = { heard: long.heard, sent: long.sent, program: saidBy(stays.stdout) }
  const fault = long.fault ?? chat.program.fault
  if (fault !== undefined) throw new Error(`the WebSocket, ${phase}: ${fault}`)
  console.log(JSON.stringify({ phase, kinds, chat, ...more }))
}

const stays = run(`{ ${restless}; } & exec ${process.execPath} ${staying}`)
const tried = (): number => stays.stdout.match(/^tried$/gm)?.length ?? 0
/** Both ends of the WebSocket have heard so many more. */
const moreHeard = (more: number): Promise<void> => {
  const [here, there] = [long.heard + more, saidBy(stays.stdout).heard + more]
  return until('the WebSocket has gone on', () => long.heard >= here && saidBy(stays.stdout).heard >= there)
}
await moreHeard(4)
await report('running')
const programs = run(all)
const { code } = await programs.exited
await report('programs', { code, out: programs.stdout, problem: programs.stderr })
await moreHeard(4)
stays.child.kill('SIGSTOP')
const before = saidBy(stays.stdout)
await until('the program has gone on', () => saidBy(stays.stdout).sent > before.sent)
// Nothing of what it says from here on gets through.
const atStop = saidBy(stays.stdout).sent
const [triedBefore, serverBefore] = [tried(), long.sent]
await until('others were tried meanwhile', () => tried() >= triedBefore + 2 && saidBy(stays.stdout).sent >= atStop + 10)
await report('stopped', { atStop })
stays.child.kill('SIGCONT')
const [owed, owing] = [saidBy(stays.stdout).sent, long.sent]
await until('all that was said meanwhile is heard', () => long.heard >= owed && saidBy(stays.stdout).heard >= owing)
await moreHeard(4)
await report('continued', { saidMeanwhile: owing - serverBefore, owed })
stays.child.kill('SIGKILL')
await stays.exited
const [untilHangup = '', ...afterwards] = stays.stdout.split(/^hangup$/m)
await report('killed', { sentBefore: saidBy(untilHangup).sent, sentAfter: saidBy(afterwards.join('\n')).sent })
const again = run(`curl -sSk ${url}`)
await again.exited
await report('restarted', { out: again.stdout, problem: again.stderr, connections: long.connections })
process.exit(0)
