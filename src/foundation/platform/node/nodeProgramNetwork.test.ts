import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
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
