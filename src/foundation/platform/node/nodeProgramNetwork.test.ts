import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openProgramNetwork } from './nodeProgramNetwork.ts'

const canUnshare = (): boolean => {
  try {
    execFileSync('unshare', ['--net', '--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt'], { stdio: 'ignore' })
    execFileSync('/usr/bin/socat', ['-V'], { stdio: 'ignore' })
    return process.getuid?.() === 0
  } catch {
    return false
  }
}

test('a program sees its own processes only, and no bus', {
  skip: canUnshare() ? false : 'needs root, socat',
}, async () => {
  process.env.DBUS_SESSION_BUS_ADDRESS = 'unix:path=/tmp/somewhere'
  const network = await openProgramNetwork()
  try {
    const outside = `/proc/${process.pid}/exe`
    const script = '[ -z "$DBUS_SESSION_BUS_ADDRESS" ] && [ -e /proc/$$/status ] && [ "$(readlink "$1")" != "$2" ]'
    assert.equal(await network.run(['sh', '-c', script, 'sh', outside, process.execPath]), 0)
  } finally {
    delete process.env.DBUS_SESSION_BUS_ADDRESS
    await network.close()
  }
})

test('when the pump inside ends, the program does at once, and it is said', {
  skip: canUnshare() ? false : 'needs root, socat',
  timeout: 30_000,
}, async () => {
  const network = await openProgramNetwork()
  const folder = await mkdtemp(join(tmpdir(), 'starling-inner-'))
  try {
    const started = join(folder, 'started')
    const running = network.run(['sh', '-c', 'echo > "$1"; exec sleep 60', 'sh', started])
    const refused = assert.rejects(running, { code: 'ENGINE_FAILED', message: /pump/ })
    while (!existsSync(started)) await new Promise((resolve) => setTimeout(resolve, 20))
    process.kill(await innerPump(), 'SIGKILL')
    await refused
  } finally {
    await rm(folder, { recursive: true })
    await network.close()
  }
})

test('a program has none of our descriptors, and none of what we tell the pump', {
  skip: canUnshare() ? false : 'needs root, socat',
}, async () => {
  const network = await openProgramNetwork()
  try {
    const script = '[ ! -e /proc/$$/fd/3 ] && [ ! -e /proc/$$/fd/4 ] && ! env | grep STARLING_ && [ -c /dev/net/tun ]'
    assert.equal(await network.run(['sh', '-c', script]), 0)
  } finally {
    await network.close()
  }
})

test('Ctrl-C before the program has started is an interruption, and no fault of the system', {
  skip: canUnshare() ? false : 'needs root, socat',
  timeout: 60_000,
}, async () => {
  // In a group of its own, whose every process hears it, as from a terminal. It waits for the program as `run` does.
  const script = `
    import { openProgramNetwork } from ${JSON.stringify(new URL('./nodeProgramNetwork.ts', import.meta.url))}
    process.on('SIGINT', () => {})
    const network = await openProgramNetwork()
    console.log('opened')
    const end = await network.run(['sh', '-c', 'trap "exit 130" INT; while :; do sleep 1; done']).catch(({ code }) => code)
    await network.close()
    console.log('end', end)
    process.exit()`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  const group = -(child.pid ?? assert.fail('it has not started'))
  let said = ''
  child.stdout.on('data', (chunk) => (said += chunk))
  const ended = once(child, 'exit')
  try {
    while (!said.includes('opened') || !isPreparing(child.pid as number))
      await new Promise((resolve) => setTimeout(resolve, 1))
    // The shell may not have begun to listen: pressed until somebody hears it.
    const pressed = setInterval(() => process.kill(group, 'SIGINT'), 20)
    await ended.finally(() => clearInterval(pressed))
    assert.match(said, /end 130/)
  } finally {
    if (child.exitCode === null) process.kill(group, 'SIGKILL')
  }
})

/** Whether a child of this process has a child: the first process of a namespace. */
function isPreparing(pid: number): boolean {
  const childrenOf = (of: number | string): string[] => {
    try {
      return readFileSync(`/proc/${of}/task/${of}/children`, 'utf8').split(' ').filter(Boolean)
    } catch {
      return []
    }
  }
  return childrenOf(pid)
    .filter((child) => readFileSync(`/proc/${child}/comm`, 'utf8').startsWith('unshare'))
    .some((child) => childrenOf(child).length > 0)
}

/** Once it is one: what starts it is a shell and socat. */
async function innerPump(): Promise<number> {
  for (;;) {
    const found = readdirSync('/proc').find((pid) => /^[0-9]+$/.test(pid) && isPump(pid) && isOurs(Number(pid)))
    if (found !== undefined) return Number(found)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

function isPump(pid: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8') === 'starling-pump\n'
  } catch {
    return false
  }
}

function isOurs(pid: number): boolean {
  if (pid === process.pid) return true
  const [, parent] = /\) \S (\d+) /.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
  return Number(parent) > 1 && isOurs(Number(parent))
}
