/**
 * What a wire shows of programs in `starling run`: a machine of which every packet is captured, in network namespaces of its own. Left out where
 * that cannot be made, and says why. @module
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'

const TOOLS = ['passt', 'socat', 'curl', 'dig', 'ping', 'tcpdump', 'nsenter', 'unshare', 'ip', 'sysctl']
const FOLDERS = ['/usr/bin', '/usr/sbin', '/bin', '/sbin']
const missing = TOOLS.filter((tool) => !FOLDERS.some((folder) => existsSync(`${folder}/${tool}`)))
const mayWatch = (): boolean =>
  spawnSync('unshare', ['--net', 'ip', 'link', 'add', 'name', 'outer', 'type', 'veth', 'peer', 'name', 'inner'], {
    timeout: 10_000,
  }).status === 0
const skip =
  process.platform !== 'linux'
    ? 'network namespaces are for Linux'
    : process.getuid?.() !== 0
      ? 'only root may capture packets'
      : missing.length > 0
        ? `not there: ${missing.join(', ')} (apt install passt socat curl dnsutils iputils-ping tcpdump)`
        : !existsSync('/dev/net/tun')
          ? 'no /dev/net/tun'
          : mayWatch()
            ? false
            : 'this machine allows no network namespaces, or no wires between them'

interface Phase {
  readonly phase: string
  /** How many packets of each kind; what is neither the gateway's nor the directory's by its text. */
  readonly kinds: Readonly<Record<string, number>>
  /** Of the WebSocket that stays: what its server has heard and sent, and its program. */
  readonly chat: {
    readonly heard: number
    readonly sent: number
    readonly program: { readonly sent: number; readonly heard: number }
  }
  /** What the program had sent when the client was stopped, and when it went on; what the server sent between. */
  readonly atStop?: number
  readonly owed?: number
  readonly saidMeanwhile?: number
  /** What the program sent before and after it heard that the client was killed. */
  readonly sentBefore?: number
  readonly sentAfter?: number
  readonly connections?: number
  readonly out?: string
  readonly problem?: string
}

it('a wire shows the gateway connection and nothing else, also while the client is stopped, killed and started again', {
  skip,
  timeout: 240_000,
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'starling-capture-'))
  const script = fileURLToPath(new URL('support/captureWorld.ts', import.meta.url))
  const child = spawn('unshare', ['--net', process.execPath, script, folder], { stdio: ['ignore', 'pipe', 'pipe'] })
  try {
    let [said, problem] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (said += chunk))
    child.stderr.on('data', (chunk: Buffer) => (problem += chunk))
    const code = await new Promise((resolve) => child.once('close', resolve))
    assert.equal(code, 0, problem)
    const phases = said
      .trim()
      .split('\n')
      .map((line): Phase => JSON.parse(line))
    t.diagnostic(JSON.stringify(phases))
    for (const { phase, kinds } of phases) {
      const { arp: _, gateway: __, ...others } = kinds
      // A client asks the directory when it starts, and at times later.
      const { directory: ___, ...leaked } = others
      assert.deepEqual(leaked, {}, phase)
      if (phase === 'stopped' || phase === 'killed') assert.equal(others.directory ?? 0, 0, phase)
    }
    const named = (wanted: string): Phase =>
      phases.find(({ phase }) => phase === wanted) ?? assert.fail(`no phase ${wanted}`)
    const programs = named('programs')
    assert.match(programs.out ?? '', /^the site\n198\.(18|19)\.\d+\.\d+\npong\nhello said x\n$/, programs.problem ?? '')
    for (const phase of ['programs', 'running', 'continued', 'restarted']) assert.ok(named(phase).kinds.gateway, phase)
    // One WebSocket through all of it. That nothing was missing or out of order at either end, both have looked at themselves.
    const [stopped, continued, killed, restarted] = ['stopped', 'continued', 'killed', 'restarted'].map(named) as [
      Phase,
      Phase,
      Phase,
      Phase,
    ]
    assert.ok(stopped.chat.heard <= Number(stopped.atStop), 'nothing got through a client that was stopped')
    assert.ok(stopped.chat.program.sent >= Number(stopped.atStop) + 10, 'the program had more to say')
    assert.ok(continued.chat.heard >= Number(continued.owed), 'what was said meanwhile came later')
    assert.ok(Number(continued.saidMeanwhile) > 0)
    assert.ok(Number(killed.sentAfter) > 0, 'the program went on after the client was killed')
    assert.ok(killed.chat.heard <= Number(killed.sentBefore), 'nothing got through a client that was killed')
    assert.equal(restarted.chat.heard, killed.chat.heard)
    assert.equal(restarted.connections, 1)
    assert.equal(restarted.out, 'the site', restarted.problem ?? '')
  } finally {
    child.kill('SIGKILL')
    await rm(folder, { recursive: true, force: true })
  }
})
