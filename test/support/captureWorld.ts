/**
 * What the wire of a machine shows of programs in `starling run`: run in a network namespace of its own. Prints what went over the wire in each phase, a
 * line of JSON each. Ends, and all of it with it, when it is killed.
 * Started by test/runCapture.test.ts. @module
 */
import { createSocket } from 'node:dgram'
import { writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import { LongChat, saidBy } from './longChat.ts'
import { COMMAND, Starling } from './starling.ts'
import { HERE, until, wiredMachine } from './wiredMachine.ts'

const [folder = ''] = process.argv.slice(2)
const { inside, directoryUrl, url, shown } = await wiredMachine(`${folder}/network`)
const echo = createSocket('udp4', (data, from) => echo.send(data, from.port, from.address))
await new Promise<void>((resolve) => echo.bind(0, HERE, resolve))
const chat = new WebSocketServer({ port: 0, host: HERE })
chat.on('connection', (socket) => socket.on('message', (data) => socket.send(`said ${data}`)))
await new Promise<void>((resolve) => chat.once('listening', resolve))
const long = await LongChat.listen(HERE)
const [udp, ws] = [echo.address(), chat.address()].map((one) => (one as AddressInfo).port)

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
const all = `curl -sSk ${url}; echo; dig +short +time=20 some.example; ping -c 2 -W 20 ${HERE} >/dev/null && echo pong; ${process.execPath} ${program}`
const staying = `${folder}/staying.mjs`
writeFileSync(staying, long.program(HERE))
/** Beside the program that stays. */
const restless = `while :; do { curl -sk -m 2 ${url}; dig +time=1 +tries=1 other.example; ping -c 1 -W 1 ${HERE}; ping -c 1 -W 1 9.9.9.9; } >/dev/null 2>&1; echo tried; done`
const run = (script: string): Starling =>
  new Starling(['run', '--directory', directoryUrl, '--', 'sh', '-c', script], {
    command: [...inside, ...COMMAND],
  })

async function report(phase: string, more: Record<string, unknown> = {}): Promise<void> {
  const kinds = await shown()
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
