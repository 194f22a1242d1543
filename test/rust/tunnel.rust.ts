/**
 * The IP tunnel of the official Rust SDK 1.21.6 and smolmix over it, both unmodified, through our packet router: a client of version 9, one
 * of version 10, and ours, at once. They find their network at the address that is compiled into them. @module
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { BUILD_INFORMATION } from '../../src/app/node/buildInformation.ts'
import { connect, type MixnetConnection } from '../../src/app/sdk/connect.ts'
import type { MixnetIp } from '../../src/client/ip/mixnetIp.ts'
import { readIpPacket } from '../../src/protocol/wire/ip/ipPacket.ts'
import { NO_PASST } from '../../src/roles/exit/ip/passtSupport.test.ts'
import { until } from '../browser/network.ts'
import { pattern, sha256 } from '../browser/site.ts'
import { OfficialDirectory } from './officialDirectory.ts'
import { buildSdkClient, DEADLINE_MS, type OpenedTunnel, SdkClient } from './sdkClient.ts'
import { TunnelNetwork } from './tunnelNetwork.ts'

const MEGABYTE = 1_000_000
/** As the SDK picks a version: by that of the node, which it lets its environment overrule. */
const ASKS_IN = { 9: '1.36.0', 10: '1.37.0' } as const
/** Without version 10, which says: what smolmix takes for granted. */
const MTU = { 9: 1420, 10: 1500 } as const
const [IP_HEADER, UDP_HEADER] = [20, 8]
const ROUTER = { 4: '10.0.0.1', 6: 'fc00::1' } as const

const program = await buildSdkClient()

interface Peer {
  readonly version: 9 | 10
  readonly rust: SdkClient
  readonly opened: OpenedTunnel
}

const skip = program.skip || NO_PASST

describe('the IP tunnel of the official Rust SDK 1.21.6', { skip, timeout: 900_000 }, () => {
  let network: TunnelNetwork
  let official: OfficialDirectory
  let starling: MixnetConnection
  let ip: MixnetIp
  const started: SdkClient[] = []
  let peers: readonly Peer[]

  before(async () => {
    network = await TunnelNetwork.start(26600)
    official = await OfficialDirectory.start(network.directoryUrl)
    starling = await connect({ directory: network.directoryUrl, connectTimeout: DEADLINE_MS })
    ip = await starling.ip()
    // One is told which router, the other finds it.
    peers = await Promise.all([open(9, network.router), open(10)])
  })

  after(async () => {
    await starling?.close()
    await Promise.all(started.map((one) => one.stop()))
    await official?.close()
    await network?.stop()
  })

  const launched = (environment: Readonly<Record<string, string>> = {}): SdkClient => {
    assert.ok(program.skip === false)
    const all = { ...official.environment, ...environment }
    const rust = new SdkClient(program.path, network.directoryUrl, all)
    started.push(rust)
    return rust
  }
  const open = async (version: 9 | 10, router?: string): Promise<Peer> => {
    const rust = launched({ SMOLMIX_IPR_VERSION: ASKS_IN[version] })
    return { version, rust, opened: await rust.tunnel(router) }
  }
  const everybody = async (what: (peer: Peer) => Promise<void>): Promise<void> => {
    await Promise.all(peers.map(what))
  }
  const answerTo = async (rust: SdkClient, request: string, body: Uint8Array = new Uint8Array(0)): Promise<Buffer> => {
    const head = `${request} HTTP/1.0\r\ncontent-length: ${body.length}\r\n\r\n`
    const answer = Buffer.from(await rust.exchange(network.site, Buffer.concat([Buffer.from(head), body])))
    const end = answer.indexOf('\r\n\r\n')
    assert.match(answer.subarray(0, end).toString(), /^HTTP\/1\.1 200 /)
    return answer.subarray(end + 4)
  }

  it('each has an address of its own, and hears of the MTU in version 10', () => {
    const opened = peers.map((peer) => peer.opened)
    assert.equal(new Set([...opened, ip].flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6])).size, 6)
    assert.deepEqual(
      opened.map(({ mtu }) => mtu),
      [null, MTU[10]],
    )
  })

  it('left to itself asks in the version that our nodes promise', async () => {
    const [, minor] = BUILD_INFORMATION.buildVersion.split('.').map(Number)
    const { mtu } = await launched().tunnel(network.router)
    assert.equal(mtu, (minor as number) >= 37 ? MTU[10] : null)
  })

  it('pings the router by IPv4 and IPv6, and a machine beyond it', async () => {
    await everybody(async ({ rust }) => {
      for (const to of [ROUTER[4], ROUTER[6], network.host]) {
        const answer = readIpPacket(await rust.ping(to))
        assert.ok(!('fault' in answer))
      }
    })
    assert.ok((await ip.ping(network.host)) > 0)
  })

  it('datagrams come back, the largest too', async () => {
    await everybody(async ({ version, rust }) => {
      for (const length of [1, 1000, MTU[version] - IP_HEADER - UDP_HEADER]) {
        const data = randomBytes(length)
        assert.deepEqual(await rust.datagram(network.echo, data), { data, from: network.echo })
      }
    })
  })

  it('both download a megabyte over TCP at once, unchanged, while ours sends datagrams', async () => {
    const socket = ip.udp()
    let heard = 0
    socket.onDatagram(() => heard++)
    const [host, port] = network.echo.split(':') as [string, string]
    const beside = setInterval(() => socket.send(randomBytes(1000), { host, port: Number(port) }), 200)
    try {
      const expected = sha256(pattern(MEGABYTE))
      await everybody(async ({ rust }) => {
        assert.equal(sha256(await answerTo(rust, `GET /?count=${MEGABYTE}`)), expected)
      })
    } finally {
      clearInterval(beside)
      socket.close()
    }
    assert.ok(heard > 0)
  })

  it('both upload over TCP at once, unchanged', async () => {
    await everybody(async ({ rust }) => {
      const body = randomBytes(20_000)
      assert.equal((await answerTo(rust, 'POST /', body)).toString(), sha256(body))
    })
  })

  it('none of their packets was unreadable to us, and none went elsewhere than to the compiled-in directory', () => {
    const refused = Object.keys(network.counted('ip_dropped_total')).filter((key) => key.includes('packet-'))
    assert.deepEqual(refused, [])
    assert.deepEqual(official.refused, [])
  })

  it('when the engine of one is killed, it is told, and the others go on', async () => {
    const victim = await open(9, network.router)
    const lasting = await open(10, network.router)
    await victim.rust.ping(network.host)
    network.killEngineOf(victim.opened.ipv4)
    await assert.rejects(victim.rust.ping(network.host), /disconnect/i)
    await lasting.rust.ping(network.host)
    await until(() => ip.isOpen, 'ours is there still')
  })
})
