/** The user's machine is this network; the world is another, at the end of a cable. Run by test/tunnel.test.ts. @module */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { formatIp } from '../../src/foundation/base/ipAddress.ts'
import { openMachineNetwork } from '../../src/foundation/platform/node/nodeMachineNetwork.ts'
import type { MachineNetwork } from '../../src/foundation/platform/programNetwork.ts'
import { type IpPacket, readIpPacket } from '../../src/protocol/wire/ip/ipPacket.ts'
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

const routing = (): string =>
  ['-4', '-6'].map((family) => run('ip', family, 'rule') + run('ip', family, 'route')).join('')

describe('the network of a whole machine', { timeout: 100_000 }, () => {
  let outside: WorldNamespace
  let machine: MachineNetwork
  let asItWas: string
  const packets: IpPacket[] = []
  const open = async (): Promise<void> => {
    machine = await openMachineNetwork()
    machine.onPacket((bytes) => {
      const packet = readIpPacket(bytes)
      if (!('fault' in packet)) packets.push(packet)
    })
  }
  const heard = (): string[] => outside.heard.slice(1).map(({ over, text }) => `${over} ${text}`)
  before(async () => {
    outside = new WorldNamespace('cable', ['9.9.9.1/24', '2600::1/64'], ['9.9.9.2/24', '9.9.9.3/24', '2600::2/64'])
    await outside.serveEcho()
    run('ip', 'route', 'add', 'default', 'via', WORLD.ipv4)
    run('ip', '-6', 'route', 'add', 'default', 'via', WORLD.ipv6)
    asItWas = routing()
  })
  after(() => outside.close())

  it('takes what is sent to anybody, neighbours too, and lets TCP to one place around', async () => {
    await open()
    assert.equal(machine.isRaised, false)
    await machine.letAround(WORLD.ipv4, 7000)
    assert.equal(routing(), asItWas)
    await machine.raise()
    for (const to of [WORLD.ipv4, WORLD.ipv6, '8.8.8.8', '2001:4860::8888'])
      assert.equal(await datagram(to, 'secret'), null)
    // Who names an interface gets no other way.
    const bound = spawn('socat', ['-u', 'EXEC:echo secret', `UDP4-SENDTO:8.8.4.4:7000,so-bindtodevice=cable`], {
      stdio: 'ignore',
    })
    await once(bound, 'close')
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

  it('without the device nothing leaves', async () => {
    run('ip', 'link', 'delete', 'starling')
    await machine.lost
    for (const to of [WORLD.ipv4, WORLD.ipv6, '9.9.9.3']) assert.notEqual(await datagram(to, 'secret'), null)
    assert.ok(await connects(WORLD.ipv4))
    await new Promise((resolve) => setTimeout(resolve, 300))
    assert.ok(heard().every((text) => text === 'tcp '))
  })

  it('everything is given back', async () => {
    await machine.restore()
    assert.equal(routing(), asItWas)
    assert.equal(await datagram(WORLD.ipv4, 'open'), null)
    await until('it arrives', () => heard().includes('udp4 open'))
  })

  it('where it was killed nothing leaves, the next one goes on, and gives everything back', async () => {
    const script = `
      import { openMachineNetwork } from ${JSON.stringify(NETWORK)}
      const machine = await openMachineNetwork()
      await machine.letAround('${WORLD.ipv4}', 7000)
      await machine.raise()
      console.log('raised')
      setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    child.kill('SIGKILL')
    await once(child, 'exit')
    for (const to of Object.values(WORLD)) await datagram(to, 'killed')
    await open()
    assert.ok(machine.isRaised)
    for (const to of Object.values(WORLD)) assert.notEqual(await datagram(to, 'killed'), null)
    await machine.letAround(WORLD.ipv6, 7000)
    assert.ok(await connects(WORLD.ipv6))
    packets.length = 0
    await machine.raise()
    assert.equal(await datagram(WORLD.ipv4, 'again'), null)
    await until('it is here', () => packets.length > 0)
    await machine.restore()
    assert.equal(routing(), asItWas)
    assert.ok(heard().every((text) => !text.includes('killed') && !text.includes('again')))
  })
})
