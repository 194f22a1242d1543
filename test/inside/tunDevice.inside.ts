/** A TUN device and the program that pumps its packets, in a network of its own. Run by test/tunExit.test.ts. @module */
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openTunDevice } from '../../src/foundation/platform/node/nodeTunDevice.ts'
import type { TunDevice } from '../../src/foundation/platform/tunDevice.ts'
import { buildUdp } from '../../src/protocol/wire/ip/buildPacket.ts'
import { run } from '../support/worldNamespace.ts'

const SOCAT = '/usr/bin/socat'
const NAME = 'pumped'
/** Behind the device is whatever has these, and what is sent there comes back. */
const [THERE, THERE6] = ['10.77.0.2', 'fd77::2']
const PAYLOAD_BYTES = 1200
const MODULE = new URL('../../src/foundation/platform/node/nodeTunDevice.ts', import.meta.url)

const hasDevice = (): boolean => readFileSync('/proc/net/dev', 'utf8').includes(`${NAME}:`)
/** Those that run: nobody here takes note of the end of one whose parent was killed. */
const pumps = (): string[] =>
  spawnSync('pgrep', ['-x', 'starling-pump', '-r', 'R,S,D,T'], { encoding: 'utf8' }).stdout.match(/\d+/g) ?? []
const pump = (): number => Number(pumps()[0] ?? assert.fail('no pump'))
const residentKb = (): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pump()}/status`, 'utf8'))?.[1] ?? assert.fail('no memory'))
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10))
}

async function opened(t: TestContext): Promise<TunDevice> {
  const device = await openTunDevice(NAME, SOCAT)
  t.after(() => device.close())
  run('ip', 'link', 'set', NAME, 'addrgenmode', 'none', 'mtu', '1400', 'up')
  address()
  return device
}

function address(): void {
  run('ip', 'addr', 'replace', '10.77.0.1/24', 'dev', NAME)
  run('ip', 'addr', 'replace', 'fd77::1/64', 'dev', NAME, 'nodad')
}

/** What the kernel sends goes back to where it came from: with both ends exchanged, checksums are as they were. */
function echoed(packet: Uint8Array): Uint8Array {
  const back = packet.slice()
  const exchange = (a: number, b: number, length: number): void => {
    back.set(packet.subarray(a, a + length), b)
    back.set(packet.subarray(b, b + length), a)
  }
  if ((packet[0] as number) >> 4 === 4) {
    exchange(12, 16, 4)
    exchange(20, 22, 2)
  } else {
    exchange(8, 24, 16)
    exchange(40, 42, 2)
  }
  return back
}

async function bound(t: TestContext, type: 'udp4' | 'udp6' = 'udp4'): Promise<Socket> {
  const socket = createSocket(type)
  t.after(() => socket.close())
  socket.on('error', () => {})
  socket.bind(0)
  await once(socket, 'listening')
  return socket
}

/** Until one comes back: some may meet a device that is not up yet. */
async function echoes(socket: Socket, to = THERE, bytes = PAYLOAD_BYTES): Promise<void> {
  const again = setInterval(() => socket.send(new Uint8Array(bytes), 9, to, () => {}), 20)
  const [data] = await once(socket, 'message').finally(() => clearInterval(again))
  assert.equal(data.length, bytes)
}

test('carries both families, and packets as long as the device takes now; closed, nothing is left', async (t) => {
  // Of these, none is the pump's business.
  process.env.NODE_OPTIONS = '--no-such-flag'
  const device = await openTunDevice(NAME, SOCAT).finally(() => delete process.env.NODE_OPTIONS)
  run('ip', 'link', 'set', NAME, 'mtu', '1500', 'up')
  address()
  device.onPacket((packet) => void device.send(echoed(packet)))
  await echoes(await bound(t), THERE, 1472)
  await echoes(await bound(t, 'udp6'), THERE6, 1452)
  run('ip', 'link', 'set', NAME, 'mtu', '65535')
  await echoes(await bound(t), THERE, 65_507)
  t.diagnostic(`the pump has ${residentKb()} kB`)
  await device.close()
  await device.ended
  assert.deepEqual([hasDevice(), pumps()], [false, []])
  assert.equal(device.send(new Uint8Array(20)), false)
})

test('a batch of packets comes in its order, and none is another', async (t) => {
  const device = await opened(t)
  const socket = await bound(t)
  const addresses = { source: Uint8Array.of(10, 77, 0, 2), destination: Uint8Array.of(10, 77, 0, 1) }
  const heard: number[] = []
  socket.on('message', (data) => heard.push(data.length))
  const lengths = Array.from({ length: 100 }, (_, i) => 1 + ((i * 37) % 1300))
  for (const length of lengths) {
    assert.ok(
      device.send(
        buildUdp(addresses, { sourcePort: 9, destinationPort: socket.address().port }, new Uint8Array(length)),
      ),
    )
  }
  await until(() => heard.length === lengths.length)
  assert.deepEqual(heard, lengths)
})

test('what is no packet harms nothing', async (t) => {
  const device = await opened(t)
  device.onPacket((packet) => void device.send(echoed(packet)))
  assert.equal(device.send(new Uint8Array(0)), false)
  assert.equal(device.send(new Uint8Array(65_536)), false)
  for (const bytes of [[0], [0x45], [0x60, 0], [0xff, 0xff, 0xff], new Uint8Array(65_535).fill(0x45)]) {
    assert.equal(device.send(Uint8Array.from(bytes)), true)
  }
  await echoes(await bound(t))
})

test('a device that is taken down drops, and carries again when it is up', async (t) => {
  const device = await opened(t)
  let isEnded = false
  void device.ended.then(() => (isEnded = true))
  device.onPacket((packet) => void device.send(echoed(packet)))
  const socket = await bound(t)
  await echoes(socket)
  run('ip', 'link', 'set', NAME, 'down')
  for (let i = 0; i < 200; i++) {
    assert.equal(device.send(Uint8Array.from([0x45, ...new Array(99).fill(0)])), true)
    if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  run('ip', 'link', 'set', NAME, 'up')
  address()
  await echoes(socket)
  assert.equal(isEnded, false)
})

for (const [what, lose] of [
  ['whose pump is killed', () => process.kill(pump(), 'SIGKILL')],
  ['whose pump is asked to end', () => process.kill(pump(), 'SIGTERM')],
  ['that is deleted', () => run('ip', 'link', 'delete', NAME)],
] as const) {
  test(`a device ${what} is gone, and it is said`, async (t) => {
    const device = await opened(t)
    device.onPacket((packet) => void device.send(echoed(packet)))
    await echoes(await bound(t))
    lose()
    await device.ended
    assert.deepEqual([hasDevice(), pumps()], [false, []])
    assert.equal(device.send(new Uint8Array(20)), false)
    await device.close()
    const next = await openTunDevice(NAME, SOCAT)
    await next.close()
  })
}

test('where we do not read, the kernel drops, and the pump keeps nothing', async (t) => {
  const device = await opened(t)
  let count = 0
  device.onPacket((packet) => {
    count++
    device.send(echoed(packet))
  })
  await echoes(await bound(t))
  await until(() => count > 0)
  count = 0
  const [sent, before] = [20_000, residentKb()]
  const flood = `
    const socket = require('node:dgram').createSocket('udp4')
    let left = ${sent}
    const next = () => left-- > 0 ? socket.send(Buffer.alloc(${PAYLOAD_BYTES}), 9, '${THERE}', next) : socket.close()
    next()`
  // Nothing of ours runs meanwhile.
  execFileSync(process.execPath, ['-e', flood])
  const grown = residentKb() - before
  const socket = await bound(t)
  await echoes(socket)
  assert.ok(count > 50 && count < 3000, `${count} packets waited`)
  assert.ok(grown < 8000, `${grown} kB more`)
})

test('where the pump does not read, packets are refused, and what was taken arrives when it does', async (t) => {
  const device = await opened(t)
  const socket = await bound(t)
  await echoesOf(device, socket)
  process.kill(pump(), 'SIGSTOP')
  const packet = buildUdp(
    { source: Uint8Array.of(10, 77, 0, 2), destination: Uint8Array.of(10, 77, 0, 1) },
    { sourcePort: 9, destinationPort: socket.address().port },
    new Uint8Array(PAYLOAD_BYTES),
  )
  let taken = 0
  // It is refused at once and in every turn after.
  for (let refused = 0; refused < 20; ) {
    if (device.send(packet)) taken++
    else {
      refused++
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.ok(taken < 2000, 'packets wait without bound')
  }
  assert.ok(taken > 300)
  process.kill(pump(), 'SIGCONT')
  await echoesOf(device, socket)
})

async function echoesOf(device: TunDevice, socket: Socket): Promise<void> {
  device.onPacket((packet) => void device.send(echoed(packet)))
  await echoes(socket)
}

test('killed, we take pump and device along', async () => {
  const script = `
    import { openTunDevice } from ${JSON.stringify(MODULE.href)}
    await openTunDevice('${NAME}', '${SOCAT}')
    console.log('opened')`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  assert.equal(hasDevice(), true)
  child.kill('SIGKILL')
  await once(child, 'exit')
  await until(() => !hasDevice() && pumps().length === 0)
})

test('a device that socat cannot make is an error with its words', async () => {
  await assert.rejects(openTunDevice('no/name', SOCAT), ({ code, details }) => {
    assert.equal(code, 'ENGINE_FAILED')
    assert.match(details.said, /socat/)
    return true
  })
})

test('from a folder and with a Node whose paths have whatever a path may have', async (t) => {
  const outer = mkdtempSync(join(tmpdir(), 'starling-odd-'))
  const folder = join(outer, `a b, c!!d:e'f"g$(h)%20`)
  mkdirSync(folder)
  cpSync(fileURLToPath(new URL('../../src/foundation', import.meta.url)), join(folder, 'foundation'), {
    recursive: true,
  })
  symlinkSync(fileURLToPath(new URL('../../node_modules', import.meta.url)), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(
    join(folder, 'open.ts'),
    `import { openTunDevice } from './foundation/platform/node/nodeTunDevice.ts'
    const device = await openTunDevice('${NAME}', '${SOCAT}')
    console.log('opened')
    await device.close()`,
  )
  const node = join(folder, 'node')
  writeFileSync(node, '')
  run('mount', '--bind', process.execPath, node)
  t.after(() => {
    run('umount', node)
    rmSync(outer, { recursive: true })
  })
  assert.equal(run(node, join(folder, 'open.ts')), 'opened\n')
})
