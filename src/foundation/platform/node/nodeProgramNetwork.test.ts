import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
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

test('when what carries the packets ends, the program does, and it is said', {
  skip: canUnshare() ? false : 'needs root, socat',
}, async () => {
  const network = await openProgramNetwork()
  try {
    const running = network.run(['sleep', '60'])
    const refused = assert.rejects(running, { code: 'ENGINE_FAILED' })
    process.kill(relayOf(), 'SIGKILL')
    await refused
  } finally {
    await network.close()
  }
})

/** The socat on our side, which is a child of a child of ours. */
function relayOf(): number {
  for (;;) {
    for (const pid of readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name))) {
      try {
        const [, parent] = /\) \S (\d+) /.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
        const [, above] = /\) \S (\d+) /.exec(readFileSync(`/proc/${parent}/stat`, 'utf8')) ?? []
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
        if (Number(above) === process.pid && command.includes('UDP4-SENDTO')) return Number(pid)
      } catch {
        // Gone meanwhile.
      }
    }
  }
}
