/** The exit's machine is this network; the world is another, at the end of a cable. Run by test/tunExit.test.ts. @module */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { openPacketEngine } from '../../src/app/node/packetEngine.ts'
import { utf8 } from '../../src/foundation/base/bytes.ts'
import type { MixnetError } from '../../src/foundation/base/errors.ts'
import { formatIp, parseIp } from '../../src/foundation/base/ipAddress.ts'
import { silentLog } from '../../src/foundation/base/observe.ts'
import { type Millis, millis, seconds } from '../../src/foundation/base/units.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { nodeClock } from '../../src/foundation/platform/node/nodeClock.ts'
import { nodeWorld } from '../../src/foundation/platform/node/nodeWorld.ts'
import type { World } from '../../src/foundation/platform/world.ts'
import { buildIpPacket, buildUdp } from '../../src/protocol/wire/ip/buildPacket.ts'
import { foldedChecksum } from '../../src/protocol/wire/ip/checksum.ts'
import { buildEcho, readEcho } from '../../src/protocol/wire/ip/echo.ts'
import { type IpPacket, PROTOCOL, readIpPacket, transportSum } from '../../src/protocol/wire/ip/ipPacket.ts'
import type { OpenWayOut, WayOut } from '../../src/roles/exit/ip/wayOut.ts'
import { run, WorldNamespace } from '../support/worldNamespace.ts'

const WORLD = { ipv4: '9.9.9.2', ipv6: '2600::2' }
const EXIT = { ipv4: '9.9.9.1', ipv6: '2600::1' }
const PRIVATE = '192.168.7.2'
const FORWARDING = ['/proc/sys/net/ipv4/ip_forward', '/proc/sys/net/ipv6/conf/all/forwarding'] as const
const OWN_TABLE = 'table inet operators { chain forward { type filter hook forward priority filter; policy accept; }; }'
const signal = new AbortController().signal
const real = nodeWorld(nodeProvider)
/** Whose looks at the machine come soon. */
const world: World = {
  ...real,
  clock: { ...nodeClock, after: (delay, run) => nodeClock.after(millis(delay / 50), run) },
}

const address = (text: string): Uint8Array => parseIp(text) as Uint8Array
const held = (path: string): string => readFileSync(path, 'utf8').trim()
const settings = (): string[] => FORWARDING.map(held)
/** Linux before 6.17 has one switch for all of IPv6. */
const isWhole = !existsSync('/proc/sys/net/ipv6/conf/all/force_forwarding')
const single = (name: string): string[] => [
  `/proc/sys/net/ipv4/conf/${name}/forwarding`,
  isWhole ? FORWARDING[1] : `/proc/sys/net/ipv6/conf/${name}/force_forwarding`,
]
const switches = (name: string): string[] => single(name).map(held)
const set = (path: string, value: 0 | 1): string => run('sh', '-c', `echo ${value} > ${path}`)
const tables = (): string => run('nft', 'list', 'tables')

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!holds()) {
    assert.ok(Date.now() < deadline, `waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** A client with the addresses that end in these bytes. */
class Client {
  readonly packets: IpPacket[] = []
  readonly lost: MixnetError[] = []
  readonly ipv4: Uint8Array
  readonly ipv6: Uint8Array
  way: OpenWayOut | undefined

  constructor(...last: [number, number]) {
    this.ipv4 = Uint8Array.of(10, 0, ...last)
    this.ipv6 = Uint8Array.of(0xfc, ...new Array(13).fill(0), ...last)
  }

  async open(engine: WayOut): Promise<this> {
    const received = (bytes: Uint8Array) => {
      const packet = readIpPacket(bytes)
      if (!('fault' in packet)) this.packets.push(packet)
    }
    const { ipv4, ipv6 } = this
    this.way = await engine.open({ ips: { ipv4, ipv6 }, received, lost: (error) => this.lost.push(error) }, signal)
    return this
  }

  send(packet: Uint8Array): void {
    assert.ok(this.way?.send(packet))
  }

  /** From port 4000. */
  datagram(to: string, text: string): void {
    const destination = address(to)
    const source = destination.length === 4 ? this.ipv4 : this.ipv6
    this.send(buildUdp({ source, destination }, { sourcePort: 4000, destinationPort: 7000 }, utf8(text)))
  }

  async answer(from: string): Promise<IpPacket> {
    const matches = ({ source }: IpPacket): boolean => formatIp(source) === from
    await until(`${from} answers`, () => this.packets.some(matches))
    return this.packets.splice(this.packets.findIndex(matches), 1)[0] as IpPacket
  }
}

describe('the way out through a device of the kernel', { timeout: 200_000 }, () => {
  let outside: WorldNamespace
  let engine: WayOut
  const warned: string[] = []
  const log = { ...silentLog, warn: (code: string) => void warned.push(code) }
  const open = (files: Pick<World['files'], 'read'> = world.files): Promise<WayOut> =>
    openPacketEngine({ ...world, files }, { engine: 'tun', allowLocalAddresses: false, log })
  before(async () => {
    outside = new WorldNamespace(
      'cable',
      ['9.9.9.1/24', '192.168.7.1/24', '2600::1/64'],
      ['9.9.9.2/24', `${PRIVATE}/24`, '2600::2/64'],
    )
    await outside.serveEcho()
    run('nft', OWN_TABLE)
    engine = await open()
  })
  after(async () => {
    await engine.close()
    outside.close()
  })

  it('datagrams and pings come back over both families, and are the exit’s to whoever gets them', async () => {
    const [one, two] = [await new Client(7, 7).open(engine), await new Client(7, 8).open(engine)]
    for (const family of ['ipv4', 'ipv6'] as const) {
      for (const [client, text] of [
        [one, 'first'],
        [two, 'second'],
      ] as const) {
        client.datagram(WORLD[family], text)
        const { payload, destination } = await client.answer(WORLD[family])
        assert.equal(String.fromCharCode(...payload.subarray(8)), text)
        assert.deepEqual(destination, client[family])
      }
      const addresses = { source: one[family], destination: address(WORLD[family]) }
      one.send(buildEcho(addresses, { isReply: false, identifier: 7, sequence: 1, data: utf8('ping') }))
      const echo = readEcho(await one.answer(WORLD[family]))
      assert.deepEqual([echo?.isReply, echo?.identifier], [true, 7])
    }
    assert.deepEqual(new Set(outside.heard.slice(1).map((one) => one.address)), new Set(Object.values(EXIT)))
    // A client's own port would tell the site which of its connections belong together.
    assert.ok(outside.heard.slice(1).every(({ port }) => port !== 4000))
    for (const client of [one, two]) await client.way?.close()
  })

  it('a connection is answered', async () => {
    const client = await new Client(7, 9).open(engine)
    client.send(syn(client.ipv4, WORLD.ipv4, 7000))
    const { payload } = await client.answer(WORLD.ipv4)
    assert.equal((payload[13] as number) & 0x12, 0x12)
    await client.way?.close()
  })

  it('nobody reaches another client, the machine, or a private network', async () => {
    const [one, two] = [await new Client(8, 1).open(engine), await new Client(8, 2).open(engine)]
    const before = outside.heard.length
    for (const to of [PRIVATE, ...Object.values(EXIT), '10.0.0.1', 'fc00::1', formatIp(two.ipv4), formatIp(two.ipv6)]) {
      one.datagram(to, 'forbidden')
      const destination = address(to)
      const source = destination.length === 4 ? one.ipv4 : one.ipv6
      one.send(buildEcho({ source, destination }, { isReply: false, identifier: 1, sequence: 1, data: utf8('x') }))
    }
    // From an address of nobody, and of the machine.
    for (const source of ['9.9.9.1', '10.1.0.1']) {
      one.send(
        buildUdp(
          { source: address(source), destination: address(WORLD.ipv4) },
          { sourcePort: 1, destinationPort: 7000 },
          utf8('forged'),
        ),
      )
    }
    // What is allowed comes after all that, so all that has had its time.
    one.datagram(WORLD.ipv4, 'allowed')
    await one.answer(WORLD.ipv4)
    assert.deepEqual(one.packets, [])
    assert.deepEqual(two.packets, [])
    assert.deepEqual(
      outside.heard.slice(before).map(({ text }) => text),
      ['allowed'],
    )
    for (const client of [one, two]) await client.way?.close()
  })

  it('nothing comes in that was not asked for, from the world or from this machine', async () => {
    const client = await new Client(8, 3).open(engine)
    outside.run('ip', 'route', 'add', '10.0.0.0/16', 'via', EXIT.ipv4)
    const send = `const one = require('node:dgram').createSocket('udp4'); one.send('in', 4000, '10.0.8.3', () => one.close())`
    outside.run(process.execPath, '-e', send)
    run(process.execPath, '-e', send)
    client.datagram(WORLD.ipv4, 'out')
    await client.answer(WORLD.ipv4)
    assert.deepEqual(client.packets, [])
    await client.way?.close()
  })

  it('who gets an address that was another’s gets none of the answers to that one', async () => {
    const first = await new Client(9, 1).open(engine)
    first.datagram(WORLD.ipv4, 'more')
    await first.answer(WORLD.ipv4)
    await first.answer(WORLD.ipv4)
    await first.way?.close()
    const second = await new Client(9, 1).open(engine)
    second.datagram(WORLD.ipv4, 'mine')
    const { payload } = await second.answer(WORLD.ipv4)
    assert.equal(String.fromCharCode(...payload.subarray(8)), 'mine')
    // Ten more of the other's would have come by now.
    await new Promise((resolve) => setTimeout(resolve, 1000))
    assert.deepEqual(second.packets, [])
    await second.way?.close()
  })

  it('when the device is lost every client is, and the next one has a new device', async () => {
    const client = await new Client(10, 1).open(engine)
    run('ip', 'link', 'delete', 'starling-exit')
    await until('the client knows', () => client.lost.length > 0)
    assert.deepEqual(
      client.lost.map(({ code }) => code),
      ['ENGINE_FAILED'],
    )
    assert.equal(client.way?.send(new Uint8Array(20)), false)
    await client.way?.close()
    const next = await new Client(10, 2).open(engine)
    next.datagram(WORLD.ipv6, 'again')
    await next.answer(WORLD.ipv6)
    await next.way?.close()
  })

  it('one client has no more than its share of connections', async () => {
    const [greedy, other] = [await new Client(10, 5).open(engine), await new Client(10, 6).open(engine)]
    const before = outside.heard.length
    const flows = () => outside.heard.slice(before).filter(({ text }) => text === 'many')
    for (let port = 1; port <= 300; port++) {
      greedy.send(
        buildUdp(
          { source: greedy.ipv4, destination: address(WORLD.ipv4) },
          { sourcePort: port, destinationPort: 7000 },
          utf8('many'),
        ),
      )
      // All at once would be more than the device holds, and lost there.
      if (port % 20 > 0) continue
      other.datagram(WORLD.ipv4, 'one')
      await other.answer(WORLD.ipv4)
    }
    assert.equal(flows().length, 256)
    for (const client of [greedy, other]) await client.way?.close()
  })

  it('a second one on the machine is refused, and harms nothing', async () => {
    await assert.rejects(open(), { code: 'ENGINE_UNAVAILABLE' })
    const client = await new Client(11, 1).open(engine)
    client.datagram(WORLD.ipv4, 'still')
    await client.answer(WORLD.ipv4)
    await client.way?.close()
  })

  it('everything is taken back, and the operator’s rules are as they were', async () => {
    for (const name of ['cable', 'starling-exit']) assert.deepEqual(switches(name), ['1', '1'])
    assert.deepEqual(settings(), ['0', isWhole ? '1' : '0'])
    await engine.close()
    assert.deepEqual([...settings(), ...switches('cable')], ['0', '0', '0', '0'])
    assert.equal(tables().trim(), 'table inet operators')
    assert.doesNotMatch(run('ip', 'link'), /starling-exit/)
    assert.doesNotMatch(run('ip', 'route') + run('ip', '-6', 'route'), /unreachable (10|fc00)/)
  })

  it('what fails on the way is taken back', async () => {
    run('mount', '--bind', '/proc/sys', '/proc/sys')
    run('mount', '-o', 'remount,ro,bind', '/proc/sys')
    await assert.rejects(open(), { code: 'ENGINE_FAILED' })
    run('umount', '/proc/sys')
    assert.equal(tables().trim(), 'table inet operators')
    assert.doesNotMatch(run('ip', 'route') + run('ip', '-6', 'route'), /unreachable (10|fc00)/)
  })

  it('what another has switched meanwhile stays so', async () => {
    set('/proc/sys/net/ipv6/conf/cable/accept_ra', 1)
    engine = await open()
    set('/proc/sys/net/ipv6/conf/cable/accept_ra', 0)
    await engine.close()
    assert.equal(held('/proc/sys/net/ipv6/conf/cable/accept_ra'), '0')
    assert.deepEqual(settings(), ['0', '0'])
  })

  it('a machine that was no router is one for clients only, until another wants it to be one, and then stays so', async () => {
    engine = await open()
    const garden = new WorldNamespace('garden', ['172.16.5.1/24', '2600:1::1/64'], ['172.16.5.2/24', '2600:1::2/64'])
    try {
      await garden.serveEcho()
      garden.run('ip', 'route', 'add', 'default', 'via', '172.16.5.1')
      garden.run('ip', '-6', 'route', 'add', 'default', 'via', '2600:1::1')
      outside.run('ip', 'route', 'replace', '172.16.5.0/24', 'via', EXIT.ipv4)
      outside.run('ip', '-6', 'route', 'replace', '2600:1::/64', 'via', EXIT.ipv6)
      // An interface that comes later is one where answers may come.
      await until('it is looked at', () => switches('garden').join() === '1,1')
      const sends = (to: string): string =>
        outside.run(
          process.execPath,
          '-e',
          `const one = require('node:dgram').createSocket('udp${to.includes(':') ? 6 : 4}'); one.send('in', 7000, '${to}', () => one.close())`,
        )
      for (const to of ['172.16.5.2', '2600:1::2']) sends(to)
      const client = await new Client(13, 1).open(engine)
      client.datagram('2600:1::2', 'out')
      await client.answer('2600:1::2')
      if (!isWhole) {
        assert.deepEqual(
          garden.heard.slice(1).map(({ text }) => text),
          ['out'],
        )
      }
      for (const path of FORWARDING) set(path, 1)
      await until(
        'it lets go',
        () => !/guarded4|guarded6/.test(elementsOf('guarded4') + (isWhole ? '' : elementsOf('guarded6'))),
      )
      const before = garden.heard.length
      for (const to of ['172.16.5.2', ...(isWhole ? [] : ['2600:1::2'])]) sends(to)
      await until('others are heard', () => garden.heard.length === before + (isWhole ? 1 : 2))
      client.datagram(WORLD.ipv4, 'still')
      await client.answer(WORLD.ipv4)
      await engine.close()
      assert.deepEqual(settings(), ['1', isWhole ? '0' : '1'])
      assert.equal(held('/proc/sys/net/ipv4/conf/cable/forwarding'), '1')
      if (!isWhole) assert.deepEqual(switches('cable'), ['1', '0'])
    } finally {
      garden.close()
      for (const path of FORWARDING) set(path, 0)
    }
  })

  it('what is flushed of its rules is put back at once, and the machine is a router for nobody', async () => {
    // On which nobody looks unless told.
    const after = (delay: Millis, run: () => void) => nodeClock.after(delay >= 10_000 ? seconds(1e5) : delay, run)
    const clock = { ...nodeClock, after }
    engine = await openPacketEngine({ ...world, clock }, { engine: 'tun', allowLocalAddresses: false, log })
    const listing = (): string => run('nft', '-t', 'list', 'table', 'inet', 'starling_exit')
    const rules = (): number => listing().split('\n').length
    const client = await new Client(13, 2).open(engine)
    client.datagram(WORLD.ipv4, 'once')
    await client.answer(WORLD.ipv4)
    const whole = rules()
    const isWhole = (): boolean =>
      /starling_exit/.test(tables()) &&
      rules() === whole &&
      ['guarded4', 'local4', 'islands6'].every((set) => elementsOf(set) === set)
    for (const flush of [
      ['flush', 'ruleset'],
      ['flush', 'table', 'inet', 'starling_exit'],
      ['flush', 'chain', 'inet', 'starling_exit', 'clients'],
      ['flush', 'set', 'inet', 'starling_exit', 'guarded4'],
      ['flush', 'set', 'inet', 'starling_exit', 'local4'],
    ]) {
      assert.ok(isWhole())
      warned.length = 0
      run('nft', ...flush)
      await until(`it is whole after ${flush.join(' ')}`, isWhole)
      assert.ok(warned.includes('packets.rules-gone'))
      client.datagram(WORLD.ipv4, 'again')
      await client.answer(WORLD.ipv4)
      assert.equal(outside.heard.at(-1)?.address, EXIT.ipv4)
    }
    // Where they cannot be put back, nothing is forwarded, until they can.
    run('mount', '--bind', '/bin/false', '/usr/sbin/nft')
    run('ip', 'link', 'set', 'cable', 'mtu', '1400')
    await until('nothing is forwarded', () => switches('cable').join() === '0,0')
    run('umount', '/usr/sbin/nft')
    run('ip', 'link', 'set', 'cable', 'mtu', '1500')
    await until('it is again', () => switches('cable').join() === '1,1')
    assert.ok(isWhole())
    await engine.close()
    run('nft', OWN_TABLE)
  })

  it('an interface that is renamed is guarded under its new name, and forwards no more than before afterwards', async () => {
    const porch = new WorldNamespace('porch', ['172.16.6.1/24', '2600:2::1/64'], ['172.16.6.2/24', '2600:2::2/64'])
    try {
      engine = await open()
      const guarded = (): string => run('nft', 'list', 'set', 'inet', 'starling_exit', 'guarded4')
      await until('it is guarded', () => guarded().includes('"porch"'))
      run('ip', 'link', 'set', 'porch', 'down')
      run('ip', 'link', 'set', 'porch', 'name', 'stoop')
      await until('it is guarded again', () => guarded().includes('"stoop"'))
      assert.doesNotMatch(guarded(), /"porch"/)
      run('ip', 'link', 'set', 'stoop', 'up')
      assert.deepEqual(switches('stoop'), ['1', '1'])
      await engine.close()
      assert.deepEqual(switches('stoop'), ['0', '0'])
    } finally {
      porch.close()
    }
  })

  it('clients have half of the connections that the kernel can remember at most', async () => {
    const small: Pick<World['files'], 'read'> = {
      read: (path) => (path.endsWith('/nf_conntrack_max') ? Promise.resolve(utf8('4096\n')) : world.files.read(path)),
    }
    engine = await open(small)
    assert.ok(warned.includes('packets.few-flows'))
    const rules = run('nft', '-t', 'list', 'table', 'inet', 'starling_exit')
    assert.match(rules, /ct state new ct count over 2048 drop/)
    assert.match(rules, /ip saddr (timeout [0-9a-z]+ )?ct count over 16 /)
    await engine.close()
  })

  it('where Linux has one switch for all of IPv6, that one is used, and switched back', async () => {
    const older: Pick<World['files'], 'read'> = {
      read: (path) => (path.endsWith('/force_forwarding') ? Promise.resolve(undefined) : world.files.read(path)),
    }
    set('/proc/sys/net/ipv6/conf/cable/accept_ra', 1)
    engine = await open(older)
    assert.deepEqual(settings(), ['0', '1'])
    // A router that still listens to routers.
    assert.equal(held('/proc/sys/net/ipv6/conf/cable/accept_ra'), '2')
    const client = await new Client(13, 3).open(engine)
    client.datagram(WORLD.ipv6, 'out')
    await client.answer(WORLD.ipv6)
    await engine.close()
    assert.deepEqual(settings(), ['0', '0'])
    assert.equal(held('/proc/sys/net/ipv6/conf/cable/accept_ra'), '1')
  })

  it('without the device an answer leaves in no other way, and a site hears no address of a client', async () => {
    // Where it was off, interfaces that were there forward nothing to each other, and that alone would hold it back.
    const forward = (value: 0 | 1) => FORWARDING.map((path) => set(path, value))
    forward(1)
    engine = await open()
    const client = await new Client(10, 3).open(engine)
    run('ip', 'route', 'add', 'default', 'via', WORLD.ipv4)
    run('ip', '-6', 'route', 'add', 'default', 'via', WORLD.ipv6)
    // As packets, and in what the kernel says of them: 24 bytes behind the start of an ICMP message is the address it could not reach.
    outside.run(
      'nft',
      `table inet seen { counter clear { }; counter within { }; chain arriving { type filter hook prerouting priority -400; policy accept;
       ip daddr 10.0.0.0/16 counter name clear; ip6 daddr fc00::/112 counter name clear;
       ip protocol icmp @th,192,16 0x0a00 counter name within; icmpv6 type destination-unreachable @th,256,16 0xfc00 counter name within; }; }`,
    )
    for (const family of ['ipv4', 'ipv6'] as const) {
      client.datagram(WORLD[family], 'more')
      await client.answer(WORLD[family])
    }
    run('nft', 'table inet operators { counter arrived { }; }')
    run(
      'nft',
      `table inet operators { chain first { type filter hook prerouting priority -400; iifname "cable" udp sport 7000 counter name arrived; }; }`,
    )
    const counted = (name: string) => packetsOf(run('nft', 'list', 'counter', 'inet', 'operators', name))
    run('ip', 'link', 'delete', 'starling-exit')
    const before = counted('arrived')
    await until('answers for the client have come', () => counted('arrived') >= before + 20)
    assert.match(run('ip', 'route'), /unreachable 10\.0\.0\.0\/16/)
    assert.match(run('ip', '-6', 'route'), /unreachable fc00::\/112/)
    // Also where there is a route again, by mistake of somebody.
    for (const [version, network] of [
      ['-4', '10.0.0.0/16'],
      ['-6', 'fc00::/112'],
    ] as const) {
      run('ip', version, 'route', 'del', 'unreachable', network, 'metric', '1000000')
    }
    run('nft', 'table inet operators { counter came { }; }')
    run(
      'nft',
      'table inet operators { chain early { type filter hook forward priority -200; policy accept; ip daddr 10.0.0.0/16 counter name came; ip6 daddr fc00::/112 counter name came; }; }',
    )
    await until('more have come', () => counted('came') >= 20)
    const seen = outside.run('nft', 'list', 'counters', 'table', 'inet', 'seen')
    assert.deepEqual(
      [...seen.matchAll(/packets (\d+)/g)].map(([, count]) => count),
      ['0', '0'],
      seen,
    )
    run('ip', 'route', 'del', 'default')
    run('ip', '-6', 'route', 'del', 'default')
    await client.way?.close()
    await engine.close()
    assert.deepEqual(settings(), ['1', '1'])
    forward(0)
  })

  it('what a killed one has left is found, used and taken back', async () => {
    const script = `
      import { openPacketEngine } from ${JSON.stringify(new URL('../../src/app/node/packetEngine.ts', import.meta.url))}
      import { nodeWorld } from ${JSON.stringify(new URL('../../src/foundation/platform/node/nodeWorld.ts', import.meta.url))}
      import { nodeProvider } from ${JSON.stringify(new URL('../../src/foundation/crypto/nodeProvider.ts', import.meta.url))}
      import { silentLog } from ${JSON.stringify(new URL('../../src/foundation/base/observe.ts', import.meta.url))}
      await openPacketEngine(nodeWorld(nodeProvider), { engine: 'tun', allowLocalAddresses: false, log: silentLog })
      console.log('ready')
      setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    child.kill('SIGKILL')
    await once(child, 'exit')
    assert.deepEqual(switches('cable'), ['1', '1'])
    assert.match(tables(), /starling_exit/)
    engine = await open()
    const client = await new Client(12, 1).open(engine)
    client.datagram(WORLD.ipv4, 'after')
    await client.answer(WORLD.ipv4)
    await engine.close()
    assert.deepEqual([...settings(), ...switches('cable')], ['0', '0', '0', '0'])
    assert.equal(tables().trim(), 'table inet operators')
  })

  it('a network of this machine where clients have their addresses is told of, and kept', async () => {
    run('ip', 'addr', 'add', '10.0.4.1/24', 'dev', 'cable')
    await assert.rejects(open(), { code: 'ENGINE_UNAVAILABLE' })
    assert.equal(tables().trim(), 'table inet operators')
    run('ip', 'addr', 'del', '10.0.4.1/24', 'dev', 'cable')
  })
})

const elementsOf = (name: string): string =>
  /elements = .*/.test(run('nft', 'list', 'set', 'inet', 'starling_exit', name)) ? name : ''

const packetsOf = (listing: string): number => Number(/packets (\d+)/.exec(listing)?.[1])

function syn(source: Uint8Array, to: string, destinationPort: number): Uint8Array {
  const addresses = { source, destination: address(to) }
  const segment = new Uint8Array(20)
  const view = new DataView(segment.buffer)
  view.setUint16(0, 4000)
  view.setUint16(2, destinationPort)
  segment[12] = 0x50
  segment[13] = 0x02
  view.setUint16(14, 65_535)
  view.setUint16(16, foldedChecksum(transportSum({ ...addresses, protocol: PROTOCOL.tcp }, segment)))
  return buildIpPacket(addresses, PROTOCOL.tcp, segment)
}
