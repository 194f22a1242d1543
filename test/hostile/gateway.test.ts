/** The websocket port of a running gateway, under attack, in virtual time. @module */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { DEFAULT_ENTRY_PARAMS } from '../../src/client/entryParams.ts'
import { GatewaySession } from '../../src/client/gatewaySession.ts'
import type { Mixnet } from '../../src/client/mixnet.ts'
import { Registration } from '../../src/client/sharedKeys.ts'
import { toBase64 } from '../../src/foundation/base/base58.ts'
import { Meter } from '../../src/foundation/base/observe.ts'
import { Secret } from '../../src/foundation/base/secret.ts'
import { type Millis, minutes, seconds } from '../../src/foundation/base/units.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import type { WebSocketConnection } from '../../src/foundation/platform/net.ts'
import type { World } from '../../src/foundation/platform/world.ts'
import { startClientHandshake } from '../../src/protocol/wire/gateway/handshake.ts'
import { HostileNetwork, read } from './simulatedNetwork.ts'

const refused = (reason: string): string => `gateway_connections_refused_total{reason="${reason}"}`
const odd = (reason: string): string => `gateway_requests_refused_total{reason="${reason}"}`

interface Peer {
  readonly socket: WebSocketConnection
  readonly texts: string[]
  binaries: number
  isClosed: boolean
}

describe('the websocket port of a gateway', { timeout: 120_000 }, () => {
  let network: HostileNetwork
  let honest: Mixnet
  let attacker: World
  before(async () => {
    network = await HostileNetwork.start()
    honest = await network.client()
    attacker = network.attacker()
    await network.assertServes(honest)
  })
  after(() => network.stop())

  const gateway = () => network.node('entry')
  const url = () => {
    const { ws } = gateway().running.endpoints
    return `ws://${ws?.host}:${ws?.port}/`
  }
  const open = async (): Promise<Peer> => {
    const connecting = attacker.net.connectWebSocket({ url: url(), timeout: seconds(5), maxMessageBytes: 100_000 })
    const peer: Peer = { socket: await connecting, texts: [], binaries: 0, isClosed: false }
    peer.socket.attach({
      text: (text) => peer.texts.push(text),
      binary: () => peer.binaries++,
      close: () => {
        peer.isClosed = true
      },
    })
    return peer
  }
  const hungUpOn = async (messages: readonly (string | Uint8Array)[], limit: Millis = seconds(2)): Promise<Peer> => {
    const peer = await network.complete(open())
    for (const message of messages) peer.socket.send(message)
    await network.until('hung up on', () => peer.isClosed, limit)
    return peer
  }
  const identity = (number: number) =>
    new Uint8Array(32).fill(7).map((byte, i) => (i < 4 ? (number >> (8 * i)) & 0xff : byte))
  const start = (protocolVersion: number, number = 1) =>
    startClientHandshake(nodeProvider, {
      identitySeed: new Secret(identity(number)),
      gatewayIdentity: gateway().running.identity,
      protocolVersion,
      ephemeralSecret: new Secret(identity(number + 1)),
      salt: new Uint8Array(16),
      nonce: new Uint8Array(12),
    }).send
  /** A session as the shipped client opens one, for what a client can only do once it has logged in. */
  const logIn = async (number: number): Promise<{ session: GatewaySession; socket: WebSocketConnection }> => {
    const socket = await network.complete(
      attacker.net.connectWebSocket({ url: url(), timeout: seconds(5), maxMessageBytes: 100_000 }),
    )
    let isOpen = false
    const session = new GatewaySession(socket, {
      world: attacker,
      // It must not notice that it is not answered.
      params: { ...DEFAULT_ENTRY_PARAMS, idleProbeAfter: minutes(60), busyProbeAfter: minutes(60) },
      meter: new Meter(),
      gateway: gateway().running.identity,
      identitySeed: new Secret(identity(number)),
      registration: new Registration(undefined, () => {}),
      opened: () => {
        isOpen = true
      },
      pushed() {},
      ended() {},
    })
    await network.until('logged in', () => isOpen)
    return { session, socket }
  }

  const texts: readonly (readonly [string, string | Uint8Array, string])[] = [
    ['garbage', 'garbage', 'text-before-login'],
    ['another request', '{"type":"claimFreeTestnetBandwidth"}', 'text-before-login'],
    ['packets before the login', new Uint8Array(2500), 'binary-before-login'],
    ['too much text', 'x'.repeat(5000), 'too-long'],
    ['deep nesting', `${'['.repeat(2000)}`, 'text-before-login'],
    ['a registration of protocol 1', start1(1), 'registration-malformed-request'],
    ['a registration of protocol 2', start1(2), 'registration-malformed-request'],
  ]
  function start1(version: number): string {
    const data = [...nodeProvider.ed25519PublicKey(identity(1)), ...new Uint8Array(32).fill(9), ...new Uint8Array(16)]
    return JSON.stringify({ type: 'registerHandshakeInitRequest', protocol_version: version, data })
  }
  for (const [what, message, reason] of texts) {
    it(`${what}: ${reason}`, () =>
      network.survives(honest, async () => void (await hungUpOn([message])), { [refused(reason)]: 1 }))
  }

  it('protocol 200 is answered with ours', async () => {
    const peer = await network.complete(open())
    peer.socket.send(start(200))
    await network.until('answered', () => peer.texts.length > 0)
    assert.match(peer.texts[0] ?? '', /"protocol_version":[3-9][,}]/)
    peer.socket.destroy()
  })

  it('a message longer than any: closed', () =>
    network.survives(honest, async () => void (await hungUpOn([new Uint8Array(70_000)])), {}))

  it('silence, questions without end, half a registration: each has its time', () =>
    network.survives(
      honest,
      async () => {
        await hungUpOn([], seconds(15))
        const asking = await network.complete(open())
        for (let second = 0; second < 90 && !asking.isClosed; second++) {
          asking.socket.send('{"type":"supportedProtocol"}')
          await network.runFor(seconds(1))
        }
        assert.ok(asking.isClosed)
        const half = await hungUpOn([start(6)], seconds(15))
        assert.ok(half.texts.length > 0)
      },
      { [refused('message-timeout')]: 2, [refused('admission-timeout')]: 1 },
    ))

  it('a login nobody registered for, and one that is signed by somebody else', () =>
    network.survives(
      honest,
      async () => {
        const login = {
          type: 'authenticateV2',
          protocolVersion: 6,
          clientIdentity: [...nodeProvider.ed25519PublicKey(identity(5))],
          addressCiphertext: toBase64(new Uint8Array(48)),
          nonce: toBase64(new Uint8Array(12)),
          requestUnixTimestamp: Math.floor(attacker.clock.now() / 1000),
          requestSignature: [...new Uint8Array(64)],
        }
        const ways = [
          { ...login },
          { ...login, protocolVersion: 1 },
          { ...login, protocolVersion: 200 },
          { ...login, requestUnixTimestamp: 0 },
        ]
        for (const way of ways) await hungUpOn([JSON.stringify(way)])
      },
      {
        [refused('login-signature')]: 1,
        [refused('login-incompatible-protocol')]: 2,
        [refused('login-timestamp-skew')]: 1,
      },
    ))

  it('hundreds of registrations from one place are served, remembered on disk and nowhere else', () =>
    network.survives(
      honest,
      async () => {
        for (let i = 0; i < 300; i++) {
          const { socket } = await logIn(1000 + i)
          socket.destroy()
        }
        await network.runFor(seconds(5))
      },
      {},
      // What the simulated disk holds of them is memory here.
      30 * 1024 * 1024,
    ))

  it('nonsense after the login is answered and counted, the session goes on; the flood is read at its turn', () =>
    network.survives(
      honest,
      async () => {
        const { session, socket } = await logIn(2)
        for (let i = 0; i < 500; i++) {
          socket.send(new Uint8Array(2500).fill(i))
          socket.send(Uint8Array.of(1, 1, ...new Uint8Array(60)))
          socket.send(`{"type":"${i}"}`)
        }
        await network.assertServes(honest)
        await network.runFor(seconds(5))
        await network.complete(session.close())
      },
      { [odd('frame-flag')]: 490, [odd('frame-cipher')]: 499, [odd('text-malformed')]: 500 },
    ))

  it('a client that never reads: pushes go to its inbox, its session is closed, nothing is kept in memory', () =>
    network.survives(
      honest,
      async () => {
        const { socket } = await logIn(3)
        socket.pause()
        const to = {
          identity: nodeProvider.ed25519PublicKey(identity(3)),
          encryptionKey: nodeProvider.x25519Base(identity(3)),
          gateway: gateway().running.identity,
        }
        for (let i = 0; i < 300; i++) {
          await network.complete(honest.client.send({ to, data: new Uint8Array(1500), anonymous: false }))
          if (i % 50 === 0) assert.ok(read(gateway(), 'gateway_unconfirmed_bytes') <= 1024 * 1024)
        }
        await network.runFor(minutes(2))
      },
      { gateway_stored_total: 250, [refused('stalled')]: 1 },
    ))

  it('2,000 sockets that say nothing: cut at the limits, gone after theirs, honest clients are served meanwhile', () =>
    network.survives(
      honest,
      async () => {
        const peers = await network.complete(Promise.all(Array.from({ length: 2000 }, () => open())))
        assert.ok(read(gateway(), 'gateway_connections') <= 100)
        await network.assertServes(honest)
        await network.until('all are gone', () => peers.every(({ isClosed }) => isClosed), minutes(1))
      },
      { [refused('unauthenticated-of-address')]: 1900, [refused('message-timeout')]: 90 },
    ))
})
