/**
 * Those a client and an exit depend on, or serve, turned against them: a gateway that lies to its client, an exit that lies to its
 * client, a client that lies to an exit. @module
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Mixnet } from '../../src/client/mixnet.ts'
import { toBase58 } from '../../src/foundation/base/base58.ts'
import { utf8 } from '../../src/foundation/base/bytes.ts'
import { isMixnetError, type MixnetError } from '../../src/foundation/base/errors.ts'
import { minutes, seconds } from '../../src/foundation/base/units.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import type { WebSocketConnection } from '../../src/foundation/platform/net.ts'
import type { World } from '../../src/foundation/platform/world.ts'
import type { NymMessage } from '../../src/protocol/packet/message.ts'
import { formatRecipient } from '../../src/protocol/packet/recipient.ts'
import {
  CURRENT_VERSION,
  decodeInterfaceRequest,
  encodeInterfaceRequest,
  encodeInterfaceResponse,
} from '../../src/protocol/wire/exit/interfaceEnvelope.ts'
import {
  decodeSocks5Request,
  encodeSocks5Request,
  encodeSocks5Response,
  type Socks5RequestBody,
  type Socks5ResponseBody,
} from '../../src/protocol/wire/exit/socks5Messages.ts'
import { RawPeer } from './rawPeer.ts'
import { HostileNetwork, held, read, SITE, usedBytes } from './simulatedNetwork.ts'

type Tamper = (message: string | Uint8Array, say: (message: string | Uint8Array) => void) => void

/** A world whose gateways say what `tamper` makes of it. */
function between(world: World, tamper: () => Tamper): World {
  const connectWebSocket: World['net']['connectWebSocket'] = async (options) => {
    const socket = await world.net.connectWebSocket(options)
    return new Proxy(socket, {
      get(target, name) {
        if (name === 'attach') {
          return (handlers: Parameters<WebSocketConnection['attach']>[0]) => {
            const say = (message: string | Uint8Array) =>
              typeof message === 'string' ? handlers.text(message) : handlers.binary(message)
            const hear = (message: string | Uint8Array) => tamper()(message, say)
            target.attach({ ...handlers, text: hear, binary: hear })
          }
        }
        const value = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }
  return { ...world, net: { ...world.net, connectWebSocket } }
}

const honestly: Tamper = (message, say) => say(message)
const sum = (meter: Mixnet['meter'], family: string): number =>
  Object.entries(meter.snapshot()).reduce((all, [name, value]) => (name.startsWith(family) ? all + value : all), 0)

describe('a gateway that lies to its client', { timeout: 120_000 }, () => {
  const lies: Readonly<Record<string, readonly [Tamper, string]>> = {
    'flips a bit of every push': [
      (message, say) => {
        if (typeof message === 'string') return say(message)
        message[message.length >> 1] = (message[message.length >> 1] as number) ^ 1
        say(message)
      },
      'client_gateway_odd_total{reason="frame"}',
    ],
    'says everything forty times': [
      (message, say) => {
        for (let i = 0; i < 40; i++) say(typeof message === 'string' ? message : message.slice())
      },
      'reassembly_dropped_total',
    ],
    'talks nonsense without end': [
      (_, say) => {
        for (let i = 0; i < 5000; i++) say(`{"type":"nonsense","n":${i}}`)
      },
      'client_gateway_odd_total{reason="text"}',
    ],
    'says that there is no bandwidth, and then astronomically much': [
      (message, say) => {
        say('{"type":"send","remaining_bandwidth":-9007199254740993}')
        say('{"type":"send","remaining_bandwidth":9223372036854775807}')
        say('{"type":"bandwidth","available_total":1e400}')
        say(message)
      },
      'client_gateway_odd_total',
    ],
    'sends frames of every kind and length': [
      (message, say) => {
        for (let i = 0; i < 40; i++) say(new Uint8Array(i * 37).fill(i))
        if (typeof message === 'string') say(message)
      },
      'client_gateway_odd_total{reason="frame"}',
    ],
    'says nothing any more': [() => {}, ''],
  }

  it('whatever it says, the client counts it, comes back, and is served once the gateway is honest', async () => {
    const network = await HostileNetwork.start()
    let tamper = honestly
    // Named: a client with a choice would leave such a gateway, which entrySelector.test.ts shows.
    const gateway = toBase58(network.node('entry').running.identity)
    const client = await network.client({ gateway }, (world) => between(world, () => tamper))
    await network.assertServes(client)
    const used = usedBytes()
    for (const [what, [lie, counter]] of Object.entries(lies)) {
      const before = sum(client.meter, counter)
      tamper = lie
      client.client.send({ to: client.address, data: new Uint8Array(20_000), anonymous: false }).catch(() => {})
      await network.runFor(seconds(25))
      tamper = honestly
      if (counter !== '') assert.ok(sum(client.meter, counter) > before, `${what}: nothing counted`)
      await network.until(`open again after it ${what}`, () => read(client, 'client_gateway_open') === 1)
      await network.assertServes(client)
    }
    await network.runFor(minutes(1))
    assert.ok(usedBytes() - used < 20 * 1024 * 1024)
    assert.equal(read(client, 'client_queued'), 0)
  })
})

describe('an exit that lies to its client', { timeout: 120_000 }, () => {
  for (const anonymous of [true, false]) {
    it(`answers nobody asked for, far ahead, without end: ${anonymous ? 'through SURBs' : 'to an address'}`, async () => {
      const network = await HostileNetwork.start()
      const liar = await RawPeer.join(network)
      const got: number[] = []
      const client = await network.client({
        exit: formatRecipient(liar.address),
        anonymous,
        onMessage: ({ data }) => got.push(data.length),
      })
      const used = usedBytes()
      const open = async (): Promise<{
        id: bigint
        closed: () => MixnetError | 'open' | undefined
        destroy: () => void
      }> => {
        const stream = client.connections.open({ host: SITE, port: 80 })
        let state: MixnetError | 'open' | undefined = 'open'
        stream.pause()
        stream.attach({
          data() {},
          end() {},
          close: (error) => {
            state = error
          },
        })
        const heard = liar.messages.length
        await network.until('the connect arrives', () =>
          liar.messages.slice(heard).some((message) => requestIn(message) !== undefined),
        )
        return { id: stream.connectionId, closed: () => state, destroy: () => stream.destroy() }
      }
      const say = async (data: Uint8Array): Promise<boolean> => {
        if (anonymous) return liar.reply({ kind: 'reply', content: { kind: 'data', data } })
        await liar.send(client.address, { kind: 'plain', data })
        return true
      }
      const answer = (body: Socks5ResponseBody): Promise<boolean> =>
        say(
          encodeInterfaceResponse({
            interfaceVersion: CURRENT_VERSION,
            kind: 'providerData',
            data: encodeSocks5Response({ version: CURRENT_VERSION, ...body }),
          }),
        )
      const networkData = (connectionId: bigint, sequence: bigint, data = utf8('x')) =>
        answer({ kind: 'networkData', connectionId, sequence, closed: false, data })

      const first = await open()
      // For streams that are not open, for no stream at all, and what is no answer.
      for (let i = 0n; i < 10n; i++) await networkData(first.id + 1n + i, 0n)
      await answer({ kind: 'connectionError', connectionId: 2n ** 64n - 1n, message: '\u0000'.repeat(1000) })
      await say(utf8('garbage'))
      await network.runFor(seconds(2))
      assert.equal(client.connections.count, 1)
      assert.equal(first.closed(), 'open')
      // Far ahead: the stream is given up, and only that.
      await networkData(first.id, 2n ** 63n)
      await network.until('given up', () => first.closed() !== 'open')
      assert.ok(isMixnetError(first.closed(), 'EXIT_UNREACHABLE'))
      // Ahead, as far as one may be, and never what is missing.
      const second = await open()
      for (let i = 1n; i < (anonymous ? 15n : 200n); i++) await networkData(second.id, i, new Uint8Array(1400))
      await network.runFor(seconds(5))
      assert.equal(second.closed(), 'open')
      assert.equal(sum(client.meter, 'reassembly_open_sets'), 0)

      if (anonymous) {
        // Reply SURBs by the thousand million.
        const before = liar.surbs.length
        const ask = (): NymMessage => ({
          kind: 'reply',
          content: { kind: 'surbRequest', recipient: liar.address, amount: 2 ** 32 - 1 },
        })
        for (let i = 0; i < 5; i++) await liar.reply(ask())
        await network.runFor(seconds(30))
        assert.ok(liar.surbs.length - before <= 600, `${liar.surbs.length - before} SURBs were sent`)
        assert.ok(read(client, 'client_reply_keys') <= 2000)
        // In somebody else's name: nothing comes.
        const stranger = await RawPeer.join(network)
        await liar.reply({ kind: 'reply', content: { kind: 'surbRequest', recipient: stranger.address, amount: 100 } })
        await network.runFor(seconds(10))
        assert.equal(stranger.messages.length, 0)
      }
      second.destroy()
      await network.until('its stream is over', () => client.connections.count === 0)
      got.length = 0
      await network.complete(client.client.send({ to: client.address, data: new Uint8Array(500), anonymous: false }))
      await network.until('its own message arrives', () => got.includes(500))
      assert.ok(usedBytes() - used < 20 * 1024 * 1024)
    })
  }
})

function requestIn(message: NymMessage): unknown {
  try {
    const data =
      message.kind === 'plain' ? message.data : message.kind === 'repliable' ? message.content.data : utf8('')
    const envelope = decodeInterfaceRequest(data)
    if (envelope.kind === 'control') return undefined
    const request = decodeSocks5Request(nodeProvider, envelope.data)
    return request.kind === 'connect' ? request : undefined
  } catch {
    return undefined
  }
}

describe('a client that lies to an exit', { timeout: 120_000 }, () => {
  it('connects without end, data for nobody, pseudonyms by the thousand, nonsense: counted, bounded, forgotten', async () => {
    const network = await HostileNetwork.start()
    const honest = await network.client()
    await network.assertServes(honest)
    const liar = await RawPeer.join(network)
    const { exit } = honest
    const refused = (reason: string): string => `exit_refused_total{reason="${reason}"}`
    const dropped = (reason: string): string => `exit_dropped_total{reason="${reason}"}`
    const request = (body: Socks5RequestBody): Uint8Array =>
      encodeInterfaceRequest({
        interfaceVersion: CURRENT_VERSION,
        kind: 'providerData',
        data: encodeSocks5Request({ version: CURRENT_VERSION, ...body }),
      })
    const tag = (number: number): Uint8Array =>
      new Uint8Array(16).fill(0xee).map((byte, i) => (i < 2 ? (number >> (8 * i)) & 0xff : byte))
    const as = (number: number, data: Uint8Array, surbs = 0): NymMessage => ({
      kind: 'repliable',
      senderTag: tag(number),
      content: { kind: 'data', surbs: Array.from({ length: surbs }, () => liar.surb()), data },
    })
    const connect = (id: number, remote: string, returnAddress = liar.address): Uint8Array =>
      request({ kind: 'connect', connectionId: BigInt(id), remote, returnAddress })
    // A machine that is not there: each attempt takes its whole time.
    network.simulation.name('blackhole.example', ['198.51.100.250'])

    await network.survives(
      honest,
      async () => {
        for (let i = 0; i < 300; i++) await liar.send(exit, as(1, connect(i, 'blackhole.example:80')))
        await network.assertServes(honest)
        await network.runFor(seconds(30))
      },
      { [refused('sender-limit')]: 150 },
    )
    await network.survives(
      honest,
      async () => {
        for (let i = 0; i < 600; i++) {
          const data = request({
            kind: 'send',
            connectionId: BigInt(i),
            sequence: BigInt(i),
            closed: false,
            data: new Uint8Array(1000),
          })
          await liar.send(exit, as(10 + (i % 50), data))
        }
        assert.ok(read(network.node('exit'), 'exit_early_bytes') <= 32 * 1024 * 1024)
        await network.assertServes(honest)
        await network.runFor(seconds(70))
      },
      { [dropped('early-data-lost')]: 590 },
    )
    await network.survives(
      honest,
      async () => {
        for (let i = 0; i < 1000; i++) await liar.send(exit, as(1000 + i, utf8('nonsense'), 1))
        await network.runFor(seconds(10))
      },
      { [dropped('malformed')]: 990 },
      30 * 1024 * 1024,
    )
    await network.survives(
      honest,
      async () => {
        const hosts = ['localhost:80', '[::1]:80', `${'a'.repeat(5000)}:80`, ':', '\u0000:0', 'site.example:99999']
        for (const [i, host] of hosts.entries()) await liar.send(exit, as(5000, connect(i, host), 1))
        // An answer to somebody else, who never asked, and one that cannot be answered.
        await liar.send(exit, { kind: 'plain', data: connect(1, 'nowhere.invalid:80', honest.address) })
        await liar.send(exit, {
          kind: 'plain',
          data: encodeInterfaceRequest({ interfaceVersion: CURRENT_VERSION, kind: 'control', control: 'health' }),
        })
        await network.runFor(seconds(30))
      },
      { [dropped('no-return-path')]: 1 },
    )
    assert.ok(Object.values(held(network.node('exit'))).every((value) => value < 5))
  })
})
