/** Another machine: a network namespace at the other end of a cable. For tests that have a network of their own. @module */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

export const run = (program: string, ...args: string[]): string =>
  execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 20_000 })

/** Echoes what UDP and TCP bring, and says on its output from where each came. Sends again every 100 ms to whoever wrote "more". */
const ECHO = `
const { createSocket } = require('node:dgram')
const { createServer } = require('node:net')
for (const family of ['udp4', 'udp6']) {
  const socket = createSocket({ type: family, ipv6Only: family === 'udp6' })
  socket.on('message', (data, { address, port }) => {
    console.log(JSON.stringify({ over: family, address, port, text: String(data) }))
    const answer = () => socket.send(data, port, address)
    answer()
    if (String(data) === 'more') setInterval(answer, 100)
  })
  socket.bind(7000)
}
createServer((socket) => {
  console.log(JSON.stringify({ over: 'tcp', address: socket.remoteAddress, port: socket.remotePort, text: '' }))
  socket.on('error', () => {})
  socket.pipe(socket)
}).listen(7000, '::', () => console.log(JSON.stringify({ over: 'start' })))
`

export interface Heard {
  readonly over: string
  readonly address: string
  readonly port: number
  readonly text: string
}

export class WorldNamespace {
  readonly heard: Heard[] = []
  readonly #holder: ChildProcess
  readonly #children: ChildProcess[] = []

  /** `device` is made on our side, with these addresses; the other side has `theirs`. */
  constructor(device: string, ours: readonly string[], theirs: readonly string[]) {
    this.#holder = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' })
    const pid = String(this.#holder.pid)
    const own = run('readlink', '/proc/self/ns/net')
    while (run('readlink', `/proc/${pid}/ns/net`) === own);
    run('ip', 'link', 'add', device, 'type', 'veth', 'peer', 'name', 'up0', 'netns', pid)
    for (const address of ours) run('ip', 'addr', 'add', address, 'dev', device, ...nodad(address))
    run('ip', 'link', 'set', device, 'up')
    for (const address of theirs) this.run('ip', 'addr', 'add', address, 'dev', 'up0', ...nodad(address))
    for (const name of ['lo', 'up0']) this.run('ip', 'link', 'set', name, 'up')
  }

  /** Of a process in it. */
  get pid(): number {
    return this.#holder.pid as number
  }

  run(...command: string[]): string {
    return run('nsenter', '-t', String(this.pid), '-n', '--', ...command)
  }

  start(...command: string[]): ChildProcess {
    const child = spawn('nsenter', ['-t', String(this.pid), '-n', '--', ...command], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#children.push(child)
    return child
  }

  /** Ports 7000 answer, over IPv4 and IPv6. */
  async serveEcho(): Promise<void> {
    const child = this.start(process.execPath, '-e', ECHO)
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
    lines.on('line', (line) => this.heard.push(JSON.parse(line)))
    await once(lines, 'line')
  }

  close(): void {
    for (const child of [...this.#children, this.#holder]) child.kill('SIGKILL')
  }
}

const nodad = (address: string): string[] => (address.includes(':') ? ['nodad'] : [])
