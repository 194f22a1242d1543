/**
 * `starling run`: programs that know nothing of the mixnet, each as it is installed, against servers on this machine. Left out where the tools are
 * missing, and says which. @module
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { WebSocketServer } from 'ws'
import { COMMAND, Starling } from './support/starling.ts'

const TOOLS = ['/usr/bin/passt', '/usr/bin/socat', '/usr/bin/curl', '/dev/net/tun']
const host = Object.values(networkInterfaces())
  .flat()
  .find((one) => one?.family === 'IPv4' && !one.internal)?.address
const missing = TOOLS.filter((tool) => !existsSync(tool))
const passes = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args, { input: '', timeout: 10_000 }).status === 0
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
const mayRunPasst = (): boolean =>
  passes('passt', '--foreground', '--fd', '0', '--tcp-ports', 'none', '--udp-ports', 'none')
const skip =
  process.platform !== 'linux'
    ? 'network namespaces are for Linux'
    : missing.length > 0
      ? `not there: ${missing.join(', ')} (apt install passt socat curl)`
      : host === undefined
        ? 'this machine has no address but loopback'
        : !mayMakeNetworks()
          ? 'this machine allows no network namespaces, or no devices in them'
          : mayRunPasst()
            ? false
            : 'passt does not run on this machine'

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

  it('a UDP echo and a WebSocket that stays, of a program in one network', async () => {
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
    const got = await run(COMMAND[0], script)
    assert.equal(got.code, 0, got.problem)
    assert.equal(got.out, 'udp hello\nwebsocket 20\n')
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
    // Not a shell's trap: dash loses a signal that comes while it forks.
    const script = `process.on('SIGHUP', () => { fs.writeFileSync('${heard}', ''); process.exit() }); setInterval(() => {}, 1000); console.log('started')`
    const ran = new Starling(['run', '--directory', directory, '--', process.execPath, '-e', script])
    await until('the program runs', () => ran.stdout.includes('started'))
    ran.child.kill('SIGKILL')
    await until('the program has heard', () => existsSync(heard))
    await until('nothing is left', () => !isRunning('starling-run-'))
  })

  it('a program that is left hears a hangup, and how it ends is how we end', async () => {
    const script = `process.on('SIGHUP', () => process.exit(5)); setInterval(() => {}, 1000); console.log('started')`
    const ran = new Starling(['run', '--directory', directory, '--', process.execPath, '-e', script])
    await until('the program runs', () => ran.stdout.includes('started'))
    ran.child.kill('SIGTERM')
    assert.equal((await ran.exited).code, 5)
    assert.doesNotMatch(ran.stderr, /unexpected/)
  })

  it('a command that does not exist, and no command, are said', async () => {
    const got = await run('no-such-program')
    assert.equal(got.code, 127)
    const none = new Starling(['run', '--directory', directory])
    assert.equal((await none.exited).code, 2)
    assert.match(none.stderr, /program/)
  })
})
