import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fromHex } from '../../foundation/base/bytes.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import type { RandomStream } from '../../foundation/platform/random.ts'
import type { World } from '../../foundation/platform/world.ts'
import { after, TestGateway } from './support.test.ts'

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
const error = (text: string) => JSON.stringify({ type: 'error', message: text })

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

  it('lets no address keep the others waiting', async () => {
    const test = await TestGateway.start({ params: { maxUnauthenticatedPerAddress: 2 } })
    const idle = [await test.connect(), await test.connect()]
    assert.equal(await (await test.connect()).next(), 'closed')
    assert.equal(test.refused('unauthenticated-of-address'), 1)
    await test.registered('second')
    for (const client of idle) client.socket.destroy()
    await after(test.sim, 10)
    await test.registered()
  })

  it('closes whom it cannot tell what was asked', async () => {
    const test = await TestGateway.start({ params: { maxAdmissionBufferedBytes: 4096 } })
    const client = await test.connect()
    client.socket.pause()
    for (let i = 0; i < 50_000; i++) client.say('{"type":"supportedProtocol"}')
    await after(test.sim, 5_000)
    assert.equal(test.refused('unread-before-login'), 1)
    await test.registered('second')
  })

  it('bounds the clients it registers', async () => {
    const test = await TestGateway.start({ params: { maxClients: 1 } })
    await test.registered()
    const second = await test.connect('second', new Uint8Array(32).fill(9))
    assert.equal(await second.register(), error('Internal gateway storage error'))
  })
})
