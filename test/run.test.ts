/**
 * `starling run`: programs that know nothing of the mixnet, each as it is installed, against servers on this machine. Left out where the tools are
 * missing, and says which. @module
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { WebSocketServer } from 'ws'
import { OWN_ADDRESS as host, NO_PASST } from '../src/roles/exit/ip/passtSupport.test.ts'
import { COMMAND, Starling } from './support/starling.ts'

const TOOLS = ['/usr/bin/socat', '/usr/bin/curl', '/dev/net/tun']
const missing = TOOLS.filter((tool) => !existsSync(tool))
const passes = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args, { input: '', timeout: 30_000 }).status === 0
/** In containers the tools may be there and the kernel still say no. */
const mayMakeNetworks = (): boolean => {
  const asWhom = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']
  return passes(
    'unshare',
    ...asWhom,
    '--net',
    '--mount',
    '--pid',
    '--fork',
    'ip',
    'tuntap',
    'add',
    'mode',
    'tun',
    'name',
    'probe',
  )
}
const skip =
  process.platform !== 'linux'
    ? 'network namespaces are for Linux'
    : missing.length > 0
      ? `not there: ${missing.join(', ')} (apt install socat curl)`
      : mayMakeNetworks()
        ? NO_PASST
        : 'this machine allows no network namespaces, or no devices in them'

/** Becomes an ordinary user who may use the device, in a view of the files that nobody else has: as on a desktop, where root gave it to him. */
const AS_USER = [
  ...['unshare', '--mount', 'sh', '-c'],
  'mount -t tmpfs tmpfs /dev/net && mknod -m 666 /dev/net/tun c 10 200 && exec setpriv --reuid 1000 --regid 1000 --clear-groups "$@"',
  'sh',
] as const
const USER_TOOLS = ['/usr/bin/setpriv', '/usr/bin/dig', '/usr/bin/ping']
function whyNoUser(): string | false {
  if (process.getuid?.() !== 0) return 'only root may become an ordinary user'
  const lacking = USER_TOOLS.filter((tool) => !existsSync(tool))
  if (lacking.length > 0) return `not there: ${lacking.join(', ')} (apt install dnsutils iputils-ping)`
  const [first, ...others] = AS_USER
  if (!passes(first, ...others, 'true')) return 'this machine lets root make no devices'
  const [node, main = ''] = COMMAND
  if (!passes(first, ...others, 'sh', '-c', 'test -x "$1" && test -r "$2"', 'sh', node, main))
    return 'an ordinary user may not read this folder'
  const probe = ['unshare', '--user', '--map-root-user', '--net', 'ip', 'tuntap', 'add', 'mode', 'tun', 'name', 'probe']
  return passes(first, ...others, ...probe) ? false : 'this machine allows an ordinary user no network namespaces'
}

/** Looked at now and then, since nobody tells us. */
async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000
  while (!holds()) {
    assert.ok(Date.now() < deadline, `waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Whether a process has that in its command line. */
function isRunning(text: string): boolean {
  return readdirSync('/proc').some((pid) => {
    if (!/^[0-9]+$/.test(pid)) return false
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text)
    } catch {
      return false
    }
  })
}

const BODY = Buffer.alloc(300_000, 7)

describe('programs that know nothing of the mixnet', { skip, timeout: 300_000 }, () => {
  let folder: string
  let network: Starling
  let directory: string
  const closing: (() => void)[] = []
  let https: number
  let udp: number
  let ws: number
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'starling-programs-'))
    // What is run as another user is read by him.
    await chmod(folder, 0o755)
    const ports = ['--directory-port', '26100', '--socks-port', '26105', '--status-port', '26106']
    network = new Starling(['up', '--json', '--free', '--no-ledger', '--data', join(folder, 'up'), ...ports])
    const tls = {
      key: readFileSync(new URL('./fixtures/tls/key.pem', import.meta.url)),
      cert: readFileSync(new URL('./fixtures/tls/certificate.pem', import.meta.url)),
    }
    const site = createServer(tls, (_, response) => response.end(BODY))
    await new Promise<void>((resolve) => site.listen(0, host, resolve))
    const echo = createSocket('udp4', (data, from) => {
      echo.send(data, from.port, from.address)
    })
    await new Promise<void>((resolve) => echo.bind(0, host, resolve))
    const chat = new WebSocketServer({ port: 0, host })
    chat.on('connection', (socket) => {
      socket.on('message', (data) => socket.send(`said ${data}`))
    })
    await new Promise<void>((resolve) => chat.once('listening', resolve))
    https = (site.address() as { port: number }).port
    udp = echo.address().port
    ws = (chat.address() as { port: number }).port
    closing.push(
      () => site.close(),
      () => echo.close(),
      () => chat.close(),
    )
    directory = (await network.event('directory')).url
    await network.event('proxy')
  })
  after(async () => {
    for (const close of closing) close()
    network?.child.kill('SIGTERM')
    await network?.exited
    await rm(folder, { recursive: true, force: true })
  })

  const run = async (...command: string[]) => {
    const ran = new Starling(['run', '--directory', directory, '--', ...command])
    const { code } = await ran.exited
    return { code, out: ran.stdout, bytes: ran.stdoutBytes, problem: ran.stderr }
  }

  it('curl over https, by name and by address; its exit code is ours', async () => {
    const got = await run('curl', '-sSk', `https://${host}:${https}/`)
    assert.equal(got.code, 0, got.problem)
    assert.ok(Buffer.from(got.bytes).equals(BODY))
    const named = await run('curl', '-sS', 'http://demo.starling/')
    assert.match(named.out, /behind a mixnet/)
    const refused = await run('curl', '-sS', `http://${host}:1/`)
    assert.equal(refused.code, 7, 'could not connect')
  })

  const talker = async (): Promise<string> => {
    const script = join(folder, 'program.mjs')
    await writeFile(
      script,
      `import { createSocket } from 'node:dgram'
       import { once } from 'node:events'
       const socket = createSocket('udp4')
       const ask = setInterval(() => socket.send('hello', ${udp}, '${host}'), 2000)
       socket.send('hello', ${udp}, '${host}')
       const [data] = await once(socket, 'message')
       clearInterval(ask)
       socket.close()
       console.log('udp', String(data))
       const ws = new WebSocket('ws://${host}:${ws}/')
       await once(ws, 'open')
       for (let i = 0; i < 20; i++) {
         ws.send(String(i))
         const [{ data }] = await once(ws, 'message')
         if (data !== 'said ' + i) throw new Error(data)
       }
       console.log('websocket', 20)
       ws.close()`,
    )
    return script
  }

  it('a UDP echo and a WebSocket that stays, of a program in one network', async () => {
    const got = await run(COMMAND[0], await talker())
    assert.equal(got.code, 0, got.problem)
    assert.equal(got.out, 'udp hello\nwebsocket 20\n')
  })

  it('all of it as an ordinary user, who stays one inside', { skip: skip || whyNoUser() }, async () => {
    const script = [
      'id -u',
      `curl -sSk -o /dev/null -w '%{size_download}\\n' https://${host}:${https}/`,
      'curl -sS http://demo.starling/ | grep -o "behind a mixnet"',
      'dig +short +time=20 some.example',
      `ping -c 2 -W 20 ${host} >/dev/null && echo pong`,
      `${COMMAND[0]} ${await talker()}`,
      'ip link set lo down 2>/dev/null || echo may not',
      'exit 9',
    ].join('; ')
    const ran = new Starling(['run', '--directory', directory, '--', 'sh', '-c', script], {
      command: [...AS_USER, ...COMMAND],
    })
    const { code } = await ran.exited
    assert.equal(code, 9, ran.stderr)
    const expected = `1000\n${BODY.length}\nbehind a mixnet\n198\\.18\\.\\d+\\.\\d+\npong\nudp hello\nwebsocket 20\nmay not\n`
    assert.match(ran.stdout, new RegExp(`^${expected}$`), ran.stderr)
  })

  it('inside there is no other network, and no way to the caches that ask for names outside', async () => {
    const got = await run(
      'sh',
      '-c',
      'ip -o link show | grep -v "lo:\\|starling" | wc -l; cat /etc/resolv.conf; ls /run/dbus 2>/dev/null; exit 9',
    )
    assert.equal(got.code, 9)
    assert.match(got.out, /^0\nnameserver 10\.64\.0\.1\n/)
    assert.doesNotMatch(got.out, /system_bus_socket/)
  })

  it('when the client is killed nothing of it stays, and the program hears that its terminal is gone', async () => {
    const heard = join(folder, 'heard')
    const marker = `'${heard}'`
    // Not a shell's trap: dash loses a signal that comes while it forks.
    const script = `process.on('SIGHUP', () => { fs.writeFileSync('${heard}', ''); process.exit() }); setInterval(() => {}, 1000); console.log('started')`
    const ran = new Starling(['run', '--directory', directory, '--', process.execPath, '-e', script])
    await until('the program runs', () => ran.stdout.includes('started'))
    ran.child.kill('SIGKILL')
    await until('the program has heard', () => existsSync(heard))
    // The shell inside, and with it everything that it started.
    await until('nothing is left', () => !isRunning(marker))
  })

  it('a program that is left hears a hangup, and how it ends is how we end', async () => {
    const script = `process.on('SIGHUP', () => process.exit(5)); setInterval(() => {}, 1000); console.log('started')`
    const ran = new Starling(['run', '--directory', directory, '--', process.execPath, '-e', script])
    await until('the program runs', () => ran.stdout.includes('started'))
    ran.child.kill('SIGTERM')
    assert.equal((await ran.exited).code, 5)
    assert.doesNotMatch(ran.stderr, /unexpected/)
  })

  const noTerminal = existsSync('/usr/bin/script') ? false : 'not there: script (apt install bsdutils)'
  it("at a terminal Ctrl-C is the program's, which may go on; how it ends is how we end", {
    skip: skip || noTerminal,
  }, async () => {
    const program = join(folder, 'patient.mjs')
    await writeFile(
      program,
      `let times = 0
       process.on('SIGINT', () => {
         console.log('heard ' + ++times)
         if (times === 3) process.exit(7)
       })
       setInterval(() => {}, 1000)
       console.log('heard ' + times)`,
    )
    // Where the shell that `script` starts stays between, Ctrl-C ends that one.
    const line = ['exec', ...COMMAND, 'run', '--directory', directory, '--', process.execPath, program].join(' ')
    const terminal = spawn('/usr/bin/script', ['-qec', line, '/dev/null'], { stdio: ['pipe', 'pipe', 'ignore'] })
    let shown = ''
    terminal.stdout.on('data', (chunk: Buffer) => (shown += chunk))
    const ended = once(terminal, 'close')
    try {
      for (const times of [0, 1, 2]) {
        await until(`it has heard ${times}`, () => shown.includes(`heard ${times}`))
        terminal.stdin.write('\x03')
      }
      assert.equal((await ended)[0], 7, shown)
    } finally {
      terminal.kill('SIGKILL')
    }
  })

  it("what it is prepared with is the system's, whatever PATH says; the program finds its own", async () => {
    const odd = { PATH: `/nowhere:${folder}` }
    const ran = new Starling(['run', '--directory', directory, '--', '/bin/sh', '-c', 'echo "$PATH"'], { env: odd })
    assert.equal((await ran.exit()).code, 0, ran.stderr)
    assert.equal(ran.stdout, `/nowhere:${folder}\n`)
  })

  it('a ping or datagram to a name is said to go nowhere, once, and not what name', async () => {
    const script = `const { createSocket } = require('node:dgram')
      const socket = createSocket('udp4')
      for (const port of [7, 8, 9]) socket.send('x', port, 'demo.starling', () => port === 9 && socket.close())`
    const got = await run(COMMAND[0], '-e', script)
    assert.equal(got.code, 0)
    assert.equal(got.problem.match(/to a name goes nowhere.*--name-server/g)?.length, 1, got.problem)
    assert.doesNotMatch(got.problem, /demo/)
    const scripts = new Starling(['--json', 'run', '--directory', directory, '--', COMMAND[0], '-e', script])
    assert.equal((await scripts.exited).code, 0)
    const told = scripts.stderr.trim().split('\n')
    assert.equal(told.filter((line) => JSON.parse(line).about === 'name').length, 1, scripts.stderr)
  })

  it('a command that does not exist, one that may not be run, and no command, are said, before anything is asked of the network', async () => {
    const nowhere = ['run', '--directory', 'http://127.0.0.1:1/api', '--']
    for (const [command, expected, says] of [
      ['no-such-program', 127, /no such program/],
      ['/no/such/program', 127, /no such program/],
      ['/etc/passwd', 126, /may run/],
      [folder, 126, /may run/],
    ] as const) {
      const ran = new Starling([...nowhere, command])
      assert.equal((await ran.exit()).code, expected, command)
      assert.match(ran.stderr, says)
    }
    const none = new Starling(['run', '--directory', directory])
    assert.equal((await none.exited).code, 2)
    assert.match(none.stderr, /program/)
  })
})
