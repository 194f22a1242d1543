/**
 * Every port of a network on real sockets: mix, gateway, node API, directory, demo site and SOCKS, each against silence, drips,
 * halves, too much, other protocols, peers that never read, and 2,000 connections at once. The limits of HTTP and of upgrades are
 * shortened; those of mix ports and gateways are waited for in the simulator (mixPort.test.ts, gateway.test.ts). @module
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { DEMO_HOST, type DemoSite, serveDemoSite } from '../../src/app/testnet/demoSite.ts'
import { planNetwork } from '../../src/app/testnet/layout.ts'
import { withNamedHosts } from '../../src/app/testnet/namedHosts.ts'
import { startTestnet, type Testnet } from '../../src/app/testnet/testnet.ts'
import type { LocalApi } from '../../src/client/localApi.ts'
import { Mixnet } from '../../src/client/mixnet.ts'
import type { Socks5Server } from '../../src/client/socks5Server.ts'
import { concat, utf8 } from '../../src/foundation/base/bytes.ts'
import { silentLog } from '../../src/foundation/base/observe.ts'
import { millis } from '../../src/foundation/base/units.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import type { Endpoint } from '../../src/foundation/platform/net.ts'
import { nodeWorld } from '../../src/foundation/platform/node/nodeWorld.ts'
import type { World } from '../../src/foundation/platform/world.ts'
import { DATAGRAMS } from './datagrams.ts'
import { held, usedBytes } from './simulatedNetwork.ts'

const LIMIT = millis(600)
/** Only ends a wait that will never end. Who connects in the middle of a flood may be told to try again after 1, 3, 7 and 15 s. */
const PATIENCE_MS = 40_000
const FLOOD = 2000

/** The shipped platform with less patience. */
function hurried(world: World): World {
  const { net } = world
  return {
    ...world,
    net: {
      ...net,
      serveHttp: (options, handler) => net.serveHttp({ ...options, requestTimeout: LIMIT }, handler),
      listenWebSocket: (options, accept) => net.listenWebSocket({ ...options, handshakeTimeout: LIMIT }, accept),
    },
  }
}

interface Raw {
  readonly socket: Socket
  /** What it was told until it was hung up on. */
  readonly closed: Promise<string>
}

/** A test that failed leaves some behind, and nothing can be stopped while they hold on to it. */
const open = new Set<Socket>()

function raw({ host, port }: Endpoint, bytes: Uint8Array = new Uint8Array(0), localAddress = host): Raw {
  const socket = connect({ host, port, localAddress })
  open.add(socket)
  socket.on('close', () => open.delete(socket))
  let answer = ''
  const closed = new Promise<string>((resolve) => socket.on('close', () => resolve(answer)))
  socket.setEncoding('latin1')
  socket.on('data', (data) => {
    answer = (answer + data).slice(0, 100_000)
  })
  socket.on('error', () => {})
  if (bytes.length > 0) socket.write(bytes)
  return { socket, closed }
}

async function within<T>(what: string, work: Promise<T>): Promise<T> {
  const stop = new AbortController()
  const late = sleep(PATIENCE_MS, undefined, { signal: stop.signal, ref: false }).then(() =>
    assert.fail(`never: ${what}`),
  )
  late.catch(() => {})
  try {
    return await Promise.race([work, late])
  } finally {
    stop.abort()
  }
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + PATIENCE_MS
  while (!holds()) {
    if (performance.now() > end) assert.fail(`never: ${what}`)
    await sleep(10)
  }
}

const POST = 'POST /v1/nym-nodes/refresh-described HTTP/1.1\r\nHost: x\r\n'
const http: Readonly<Record<string, Uint8Array>> = {
  silence: new Uint8Array(0),
  'half a request': utf8('GET / HTTP/1.1\r\nHost:'),
  'half a body': utf8(`${POST}Content-Length: 100\r\n\r\nabc`),
  'an endless header': utf8(`GET / HTTP/1.1\r\nX: ${'x'.repeat(100_000)}`),
  'ten thousand headers': utf8(`GET / HTTP/1.1\r\n${'a: b\r\n'.repeat(10_000)}\r\n`),
  'an endless path': utf8(`GET /${'x'.repeat(100_000)} HTTP/1.1\r\n\r\n`),
  'a body announced too long': utf8(`${POST}Content-Length: 99999999999\r\n\r\n`),
  'a body of negative length': utf8(`${POST}Content-Length: -5\r\n\r\n`),
  'two lengths': utf8(`${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`),
  'a chunk of impossible length': utf8(`${POST}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx`),
  'a path with everything in it': utf8('GET /%00%ff/..%2f..%2f/\u0001?page=-1&page=1e9 HTTP/1.1\r\nHost: [\r\n\r\n'),
  'another method': utf8('PROPFIND / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'),
  garbage: new Uint8Array(50_000).fill(0xc3),
  TLS: DATAGRAMS.tls,
  'HTTP/2': DATAGRAMS.http2,
  SOCKS: DATAGRAMS.socks,
  SSH: DATAGRAMS.ssh,
  'an upgrade of another version': DATAGRAMS.oldUpgrade,
}
const binary: Readonly<Record<string, Uint8Array>> = {
  garbage: new Uint8Array(50_000).fill(0xc3),
  HTTP: DATAGRAMS.http,
  TLS: DATAGRAMS.tls,
  SSH: DATAGRAMS.ssh,
  'an upgrade': DATAGRAMS.upgrade,
}
const socks: Readonly<Record<string, Uint8Array>> = {
  ...binary,
  'SOCKS 3': Uint8Array.of(3, 1, 0),
  'SOCKS 6': Uint8Array.of(6, 1, 0),
  'a version that changes': Uint8Array.of(5, 1, 0, 6, 1, 0, 1, 127, 0, 0, 1, 0, 80),
  'no method that suits': Uint8Array.of(5, 2, 1, 2),
  BIND: Uint8Array.of(5, 1, 0, 5, 2, 0, 1, 127, 0, 0, 1, 0, 80),
  'an address that is none': Uint8Array.of(5, 1, 0, 5, 1, 0, 9, 1, 2, 3),
  'a user without end': concat(Uint8Array.of(4, 1, 0, 80, 1, 2, 3, 4), new Uint8Array(1000).fill(0x61)),
  'a name that is none': concat(Uint8Array.of(5, 1, 0, 5, 1, 0, 3, 4), utf8('a\r\nb'), Uint8Array.of(0, 80)),
}

/** Of one test; of all together none, for a suite that runs out of time would not run what cleans up behind it. */
const TEST_LIMIT = { timeout: 120_000 }

describe('ports on real sockets', () => {
  const folder = mkdtempSync(join(tmpdir(), 'starling-hostile-'))
  const world = hurried(nodeWorld(nodeProvider))
  let site: DemoSite
  let network: Testnet
  let mixnet: Mixnet
  let proxy: Socks5Server
  let api: LocalApi
  let heldBefore: readonly Record<string, number>[]
  let usedBefore: number

  before(async () => {
    site = await serveDemoSite(world)
    const exitNet = withNamedHosts(world.net, new Map([[DEMO_HOST, site.endpoint]]))
    network = await startTestnet({
      // One address for all: it works everywhere, and every connection is a stranger's like the attacker's.
      plans: planNetwork({ mixNodes: 3, entries: 1, exits: 1 }, false),
      folder,
      directory: { host: '127.0.0.1', port: 28_080 },
      noise: false,
      world,
      worldOf: ({ roles }) => (roles.includes('exit') ? { ...world, net: exitNet } : world),
      logOf: () => silentLog,
    })
    mixnet = await Mixnet.connect(world, { directories: [network.directoryUrl], folder: `${folder}/client` })
    proxy = await mixnet.proxy({ host: '127.0.0.1', port: 0 })
    api = await mixnet.localApi({ host: '127.0.0.1', port: 0 })
    await assertServes()
    heldBefore = network.nodes.map(held)
    usedBefore = usedBytes()
  })
  afterEach(() => {
    for (const socket of open) socket.destroy()
  })
  after(async () => {
    // What did not come to be need not be ended.
    await mixnet?.close()
    await network?.stop()
    await site?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const endpoints = () => {
    const of = (role: 'mix' | 'entry') => network.nodes.find(({ plan: { roles } }) => roles.at(-1) === role)
    const [mix, entry] = [of('mix'), of('entry')]
    assert.ok(mix && entry)
    const { port } = new URL(network.directoryUrl)
    return {
      'the mix port': mix.running.endpoints.mix,
      'the gateway': entry.running.endpoints.ws as Endpoint,
      'the node API': mix.running.endpoints.http,
      'the directory': { host: '127.0.0.1', port: Number(port) },
      'the demo site': site.endpoint,
      'the SOCKS proxy': proxy.endpoint,
      'the local API': api.endpoint,
    }
  }
  type Port = keyof ReturnType<typeof endpoints>
  const attacks: readonly (readonly [Port, Readonly<Record<string, Uint8Array>>])[] = [
    ['the mix port', binary],
    ['the gateway', http],
    ['the node API', http],
    ['the directory', http],
    ['the demo site', http],
    ['the SOCKS proxy', socks],
    ['the local API', http],
  ]

  async function assertServes(): Promise<void> {
    const response = await mixnet.fetch(`http://${DEMO_HOST}/bytes/3000`, { signal: AbortSignal.timeout(PATIENCE_MS) })
    assert.equal((await response.arrayBuffer()).byteLength, 3000)
  }

  async function assertUnharmed(): Promise<void> {
    await until('everything is let go', () => {
      const now = network.nodes.map(held)
      // The client's own session pushes and confirms all the time.
      return now.every((gauges, i) =>
        Object.entries(gauges).every(
          ([name, value]) =>
            /_bytes$|_frames$|egress/.test(name) ||
            // Honest links open when they are first needed: at most one from each node.
            value <= (heldBefore[i]?.[name] ?? 0) + (name === 'mix_ingress_connections' ? network.nodes.length : 0),
        ),
      )
    }).catch(() => assert.deepEqual(network.nodes.map(held), heldBefore))
    await until('programs are let go', () => proxy.connections === 0)
    await assertServes()
    const grown = usedBytes() - usedBefore
    assert.ok(grown < 64 * 1024 * 1024, `memory grew by ${grown}`)
  }

  for (const [port, messages] of attacks) {
    it(`${port}: whatever it is told, it hangs up in time and tells nothing`, TEST_LIMIT, async () => {
      const endpoint = endpoints()[port]
      const answers = await Promise.all(
        Object.entries(messages).map(async ([what, bytes]) => {
          const answer = await within(`${port} hangs up on ${what}`, raw(endpoint, bytes).closed)
          assert.doesNotMatch(answer, / 500 | {4}at |\.ts:|node:internal/, what)
          return answer
        }),
      )
      assert.equal(answers.length, Object.keys(messages).length)
      await assertUnharmed()
    })
  }

  for (const port of ['the gateway', 'the node API', 'the directory', 'the demo site', 'the local API'] as const) {
    it(`${port}: a byte every twentieth of a second buys no time`, TEST_LIMIT, async () => {
      const { socket, closed } = raw(endpoints()[port])
      let open = true
      closed.then(() => {
        open = false
      })
      const bytes = utf8(`GET /${'x'.repeat(1000)}`)
      const drip = async () => {
        for (let sent = 0; open && sent < bytes.length; sent++) {
          socket.write(bytes.subarray(sent, sent + 1))
          await sleep(50)
        }
      }
      await within('cut off', drip())
      assert.equal(open, false)
      await assertUnharmed()
    })
  }

  for (const [port, request] of [
    ['the directory', 'GET /api/v1/nym-nodes/described HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['the node API', 'GET /api/v1/metrics/prometheus HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['the demo site', 'GET /bytes/100000000 HTTP/1.1\r\nHost: x\r\n\r\n'],
  ] as const) {
    it(`${port}: who asks on and on and never reads is cut off`, TEST_LIMIT, async () => {
      const { socket, closed } = raw(endpoints()[port])
      socket.pause()
      let open = true
      closed.then(() => {
        open = false
      })
      const batch = request.repeat(200)
      const ask = async () => {
        // A socket that does not read learns of its end by writing.
        while (open && !socket.destroyed) {
          await Promise.race([new Promise<void>((resolve) => socket.write(batch, () => resolve())), sleep(100)])
        }
      }
      await within('cut off', ask())
      socket.destroy()
      await assertUnharmed()
    })
  }

  it(
    'a program behind the SOCKS proxy that never reads its download holds a bounded part of it',
    TEST_LIMIT,
    async () => {
      const host = utf8(DEMO_HOST)
      const request = concat(Uint8Array.of(5, 1, 0, 5, 1, 0, 3, host.length), host, Uint8Array.of(0, 80))
      const { socket, closed } = raw(
        proxy.endpoint,
        concat(request, utf8('GET /bytes/50000000 HTTP/1.1\r\nHost: x\r\n\r\n')),
      )
      await within('an answer', new Promise((resolve) => socket.once('data', resolve)))
      socket.pause()
      const before = usedBytes()
      await sleep(1500)
      assert.ok(usedBytes() - before < 40 * 1024 * 1024)
      await assertServes()
      socket.destroy()
      await closed
      await until('forgotten', () => proxy.connections === 0 && mixnet.connections.count === 0)
      await assertUnharmed()
    },
  )

  for (const port of attacks.map(([name]) => name)) {
    it(`${port}: ${FLOOD} connections at once, and it is itself again`, TEST_LIMIT, async () => {
      const endpoint = endpoints()[port]
      const flood = Array.from({ length: FLOOD }, () => raw(endpoint))
      await Promise.race([Promise.all(flood.map(({ closed }) => closed)), sleep(1000)])
      // One address has its share and no more: another is answered in the middle of it. Linux has more than one loopback address.
      if (/node API|directory/.test(port) && process.platform === 'linux') {
        const other = await within('an answer', raw(endpoint, DATAGRAMS.http, '127.0.0.9').closed)
        assert.match(other, /^HTTP\/1\.1 (?:200|404) /)
      }
      // Clients and links that stand are not touched by it.
      await assertServes()
      for (const { socket } of flood) socket.destroy()
      await within('gone', Promise.all(flood.map(({ closed }) => closed)))
      await assertUnharmed()
      if (port === 'the mix port' || port === 'the SOCKS proxy') return
      const answer = await within('an answer', raw(endpoint, DATAGRAMS.http).closed)
      assert.match(answer, /^HTTP\/1\.1 (?:200|404|426) /)
    })
  }
})
