/** `starling tunnel` as a whole command, on a machine whose only wire is watched. Run by test/tunnel.test.ts. @module */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { COMMAND, Starling } from '../support/starling.ts'
import { HERE, must, THERE, type WiredMachine, wiredMachine } from '../support/wiredMachine.ts'

const NAME = 'directory.example'

describe('starling tunnel', { timeout: 200_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'starling-tunnel-'))
  let machine: WiredMachine
  let asItWas: string
  /** What a machine's own user sees of one of its programs. */
  const ran = async (...command: string[]): Promise<{ readonly code: number | null; readonly out: string }> => {
    const [program, ...before] = machine.inside
    const child = spawn(program, [...before, ...command], { stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    child.stdout.on('data', (chunk) => (out += chunk))
    return { code: await new Promise((resolve) => child.once('close', resolve)), out }
  }
  const settings = (): string =>
    [
      ['ip', '-4', 'rule'],
      ['ip', '-4', 'route', 'show', 'table', 'all'],
      ['nft', 'list', 'ruleset'],
    ]
      .map((command) => must(...machine.inside, ...command))
      .join('')
  const start = (directory: string, ...more: string[]): Starling =>
    new Starling(['--json', 'tunnel', '--directory', directory, ...more], { command: [...machine.inside, ...COMMAND] })
  const curl = (url: string) => ran('curl', '-sSk', '-m', '30', url)
  const onWire = async (): Promise<readonly string[]> =>
    Object.keys(await machine.shown()).filter((kind) => !['arp', 'gateway', 'directory'].includes(kind))
  let tunnel: Starling
  const all: Starling[] = []
  before(async () => {
    machine = await wiredMachine(`${folder}/network`)
    writeFileSync(`${folder}/hosts`, `${readFileSync('/etc/hosts', 'utf8')}\n${HERE} ${NAME}\n`)
    writeFileSync(`${folder}/resolv.conf`, 'nameserver 9.9.9.9\n')
    for (const file of ['hosts', 'resolv.conf']) {
      must(...machine.inside, 'mount', '--bind', `${folder}/${file}`, `/etc/${file}`)
    }
    asItWas = settings()
    await machine.shown()
  })
  after(() => {
    for (const { child } of all) child.kill('SIGKILL')
  })

  it('takes a directory by its name, and carries what programs send, names too', async () => {
    tunnel = start(`http://${NAME}:8080/api`)
    all.push(tunnel)
    await tunnel.event('tunnel')
    assert.equal((await curl(machine.publicUrl)).out, 'the site')
    // Answered here, in the name of a server elsewhere.
    assert.match((await ran('dig', '+short', 'some.example')).out, /^198\.18\./)
    // A directory with a name is not one of a network for tests.
    assert.equal((await curl(machine.url)).code, 7)
    assert.deepEqual(await onWire(), [])
  })

  it('another one is refused at once, and changes nothing', async () => {
    const other = start(machine.directoryUrl)
    assert.equal((await other.exited).code, 2)
    assert.match(other.stdout, /runs on this machine already/)
    assert.equal((await curl(machine.publicUrl)).out, 'the site')
  })

  it('goes on where somebody flushes all of nft', async () => {
    must(...machine.inside, 'nft', 'flush', 'ruleset')
    await tunnel.event('rules-put-back')
    assert.match(must(...machine.inside, 'nft', 'list', 'tables'), /inet starling_tunnel$/m)
    assert.equal((await curl(machine.publicUrl)).out, 'the site')
    assert.deepEqual(await onWire(), [])
  })

  it('when it is killed nothing leaves, the next one goes on, and Ctrl-C gives the machine its own network back', async () => {
    tunnel.child.kill('SIGKILL')
    await tunnel.exited
    assert.notEqual((await curl(machine.publicUrl)).code, 0)
    assert.notEqual((await ran('ping', '-c', '1', '-W', '1', '-I', 'inner', HERE)).code, 0)
    assert.deepEqual(await onWire(), [])
    tunnel = start(machine.directoryUrl)
    all.push(tunnel)
    await tunnel.event('tunnel')
    assert.equal((await curl(machine.url)).out, 'the site')
    assert.deepEqual(await onWire(), [])
    // Twice, as from timeout(1), or from a finger that slips.
    tunnel.child.kill('SIGTERM')
    assert.equal((await tunnel.stop('SIGINT')).code, 0)
    assert.match(tunnel.stdout + tunnel.stderr, /taking-back/)
    assert.equal(settings(), asItWas)
    assert.equal((await curl(machine.url)).out, 'the site')
    assert.ok(
      (await onWire()).some((line) => line.includes(`IP ${THERE}.`)),
      'the wire can be heard',
    )
  })

  it('Ctrl-C before it stands leaves nothing; --restore after one that was killed neither', async () => {
    const early = start(machine.directoryUrl)
    await early.stop('SIGINT')
    assert.equal(settings(), asItWas)
    const killed = start(machine.directoryUrl)
    all.push(killed)
    await killed.event('tunnel')
    killed.child.kill('SIGKILL')
    await killed.exited
    assert.notEqual(settings(), asItWas)
    const restoring = start(machine.directoryUrl, '--restore')
    assert.equal((await restoring.exited).code, 0, restoring.stdout + restoring.stderr)
    assert.equal(settings(), asItWas)
  })
})
