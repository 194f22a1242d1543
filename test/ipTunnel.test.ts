/** Addresses behind an exit, through a whole simulated network: datagrams, pings, names, and what ends them. @module */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import type { MixnetIp } from '../src/client/ip/mixnetIp.ts'
import type { Datagram, UdpSocket } from '../src/client/ip/udpSocket.ts'
import type { Mixnet } from '../src/client/mixnet.ts'
import { utf8 } from '../src/foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../src/foundation/base/errors.ts'
import { millis, minutes, seconds } from '../src/foundation/base/units.ts'
import { buildUdp } from '../src/protocol/wire/ip/buildPacket.ts'
import { HostileNetwork } from './hostile/simulatedNetwork.ts'
import { KNOWN_ADDRESS, KNOWN_NAME, NAME_SERVER, SimulatedInternet } from './support/simulatedInternet.ts'

const SITE = { host: '1.2.3.4', port: 7000 }

describe('addresses behind an exit', { timeout: 240_000 }, () => {
  let network: HostileNetwork
  let internet: SimulatedInternet
  before(async () => {
    network = await HostileNetwork.start({
      wayOutOf: (_, world) => {
        internet = new SimulatedInternet(world.clock)
        return internet.wayOut()
      },
    })
  })
  after(() => network.stop())
  const connected: Mixnet[] = []
  const connect = async (): Promise<Mixnet> => {
    const mixnet = await network.client()
    connected.push(mixnet)
    return mixnet
  }
  afterEach(async () => {
    internet.lost = () => false
    for (const mixnet of connected.splice(0)) await network.complete(mixnet.close())
    await network.until('no address is left', () => internet.open.size === 0)
  })

  const received = (socket: UdpSocket): Datagram[] => {
    const all: Datagram[] = []
    socket.onDatagram((one) => all.push(one))
    return all
  }
  const failure = async (work: Promise<unknown>): Promise<MixnetError> => {
    const error = await network.complete(work.catch((one: unknown) => one))
    assert.ok(isMixnetError(error), String(error))
    return error
  }

  it('datagrams come back, of all sizes that fit, to the socket that sent them', async () => {
    const mixnet = await connect()
    const ip = await network.complete(mixnet.ip())
    assert.match(ip.ipv4, /^10\.0\.\d+\.\d+$/)
    assert.equal(ip.mtu, 1500)
    const [socket, other] = [ip.udp(), ip.udp()]
    const [heard, elsewhere] = [received(socket), received(other)]
    for (const length of [0, 1, 700, socket.maxBytes()]) {
      socket.send(new Uint8Array(length).fill(length), SITE)
      await network.until(`${length} bytes are back`, () => heard.length > 0)
      const { data, from } = heard.pop() as Datagram
      assert.equal(data.length, length)
      assert.ok(data.every((byte) => byte === (length & 0xff)))
      assert.deepEqual(from, SITE)
    }
    socket.send(utf8('six'), { host: '2606:4700::1111', port: 9 })
    await network.until('IPv6', () => heard.length === 1)
    assert.deepEqual(elsewhere, [])
    assert.throws(() => socket.send(new Uint8Array(socket.maxBytes() + 1), SITE), { code: 'BAD_ARGUMENT' })
    assert.throws(() => ip.udp({ port: socket.port }), { code: 'BAD_ARGUMENT' })
    await network.complete(mixnet.close())
    await network.until('the address is given back', () => internet.open.size === 0)
  })

  it('pings, and asks for names', async () => {
    const mixnet = await connect()
    const ip = await network.complete(mixnet.ip())
    const took = await network.complete(ip.ping('1.2.3.4'))
    assert.ok(took > 30 && took < 3000, `${took} ms`)
    assert.ok((await network.complete(ip.ping('2606:4700::1111'))) > 0)
    assert.deepEqual(await network.complete(ip.resolve(KNOWN_NAME, { server: NAME_SERVER })), [KNOWN_ADDRESS])
    assert.equal((await failure(ip.resolve('unknown.example', { server: NAME_SERVER }))).code, 'HOST_UNKNOWN')
    assert.equal((await failure(ip.ping('example.org'))).code, 'BAD_ARGUMENT')
    let toLose = 2
    internet.lost = () => toLose-- > 0
    assert.deepEqual(await network.complete(ip.resolve(KNOWN_NAME, { server: NAME_SERVER })), [KNOWN_ADDRESS])
    internet.lost = () => true
    assert.equal((await failure(ip.ping('1.2.3.4', { timeout: 5000 }))).code, 'TIMEOUT')
    // Who waits hears of the end as well.
    const codes: string[] = []
    for (const waiting of [ip.ping('1.2.3.4'), ip.resolve(KNOWN_NAME, { server: NAME_SERVER })]) {
      waiting.catch((error: MixnetError) => codes.push(error.code))
    }
    await network.complete(ip.close())
    assert.deepEqual(codes, ['STOPPED', 'STOPPED'])
    assert.equal((await failure(ip.ping('1.2.3.4'))).code, 'STOPPED')
    await network.complete(mixnet.close())
  })

  it('two addresses of one client are two pseudonyms, and packets with the address of the other do not leave', async () => {
    const mixnet = await connect()
    const [one, two] = await network.complete(Promise.all([mixnet.ip(), mixnet.ip()]))
    assert.ok(one !== undefined && two !== undefined)
    assert.notEqual(one.ipv4, two.ipv4)
    const forged = buildUdp(
      { source: Uint8Array.from(two.ipv4.split('.').map(Number)), destination: Uint8Array.of(1, 2, 3, 4) },
      { sourcePort: 1, destinationPort: 2 },
      new Uint8Array(1),
    )
    assert.throws(() => one.send(forged), { code: 'BAD_ARGUMENT' })
    await network.complete(mixnet.close())
    await network.until('both are given back', () => internet.open.size === 0)
  })

  it('an address that nobody uses stays, for the client keeps it; when the way out fails the client is told', async () => {
    const mixnet = await connect()
    const lost: MixnetError[] = []
    const ip: MixnetIp = await network.complete(mixnet.ip({ onLost: (error) => lost.push(error) }))
    await network.runFor(minutes(2))
    assert.deepEqual(lost, [])
    assert.ok((await network.complete(ip.ping('1.2.3.4'))) > 0)
    const [way] = [...internet.open.values()]
    way?.lost(new MixnetError('CONNECTION_CLOSED'))
    await network.until('the client knows', () => lost.length === 1)
    assert.deepEqual(
      lost.map(({ code }) => code),
      ['EXIT_UNREACHABLE'],
    )
    assert.equal(ip.isOpen, false)
    assert.ok((await network.complete(mixnet.ip())).isOpen)
    await network.complete(mixnet.close())
  })

  it('a client that is gone leaves its address to others after a minute', async () => {
    const mixnet = await network.client()
    await network.complete(mixnet.ip())
    network.simulation.crash('client-5')
    await network.until('it is let go', () => internet.open.size === 0, seconds(90))
  })

  it('whoever gives up is told that, whatever was being done for him, and nothing of it is left', async () => {
    const mixnet = await connect()
    assert.equal((await failure(mixnet.ip({ signal: AbortSignal.abort() }))).code, 'ABORTED')
    // While the directory is asked; while the router is.
    for (const after of [millis(1), millis(50)]) {
      const giving = new AbortController()
      const opening = mixnet.ip({ signal: giving.signal }).catch((error: unknown) => error)
      await network.runFor(after)
      giving.abort()
      const error = await network.complete(opening, seconds(1))
      assert.ok(isMixnetError(error, 'ABORTED'), `${error}`)
    }
    assert.ok((await network.complete(mixnet.ip())).isOpen)
  })

  it('closed while it opens, it says so', async () => {
    const mixnet = await connect()
    const opening = mixnet.ip().catch((error: unknown) => error)
    await network.runFor(millis(50))
    await network.complete(mixnet.close())
    const error = await network.complete(opening)
    assert.ok(isMixnetError(error, 'STOPPED'), String(error))
  })
})
