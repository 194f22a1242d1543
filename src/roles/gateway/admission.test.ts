import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fromHex } from '../../foundation/base/bytes.ts'
import { Secret } from '../../foundation/base/secret.ts'
import { millis } from '../../foundation/base/units.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import type { RandomStream } from '../../foundation/platform/random.ts'
import type { World } from '../../foundation/platform/world.ts'
import { encodeControlRequest } from '../../protocol/wire/gateway/control.ts'
import { after, keyOf, message, TestGateway } from './support.test.ts'

interface Handshake {
  proposed: number
  gatewayEphemeralSecret: string
  gatewayNonce: string
  sharedKey: string
  steps: { from: string; text: string }[]
  registerResponse: string
}
const vectors = JSON.parse(readFileSync(new URL('../../../vectors/gateway.json', import.meta.url), 'utf8')) as {
  handshakes: Handshake[]
  handshakesRefused: { name: string; step1?: string; answer: string; error: string }[]
  gatewayIdentitySeed: string
}

/** Draws what was recorded, for the purposes named. */
function recorded(world: World, draws: Record<string, Uint8Array>): World {
  const stream = (purpose: string): RandomStream => {
    const drawn = draws[purpose]
    const real = world.random.stream(purpose)
    return drawn === undefined ? real : { ...real, bytes: () => drawn }
  }
  return { ...world, random: { stream } }
}

const registerText = (version: number) =>
  `{"type":"register","protocol_version":${version},"status":true,"upgrade_mode":false}`
const authenticateText = (version: number, remaining = 0) =>
  `{"type":"authenticate","protocol_version":${version},"status":true,"bandwidth_remaining":${remaining},"upgrade_mode":false}`
const error = (text: string) => JSON.stringify({ type: 'error', message: text })
const DUPLICATE = error('There is already an open connection to this client')

describe('admission', () => {
  for (const vector of vectors.handshakes.filter(({ proposed }) => proposed > 4)) {
    it(`speaks the recorded registration, proposal ${vector.proposed}`, async () => {
      const draws = {
        'gateway-handshake': fromHex(vector.gatewayEphemeralSecret),
        'gateway-nonce': fromHex(vector.gatewayNonce),
      }
      const test = await TestGateway.start({
        crypto: nodeProvider,
        identitySeed: fromHex(vectors.gatewayIdentitySeed),
        world: (world) => recorded(world, draws),
      })
      const client = await test.connect()
      const [first, second, third, fourth] = vector.steps.map(({ text }) => text) as [string, string, string, string]
      assert.equal(await client.ask(first), second)
      assert.equal(await client.ask(third), fourth)
      assert.equal(await client.next(), vector.registerResponse)
    })
  }

  it('answers 5 to clients that propose 3 and 4, and never more than was proposed', async () => {
    for (const [proposed, answered] of [
      [3, 5],
      [4, 5],
      [5, 5],
      [6, 6],
      [200, 6],
    ] as const) {
      const test = await TestGateway.start()
      const client = await test.connect()
      assert.equal(await client.register(proposed), registerText(answered))
    }
  })

  it('answers supportedProtocol any number of times, but not for ever', async () => {
    const test = await TestGateway.start()
    const client = await test.connect()
    for (let i = 0; i < 7; i++) {
      assert.equal(await client.ask({ type: 'supportedProtocol' }), '{"type":"supportedProtocol","version":6}')
      await after(test.sim, 9000)
    }
    assert.deepEqual(await client.rest(), [error('timed out while waiting for initial data')])
    assert.equal(test.refused('admission-timeout'), 1)
  })

  it('waits 10 s for a first message and 5 s for each of a handshake', async () => {
    const test = await TestGateway.start()
    const silent = await test.connect()
    await after(test.sim, 9990)
    assert.equal(silent.closed, false)
    assert.equal((await silent.rest()).length, 1)
    const half = await test.connect()
    const [first] = (vectors.handshakes[0] as Handshake).steps as unknown as [{ text: string }]
    await half.ask(first.text)
    half.say('{"type":"supportedProtocol"}')
    half.socket.send(new Uint8Array(40))
    await after(test.sim, 4990)
    assert.equal(half.closed, false)
    await after(test.sim, 20)
    assert.equal(half.closed, true)
    assert.equal(test.refused('message-timeout'), 2)
    assert.equal(test.count('gateway_connections'), 0)
  })

  it('refuses what is not a login, in the official words, and closes', async () => {
    const test = await TestGateway.start()
    const only = error("Only 'Register' or 'Authenticate' requests are allowed")
    for (const [text, answer] of [
      ['{"type":"claimFreeTestnetBandwidth"}', only],
      ['{"type":"nonsense"}', only],
      ['not json', only],
      ['', only],
      [
        '{"type":"authenticate","protocol_version":2,"address":"a","enc_address":"b","iv":"c"}',
        error('the legacy authentication method is no longer supported. please update your client'),
      ],
    ] as const) {
      const client = await test.connect()
      client.say(text)
      assert.deepEqual(await client.rest(), [answer])
    }
    const client = await test.connect()
    client.socket.send(new Uint8Array(100))
    assert.deepEqual(await client.rest(), [
      error('possibly received a sphinx packet without prior authentication. Request is going to be ignored'),
    ])
    const talker = await test.connect()
    talker.say('x'.repeat(5000))
    assert.deepEqual(await talker.rest(), [])
    assert.equal(test.refused('too-long'), 1)
  })

  it('refuses bad registrations with a handshake error, then an error', async () => {
    const test = await TestGateway.start({ crypto: nodeProvider })
    for (const vector of vectors.handshakesRefused.filter(({ step1 }) => step1 !== undefined)) {
      const client = await test.connect()
      const data = `[${fromHex(vector.step1 as string).join()}]`
      client.say(`{"type":"handshakePayload","protocol_version":6,"data":${data}}`)
      assert.deepEqual(await client.rest(), [
        vector.answer,
        error(`Failed to perform registration handshake: ${vector.error}`),
      ])
    }
    assert.equal(test.refused('registration-malformed-request'), 2)
    const client = await test.connect()
    const [first] = (vectors.handshakes[0] as Handshake).steps as unknown as [{ text: string }]
    await client.ask(first.text)
    client.say(`{"type":"handshakePayload","protocol_version":6,"data":[${new Uint8Array(92).join()}]}`)
    assert.equal((await client.rest()).length, 2)
    assert.equal(test.refused('registration-cipher'), 1)
  })

  it('keeps a registration through a crash', async () => {
    const test = await TestGateway.start()
    const key = keyOf(await test.registered())
    test.crash()
    await test.restart()
    const client = await test.connect()
    assert.equal(await client.login(key), authenticateText(6))
  })

  it('logs in: 4 is answered with 5', async () => {
    const test = await TestGateway.start({ crypto: nodeProvider })
    const first = await test.registered()
    first.socket.close()
    await after(test.sim, 2000)
    const client = await test.connect()
    assert.equal(await client.login(keyOf(first), { protocolVersion: 4 }), authenticateText(5))
  })

  it('checks logins in the official order and words', async () => {
    const test = await TestGateway.start({ crypto: nodeProvider })
    const first = await test.registered()
    first.socket.close()
    await after(test.sim, 5000)
    const now = Math.floor(test.sim.clock.now() / 1000)
    const key = keyOf(first)
    const refusal = async (text: string) => {
      const client = await test.connect()
      client.say(text)
      const [answer, ...more] = await client.rest()
      assert.deepEqual(more, [])
      return (JSON.parse(answer as string) as { message: string }).message
    }
    const request = async (options: {
      protocolVersion?: number
      unixSeconds?: number
      key?: Secret
      seed?: Uint8Array
    }) => {
      const client = await test.connect('client', options.seed)
      return encodeControlRequest(client.loginRequest(options.key ?? key, options))
    }
    const text = await request({})
    assert.match(await refusal(await request({ protocolVersion: 3 })), /incompatible protocol version/)
    assert.match(await refusal(await request({ protocolVersion: 7 })), /incompatible protocol version/)
    assert.match(await refusal(await request({ unixSeconds: now - 130 })), /excessively skewed/)
    assert.match(await refusal(text.replace('"protocolVersion":6', '"protocolVersion":5')), /request signature/)
    assert.equal(await refusal(await request({ seed: new Uint8Array(32).fill(9) })), 'the client is not registered')
    const wrong = new Secret(new Uint8Array(32).fill(5))
    assert.equal(await refusal(await request({ key: wrong })), 'failed to verify provided address ciphertext')
    const client = await test.connect()
    assert.equal(await client.ask(text), authenticateText(6))
    client.socket.close()
    await after(test.sim, 1000)
    assert.match(await refusal(text), /smaller or equal to one previously used/)
    assert.equal(test.refused('login-timestamp-reused'), 1)
    test.crash()
    await test.restart()
    assert.match(await refusal(text), /smaller or equal to one previously used/)
  })

  it('registers again: a new key, the same inbox and bandwidth', async () => {
    const test = await TestGateway.start()
    const first = await test.registered()
    await first.ask({ type: 'claimFreeTestnetBandwidth' })
    first.socket.close()
    await after(test.sim, 2000)
    test.gateway.deliver(message(first.identity, 7))
    await after(test.sim, 100)
    assert.deepEqual(test.acked, [7])
    const again = await test.registered()
    assert.notDeepEqual(keyOf(again).expose(), keyOf(first).expose())
    await after(test.sim, 100)
    assert.equal(again.pushed.length, 1)
    again.socket.close()
    await after(test.sim, 2000)
    const old = await test.connect()
    assert.match(await old.login(keyOf(first)), /address ciphertext/)
    const client = await test.connect()
    assert.equal(await client.login(keyOf(again)), authenticateText(6, 68_719_476_736))
  })

  it('refuses to register a client that has a session', async () => {
    const test = await TestGateway.start()
    await test.registered()
    const second = await test.connect('second')
    assert.equal(await second.register(), DUPLICATE)
  })

  it('keeps the session that answers, and replaces the one that does not', async () => {
    const test = await TestGateway.start()
    const first = await test.registered()
    const key = keyOf(first)
    await after(test.sim, 1000)
    const second = await test.connect('second')
    assert.equal(await second.login(key), DUPLICATE)
    assert.equal(first.closed, false)
    const stale = await test.connect('second')
    const yesterday = Math.floor(test.sim.clock.now() / 1000) - 100
    assert.match(await stale.login(key, { unixSeconds: yesterday }), /stale authentication/)

    const mend = test.sim.partition(['client'], ['gateway'])
    test.gateway.deliver(message(first.identity, 1))
    await after(test.sim, 2000)
    const third = await test.connect('second')
    const started = test.sim.clock.now()
    assert.equal(await third.login(key), authenticateText(6))
    assert.ok(test.sim.clock.now() - started < 2000)
    await after(test.sim, 100)
    assert.equal(third.pushed.length, 1)
    assert.deepEqual(test.acked, [1])
    mend()
    await after(test.sim, 2000)
    assert.equal(first.closed, true)
    assert.equal(third.closed, false)
    assert.equal(test.count('gateway_sessions'), 1)
  })

  it('lets a client log in in the second in which it registered', async () => {
    const test = await TestGateway.start()
    const first = await test.registered()
    first.socket.destroy()
    await after(test.sim, 10)
    const second = await test.connect()
    assert.equal(await second.login(keyOf(first)), authenticateText(6))
  })

  it('does not accept one login twice, whatever happens before its commit', async () => {
    const test = await TestGateway.start({ params: { commitInterval: millis(500) } })
    const first = await test.registered()
    first.socket.destroy()
    await after(test.sim, 1000)
    const one = await test.connect()
    const request = one.loginRequest(keyOf(first))
    // The second commit of a burst waits: in between, the session ends and the login is repeated.
    const other = await test.connect('second', new Uint8Array(32).fill(7))
    await other.register()
    one.say(request)
    await after(test.sim, 10)
    one.socket.destroy()
    await after(test.sim, 10)
    const two = await test.connect('second')
    assert.match(await two.ask(request), /smaller or equal to one previously used|stale/)
  })

  it('bounds connections that have not logged in, and those of one address', async () => {
    const test = await TestGateway.start({ params: { maxUnauthenticated: 3, maxPerAddress: 5 } })
    const idle = [await test.connect(), await test.connect(), await test.connect()]
    const fourth = await test.connect('second')
    assert.equal(await fourth.next(), 'closed')
    assert.equal(test.refused('unauthenticated'), 1)
    for (const client of idle) client.socket.destroy()
    await after(test.sim, 10)
    for (let i = 0; i < 5; i++) await test.registered('client', new Uint8Array(32).fill(20 + i))
    assert.equal(await (await test.connect('client')).next(), 'closed')
    assert.equal(test.refused('connections-of-address'), 1)
    await test.registered('second')
  })

  it('bounds the clients it registers', async () => {
    const test = await TestGateway.start({ params: { maxClients: 1 } })
    await test.registered()
    const second = await test.connect('second', new Uint8Array(32).fill(9))
    assert.equal(await second.register(), error('Internal gateway storage error'))
  })
})
