/** Tests that change a machine's network, run in one of their own: the machine's is never touched. @module */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Why they are left out here, or false. */
export function whyNotInside(tools: readonly string[]): string | false {
  if (process.platform !== 'linux') return 'network namespaces are for Linux'
  if (process.getuid?.() !== 0) return 'needs root'
  const missing = [...tools, '/dev/net/tun'].filter((tool) => !existsSync(tool))
  if (missing.length > 0) return `not there: ${missing.join(', ')}`
  const probe = ['--net', '--mount', 'ip', 'tuntap', 'add', 'mode', 'tun', 'name', 'probe']
  if (spawnSync('unshare', probe, { timeout: 10_000 }).status !== 0)
    return 'no network namespaces, or no devices in them'
  return false
}

/** Runs a file of `test/inside` as tests, in a network of its own whose only interface is loopback. Nothing of it outlives it. */
export async function testInside(name: string, signal: AbortSignal): Promise<void> {
  const file = fileURLToPath(new URL(`../inside/${name}.inside.ts`, import.meta.url))
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const start = 'mount -t sysfs sysfs /sys; ip link set lo up; exec "$@"'
  const child = spawn(
    'unshare',
    [
      ...['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', start, 'sh'],
      ...[process.execPath, '--test', '--test-force-exit', '--test-reporter=tap', file],
    ],
    // It takes no other signal, and takes everything along.
    { stdio: ['ignore', 'pipe', 'pipe'], env, signal, killSignal: 'SIGKILL' },
  )
  child.on('error', () => {})
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk))
  const code = await new Promise((resolve) => child.once('close', resolve))
  assert.equal(code, 0, said)
  // So that it would be seen if it tested nothing.
  assert.match(said, /^# pass [1-9]/m)
}
