/** The mix port of a running node, under attack. Time is virtual: a slow loris costs nothing to wait for. @module */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Mixnet } from '../../src/client/mixnet.ts'
import { concat } from '../../src/foundation/base/bytes.ts'
import { Secret } from '../../src/foundation/base/secret.ts'
import { millis, minutes, seconds } from '../../src/foundation/base/units.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import type { World } from '../../src/foundation/platform/world.ts'
import { encodeNoiseFrame } from '../../src/network/transport/noiseFrames.ts'
import { NoiseSession } from '../../src/network/transport/noiseSession.ts'
import { ACK, EXTENDED_32, REGULAR } from '../../src/protocol/packet/sizes.ts'
import { encodeMixFrame } from '../../src/protocol/wire/mixFrame.ts'
import { DATAGRAMS } from './datagrams.ts'
import { dial, HostileNetwork, read } from './simulatedNetwork.ts'

const frame = (fill: number, size = REGULAR, rotation: 0 | 1 | 2 = 1) =>
  encodeMixFrame({ size, rotation, packet: new Uint8Array(size.totalBytes).fill(fill) }, 8)
const refused = (reason: string): string => `mix_ingress_refused_total{reason="${reason}"}`
const dropped = (reason: string): string => `mix_dropped_total{reason="${reason}"}`

describe('the mix port', { timeout: 120_000 }, () => {
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

  const target = () => network.node('mix').running.endpoints.mix
  const hungUpOn = async (bytes: Uint8Array, limit = seconds(1)): Promise<void> => {
    const peer = await network.complete(dial(attacker, target()))
    if (bytes.length > 0) peer.connection.write([bytes])
    await network.until('hung up on', () => peer.isClosed, limit)
  }

  const bad: readonly (readonly [string, Uint8Array, string])[] = [
    ['mix frames of version 6', Uint8Array.of(6, 1, 0, 1), 'frame-version'],
    ['mix frames of version 9', Uint8Array.of(9, 1, 0, 1), 'frame-version'],
    ['a size that is none', Uint8Array.of(8, 9, 0, 1), 'frame-size'],
    ['a rotation that is none', Uint8Array.of(8, 1, 0, 3), 'frame-rotation'],
    ['HTTP', DATAGRAMS.http, 'frame-version'],
    ['a TLS hello', DATAGRAMS.tls, 'frame-version'],
    ['a WebSocket upgrade', DATAGRAMS.upgrade, 'frame-version'],
    ['SOCKS', DATAGRAMS.socks, 'frame-version'],
    ['Noise from somebody who is no node', encodeNoiseFrame(1, 0, new Uint8Array(48)), 'frame-version'],
    ['garbage', new Uint8Array(70_000).fill(0xa7), 'frame-version'],
  ]
  for (const [what, bytes, reason] of bad) {
    it(`${what}: hung up on at once, ${reason}`, () =>
      network.survives(honest, () => hungUpOn(bytes), { [refused(reason)]: 1 }))
  }

  it('silence, half a frame, half of a large one, and a byte a second: each cut off in its time', () =>
    network.survives(
      honest,
      async () => {
        const limit = minutes(1)
        const drip = async () => {
          const peer = await network.complete(dial(attacker, target()))
          const bytes = frame(1, EXTENDED_32)
          let sent = 0
          for (; !peer.isClosed && sent < 60; sent++) {
            peer.connection.write([bytes.subarray(sent, sent + 1)])
            await network.runFor(seconds(1))
          }
          assert.ok(sent < 15, `${sent} bytes were waited for`)
        }
        await hungUpOn(new Uint8Array(0), limit)
        await hungUpOn(frame(1).subarray(0, 1000), limit)
        await hungUpOn(concat(frame(1), frame(1, EXTENDED_32).subarray(0, 30_000)), limit)
        await drip()
      },
      { [refused('no-frame')]: 1, [refused('slow-frame')]: 3 },
    ))

  it('frames of every size full of nonsense are dropped and counted, the connection stays', () =>
    network.survives(
      honest,
      async () => {
        const peer = await network.complete(dial(attacker, target()))
        for (let i = 0; i < 60; i++) {
          peer.connection.write([frame(i), frame(i, ACK), frame(i, EXTENDED_32, 2), frame(i, REGULAR, 0)])
        }
        await network.runFor(seconds(2))
        assert.equal(peer.isClosed, false)
        assert.equal(peer.heard.length, 0)
        peer.connection.destroy()
      },
      { [dropped('mac')]: 120, [dropped('expired-key')]: 60 },
    ))

  it('a flood of 2,000 connections is cut at the limit for strangers, and leaves nothing', () =>
    network.survives(
      honest,
      async () => {
        const peers = await network.complete(Promise.all(Array.from({ length: 2000 }, () => dial(attacker, target()))))
        await network.runFor(seconds(1))
        const node = network.node('mix')
        assert.ok(read(node, 'mix_ingress_connections') <= 1030)
        assert.ok(peers.filter(({ isClosed }) => isClosed).length >= 970)
        await network.assertServes(honest)
        for (const { connection } of peers) connection.destroy()
        await network.runFor(seconds(1))
      },
      { [refused('connections-of-strangers')]: 970 },
    ))

  describe('from the address of a node', () => {
    let insider: World
    before(() => {
      // The exit's machine is taken over by somebody without its keys: the address demands Noise.
      insider = network.attacker()
    })

    /** A network of its own: a node is lost for it. */
    it('plain frames, another version, wrong keys, half a handshake: all refused by reason', async () => {
      const own = await HostileNetwork.start()
      const victim = own.node('mix')
      const lost = own.node('exit').plan.name
      own.simulation.crash(lost)
      insider = own.simulation.restart(lost)
      const say = async (bytes: Uint8Array | undefined, limit = seconds(10)) => {
        const peer = await own.complete(dial(insider, victim.running.endpoints.mix))
        if (bytes) peer.connection.write([bytes])
        await own.until('hung up on', () => peer.isClosed, limit)
      }
      const pair = (byte: number) => {
        const secret = new Uint8Array(32).fill(byte)
        return { secret: new Secret(secret), public: nodeProvider.x25519Base(secret) }
      }
      const session = (remote: Uint8Array) =>
        new NoiseSession(nodeProvider, {
          role: 'initiator',
          pattern: 1,
          own: pair(1),
          remotePublic: remote,
          ephemeralSecret: new Uint8Array(32).fill(3),
        })
      const first = session(pair(2).public).begin() as Uint8Array
      await say(frame(1))
      await say(Uint8Array.of(2, ...first.subarray(1)))
      await say(Uint8Array.of(1, 7, ...first.subarray(2)))
      await say(Uint8Array.of(1, 1, 1, ...first.subarray(3)))
      await say(Uint8Array.of(1, 1, 0, 0xff, 0xff, 0, 0, 0))
      await say(first)
      await say(first.subarray(0, 20))
      await say(undefined)
      const count = (reason: string) => read(victim, refused(reason))
      assert.deepEqual(
        {
          version: count('noise-frame-version'),
          pattern: count('noise-frame-pattern'),
          type: count('noise-frame-message-type'),
          length: count('noise-frame-length'),
          key: count('noise-handshake-tag'),
          slow: count('noise-timeout'),
        },
        { version: 2, pattern: 1, type: 1, length: 1, key: 1, slow: 2 },
      )
      await own.runFor(millis(100))
      assert.equal(read(victim, 'mix_ingress_handshakes'), 0)
    })
  })

  it('a next hop that accepts and never reads costs a bounded queue, and is given up', async () => {
    const own = await HostileNetwork.start({ noise: false })
    const client = await own.client()
    await own.assertServes(client)
    const [, , rook] = own.testnet.nodes
    assert.ok(rook)
    const { host, port } = rook.running.endpoints.mix
    own.simulation.crash(rook.plan.name)
    const impostor = own.simulation.restart(rook.plan.name)
    const accepted: unknown[] = []
    await own.complete(
      impostor.net.listen({ host, port }, (connection) => {
        accepted.push(connection)
        connection.pause()
      }),
    )
    const before = own.testnet.nodes[1]
    assert.ok(before)
    for (let i = 0; i < 100; i++) {
      await own.complete(client.client.send({ to: client.address, data: new Uint8Array(1000), anonymous: false }))
      if (i % 10 === 0) assert.ok(read(before, 'mix_egress_queued_frames') <= 2000)
    }
    await own.runFor(seconds(25))
    assert.ok(accepted.length > 0)
    assert.ok(read(before, 'mix_egress_links_total{outcome="stalled"}') > 0, JSON.stringify(before.meter.snapshot()))
    assert.ok(read(before, 'mix_egress_queued_bytes') < 5_000_000)
    own.simulation.crash(rook.plan.name)
    await own.complete(own.testnet.restartNode(rook.plan.name, own.simulation.restart(rook.plan.name)))
    await own.runFor(seconds(30))
    await own.assertServes(client)
    await own.stop()
  })
})
