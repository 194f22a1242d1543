/** The user's machine is this network; the world is another, at the end of a cable. Run by test/tunnel.test.ts. @module */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { formatIp } from '../../src/foundation/base/ipAddress.ts'
import { openMachineNetwork } from '../../src/foundation/platform/node/nodeMachineNetwork.ts'
import type { MachineNetwork } from '../../src/foundation/platform/programNetwork.ts'
import { type IpPacket, readIpPacket } from '../../src/protocol/wire/ip/ipPacket.ts'
import { TunnelLeaks } from '../support/tunnelLeaks.ts'
import { run, WorldNamespace } from '../support/worldNamespace.ts'

const WORLD = { ipv4: '9.9.9.2', ipv6: '2600::2' }
const NETWORK = new URL('../../src/foundation/platform/node/nodeMachineNetwork.ts', import.meta.url)

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!holds()) {
    assert.ok(Date.now() < deadline, `waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const datagram = (to: string, text: string): Promise<Error | null> =>
  new Promise((resolve) => {
    const socket = createSocket(to.includes(':') ? 'udp6' : 'udp4')
    socket.send(text, 7000, to, (error) => {
      socket.close()
      resolve(error)
    })
  })

const connects = (host: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port: 7000, timeout: 1000 })
    const end = (is: boolean) => () => {
      socket.destroy()
      resolve(is)
    }
    socket.once('connect', end(true)).once('error', end(false)).once('timeout', end(false))
  })

/** All that a tunnel may change. Addresses of the link come when the kernel has made sure that they are free. */
function settings(): string {
  const routing = ['-4', '-6'].map(
    (family) => run('ip', family, 'rule') + run('ip', family, 'route', 'show', 'table', 'all'),
  )
  const lines = routing.join('').split('\n')
  return lines.filter((line) => !line.includes(' fe80::')).join('\n') + run('nft', 'list', 'ruleset')
}

/** Of somebody else: what could be taken for ours, what stands in front of it, and what sends a packet elsewhere once it has been sent to us. */
function setUpOthers(): void {
  for (const rule of [
    ['-4', 'pref', '112', 'fwmark', '5', 'lookup', 'main'],
    ['-6', 'pref', '112', 'fwmark', '5', 'lookup', 'main'],
    ['-4', 'pref', '112', 'lookup', '7231'],
    ['-4', 'pref', '110', 'from', '10.1.0.0/16', 'lookup', 'main'],
    ['-4', 'pref', '111', 'from', '10.2.0.0/16', 'lookup', 'main'],
    ['-4', 'pref', '50', 'to', '9.9.9.4', 'lookup', 'main'],
    ['-4', 'pref', '51', 'fwmark', '6', 'lookup', 'main'],
  ]) {
    const [family = '-4', ...selector] = rule
    run('ip', family, 'rule', 'add', ...selector)
  }
  markOthers()
}

const markOthers = (): string =>
  run(
    'nft',
    'table ip other { chain output { type route hook output priority mangle; ip daddr 9.9.9.5 meta mark set 6\n }\n }',
  )

describe('the network of a whole machine', { timeout: 200_000 }, () => {
  let outside: WorldNamespace
  let leaks: TunnelLeaks
  let machine: MachineNetwork
  let asItWas: string
  const packets: IpPacket[] = []
  let mended = 0
  const open = async (): Promise<void> => {
    machine = await openMachineNetwork(() => {
      mended++
    })
    machine.onPacket((bytes) => {
      const packet = readIpPacket(bytes)
      if (!('fault' in packet)) packets.push(packet)
    })
  }
  const heard = (): string[] => outside.heard.slice(1).map(({ over, text }) => `${over} ${text}`)
  before(async () => {
    const theirs = ['9.9.9.2/24', '9.9.9.3/24', '9.9.9.4/24', '9.9.9.5/24', '8.8.4.4/32', '2600::2/64', '2620::9/128']
    outside = new WorldNamespace('cable', ['9.9.9.1/24', '2600::1/64'], theirs)
    await outside.serveEcho()
    run('ip', 'route', 'add', 'default', 'via', WORLD.ipv4)
    run('ip', '-6', 'route', 'add', 'default', 'via', WORLD.ipv6)
    setUpOthers()
    leaks = new TunnelLeaks(outside)
    await leaks.start(() => connects(WORLD.ipv4))
    asItWas = settings()
  })
  after(() => outside.close())

  it('an open machine is heard in every way that is tried', async () => {
    await leaks.tryAll()
    await until('they are heard', () => leaks.found().length === leaks.names.length)
    assert.deepEqual(leaks.found(), leaks.names)
  })

  it('one that cannot be closed in whole is as it was', async () => {
    await open()
    assert.equal(machine.isRaised, false)
    run('mount', '--bind', '/bin/false', '/usr/sbin/nft')
    await assert.rejects(machine.raise(), { code: 'ENGINE_FAILED' })
    run('umount', '/usr/sbin/nft')
    assert.equal(machine.isRaised, false)
    assert.equal(settings(), asItWas)
  })

  it('takes what is sent to anybody, neighbours too, and lets TCP to one place around', async () => {
    await open()
    assert.equal(machine.isRaised, false)
    await machine.letAround(WORLD.ipv4, 7000)
    assert.equal(settings(), asItWas)
    await machine.raise()
    leaks.forget()
    outside.heard.length = 1
    for (const to of [WORLD.ipv4, WORLD.ipv6, '8.8.8.8', '2001:4860::8888'])
      assert.equal(await datagram(to, 'secret'), null)
    await until('they are here', () => packets.length >= 4)
    assert.deepEqual(
      packets.map(({ destination }) => formatIp(destination)),
      [WORLD.ipv4, WORLD.ipv6, '8.8.8.8', '2001:4860::8888'],
    )
    assert.deepEqual(
      packets.slice(0, 2).map(({ source }) => formatIp(source)),
      [machine.programs.ipv4, machine.programs.ipv6],
    )
    assert.ok(await connects(WORLD.ipv4))
    assert.equal(await connects('9.9.9.3'), false)
    assert.deepEqual(heard(), ['tcp '])
  })

  it('a place that is named later goes around as well', async () => {
    await machine.letAround(WORLD.ipv6, 7000)
    assert.ok(await connects(WORLD.ipv6))
    await until('it is heard', () => heard().length === 2)
  })

  it('the cable carries nothing else, whatever is tried', async () => {
    await leaks.tryAll()
    assert.deepEqual(await leaks.strange(), [])
    await leaks.askForAddress()
    await until('it is heard', () => leaks.lines.some((line) => line.includes('.68 > 9.9.9.255.67:')))
    assert.deepEqual(await leaks.strange(), [])
  })

  it('what another flushes while it runs is put back, and the cable carries nothing else meanwhile', async () => {
    // Hundreds a second, past the routing.
    const flood = spawn('/usr/bin/ping', ['-f', '-I', 'cable', '9.9.9.3'], { stdio: 'ignore' })
    const isWhole = (): boolean =>
      settings().includes('table inet starling_tunnel {') &&
      run('ip', 'rule').includes('lookup 7231 proto 231') &&
      ['-4', '-6'].every((family) =>
        run('ip', family, 'route', 'show', 'table', '7231').includes('default dev starling'),
      )
    for (const flush of [
      ['nft', 'flush', 'ruleset'],
      ['nft', 'flush', 'table', 'inet', 'starling_tunnel'],
      ['ip', '-4', 'rule', 'flush', 'protocol', '231'],
      ['ip', '-4', 'route', 'del', 'default', 'dev', 'starling', 'table', '7231'],
      ['ip', 'link', 'set', 'starling', 'down'],
    ]) {
      const before = mended
      const [program = '', ...args] = flush
      run(program, ...args)
      await leaks.tryAll()
      await until(`it is mended after ${flush.join(' ')}`, () => mended > before)
      assert.ok(isWhole())
    }
    assert.equal(flood.exitCode, null)
    flood.kill('SIGKILL')
    await leaks.tryAll()
    assert.deepEqual(await leaks.strange(), [])
    // The one that holds the other table, and what tells us, are put back as well.
    const before = mended
    run('pkill', '-f', '^/usr/sbin/nft')
    await until('it is mended', () => mended > before)
    run('nft', 'flush', 'ruleset')
    await until('it is mended once more', () => mended > before + 1)
    markOthers()
    await leaks.tryAll()
    assert.deepEqual(await leaks.strange(), [])
  })

  it('where a tunnel runs no other one starts, and it is said at once', async () => {
    const began = performance.now()
    await assert.rejects(openMachineNetwork(), { code: 'ENGINE_UNAVAILABLE', message: /already/ })
    assert.ok(performance.now() - began < 8000, 'it has not waited for the device to go')
  })

  it('without the device nothing leaves', async () => {
    run('ip', 'link', 'delete', 'starling')
    await machine.lost
    for (const to of [WORLD.ipv4, WORLD.ipv6, '9.9.9.3']) assert.notEqual(await datagram(to, 'secret'), null)
    await leaks.tryAll()
    assert.ok(await connects(WORLD.ipv4))
    assert.deepEqual(await leaks.strange(), [])
  })

  it('everything is given back, and nothing that is not ours', async () => {
    await machine.restore()
    assert.equal(machine.isRaised, false)
    assert.equal(settings(), asItWas)
    assert.equal(await datagram(WORLD.ipv4, 'open'), null)
    await until('it arrives', () => heard().includes('udp4 open'))
  })

  const killedOne = async (): Promise<void> => {
    const script = `
      import { openMachineNetwork } from ${JSON.stringify(NETWORK)}
      const machine = await openMachineNetwork()
      await machine.letAround('${WORLD.ipv4}', 7000)
      await machine.raise()
      console.log('raised')
      setInterval(() => {}, 1000)`
    const child: ChildProcess = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout as NodeJS.ReadableStream, 'data')
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  it('where it was killed nothing leaves, the next one goes on, and gives everything back', async () => {
    await killedOne()
    leaks.forget()
    for (const to of Object.values(WORLD)) await datagram(to, 'killed')
    await leaks.tryAll()
    assert.deepEqual(await leaks.strange(), [])
    await open()
    assert.ok(machine.isRaised)
    for (const to of Object.values(WORLD)) assert.notEqual(await datagram(to, 'killed'), null)
    await machine.shut()
    // It is the next one that says what goes around.
    assert.equal(await connects(WORLD.ipv4), false)
    await machine.letAround(WORLD.ipv4, 7000)
    await machine.letAround(WORLD.ipv6, 7000)
    assert.ok(await connects(WORLD.ipv6))
    packets.length = 0
    await machine.raise()
    assert.equal(await datagram(WORLD.ipv4, 'again'), null)
    await until('it is here', () => packets.length > 0)
    await leaks.tryAll()
    assert.deepEqual(await leaks.strange(), [])
    await machine.restore()
    assert.equal(settings(), asItWas)
    assert.ok(heard().every((text) => !text.includes('killed') && !text.includes('again')))
  })

  it('what somebody has taken away of what a killed one left is put back', async () => {
    for (const part of [
      ['ip', '-6', 'rule', 'del', 'pref', '112', 'protocol', '231'],
      ['ip', '-4', 'rule', 'flush', 'protocol', '231'],
      ['nft', 'flush', 'ruleset'],
    ]) {
      await killedOne()
      const [program = '', ...args] = part
      run(program, ...args)
      await open()
      assert.ok(machine.isRaised, part.join(' '))
      await machine.letAround(WORLD.ipv4, 7000)
      await machine.shut()
      leaks.forget()
      await leaks.tryAll()
      assert.deepEqual(await leaks.strange(), [], part.join(' '))
      await machine.restore()
      assert.equal(machine.isRaised, false)
    }
  })

  it('where it leaves just after another has flushed everything, nothing leaves the machine', async () => {
    await open()
    await machine.letAround(WORLD.ipv4, 7000)
    await machine.raise()
    // Nobody tells it, as where it has put something back just before, and pauses. What it has heard until now is done by the end of these.
    run('pkill', '-STOP', '-f', '^[^ ]*/(nft|ip) .*monitor')
    for (let turns = 0; turns < 2; turns++) await machine.shut()
    run('nft', 'flush', 'ruleset')
    run('ip', '-6', 'rule', 'flush', 'protocol', '231')
    await machine.leave()
    leaks.forget()
    await leaks.tryAll()
    assert.deepEqual(await leaks.strange(), [])
    await open()
    assert.ok(machine.isRaised)
    await machine.restore()
    markOthers()
    assert.equal(settings(), asItWas)
  })

  it('what it forwards for others does not go around', async () => {
    const pod = new WorldNamespace('pod', ['10.9.0.1/24'], ['10.9.0.2/24'])
    try {
      pod.run('ip', 'route', 'add', 'default', 'via', '10.9.0.1')
      outside.run('ip', 'route', 'add', '10.9.0.0/24', 'via', '9.9.9.1')
      writeFileSync('/proc/sys/net/ipv4/ip_forward', '1')
      const ask = (): void => {
        pod.run('sh', '-c', 'echo secret | socat -u - UDP4-SENDTO:9.9.9.2:67,sourceport=68')
        pod.run('sh', '-c', 'socat -u /dev/null TCP4:9.9.9.2:7000,connect-timeout=1 || true')
      }
      leaks.forget()
      ask()
      await until('they are heard', () => leaks.lines.filter((line) => line.startsWith('IP 10.9.0.2.')).length >= 2)
      await open()
      await machine.letAround(WORLD.ipv4, 7000)
      await machine.raise()
      leaks.forget()
      ask()
      assert.deepEqual(await leaks.strange(), [])
    } finally {
      pod.close()
      await machine.restore()
    }
  })
})
