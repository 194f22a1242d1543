import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { millis } from '../../foundation/base/units.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { parseControlResponse } from '../../protocol/wire/gateway/control.ts'
import { openEncryptedResponse, sealEncryptedRequest } from '../../protocol/wire/gateway/encryptedRequests.ts'
import { sealTicket } from '../../protocol/wire/gateway/ticket.ts'
import type { TicketVerdict } from './bandwidth.ts'
import type { ScriptedClient } from './scriptedClient.test.ts'
import { after, BIG, keyOf, message, numberIn, TestGateway } from './support.test.ts'

const FREE = 68_719_476_736
const send = (remaining: number) => `{"type":"send","remaining_bandwidth":${remaining},"upgrade_mode":false}`
const bandwidth = (total: number) => `{"type":"bandwidth","available_total":${total},"upgrade_mode":false}`
const error = (text: string) => JSON.stringify({ type: 'error', message: text })
const outOfBandwidth = (required: number, available: number) =>
  `{"type":"typedError","error":{"out_of_bandwidth":{"required":${required},"available":${available}}}}`
const TICKET = { payment: new Uint8Array(100), payInfo: new Uint8Array(72), spendDateJulianDay: 2_461_193, epochId: 4n }

async function ready(client: Promise<ScriptedClient>): Promise<ScriptedClient> {
  const open = await client
  await open.ask({ type: 'claimFreeTestnetBandwidth' })
  return open
}

describe('session', () => {
  it('forwards what is paid for and answers each frame once', async () => {
    const test = await TestGateway.start({ crypto: nodeProvider })
    const client = await test.registered()
    client.forward(1)
    assert.equal(await client.next(), outOfBandwidth(2413, 0))
    assert.equal(await client.ask({ type: 'claimFreeTestnetBandwidth' }), bandwidth(FREE))
    client.forward(2)
    client.forward(3, BIG)
    assert.equal(await client.next(), send(FREE - 2413))
    assert.equal(await client.next(), send(FREE - 2413 - 33_133))
    assert.deepEqual(
      test.sent.map(({ frame }) => [numberIn(frame.packet), frame.size.name, frame.rotation]),
      [
        [2, 'regular', 1],
        [3, 'extended32', 1],
      ],
    )
    assert.deepEqual(test.sent[0]?.nextHop, { ip: '10.1.1.1', port: 1789 })
  })

  it('ends free bandwidth at the next UTC midnight, and keeps it through a restart', async () => {
    const test = await TestGateway.start()
    const client = await ready(test.registered())
    client.forward(1)
    await client.next()
    await after(test.sim, 1100)
    test.crash()
    await test.restart()
    const again = await test.connect()
    assert.match(await again.login(keyOf(client)), new RegExp(`"bandwidth_remaining":${FREE - 2413},`))
    await test.sim.run(millis(Math.ceil(test.sim.clock.now() / 86_400_000) * 86_400_000 - 1))
    again.forward(2)
    await after(test.sim, 1 - 0.5)
    await after(test.sim, 10)
    // Sent before midnight, taken after it.
    assert.equal(await again.next(), outOfBandwidth(2413, 0))
    assert.equal(await again.ask({ type: 'claimFreeTestnetBandwidth' }), bandwidth(FREE))
  })

  it('refuses free bandwidth where tickets are wanted', async () => {
    const test = await TestGateway.start({ params: { freeBandwidth: false } })
    const client = await test.registered()
    assert.equal(
      await client.ask({ type: 'claimFreeTestnetBandwidth' }),
      error('This gateway is only accepting coconut credentials for bandwidth'),
    )
  })

  it('answers malformed frames and texts with the official errors and goes on', async () => {
    const test = await TestGateway.start()
    const client = await ready(test.registered())
    const frames: [Uint8Array, RegExp][] = [
      [new Uint8Array(0), /too short/],
      [Uint8Array.of(2), /too short/],
      [Uint8Array.of(2, 1, 0), /too short/],
      [new Uint8Array(60), /encryption flag/],
      [new Uint8Array(60).fill(9), /encryption flag/],
      [Uint8Array.of(9, 1, ...new Uint8Array(60)), /unknown kind/],
      [Uint8Array.of(2, 1, ...new Uint8Array(2480)), /encrypt or decrypt/],
    ]
    for (const [frame, text] of frames) {
      client.socket.send(frame)
      const answer = parseControlResponse(await client.next())
      assert.ok(answer.type === 'error')
      assert.match(answer.message, text)
    }
    const illegal = 'The received request is not valid in the current context'
    for (const [text, answer] of [
      ['{"type":"upgradeModeJWT","token":"a"}', /upgrade mode/],
      ['{"type":"bandwidthCredential","enc_credential":[],"iv":[]}', /coconut/],
      ['{"type":"nonsense"}', /Provided text request was malformed - /],
      ['{', /Provided text request was malformed - /],
      ['{"type":"handshakePayload","protocol_version":6,"data":[1]}', new RegExp(`${illegal}.*RegisterHandshake`)],
      ['{"type":"encryptedRequest","ciphertext":[1,2],"nonce":[3]}', /decrypt provided text request/],
      ['{"type":"ecashCredential","enc_credential":[1,2],"iv":[3]}', /encrypted data was malformed/],
    ] as const) {
      assert.match(await client.ask(text), answer)
    }
    assert.equal(await client.ask({ type: 'supportedProtocol' }), '{"type":"supportedProtocol","version":6}')
    client.forward(1)
    assert.equal(await client.next(), send(FREE - 2413))
    assert.equal(test.count('gateway_requests_refused_total{reason="frame-cipher"}'), 1)
    assert.equal(test.count('gateway_requests_refused_total{reason="text-malformed"}'), 2)
  })

  it('closes on messages that are too long', async () => {
    const test = await TestGateway.start()
    const client = await test.registered()
    client.socket.send(new Uint8Array(70_000))
    assert.deepEqual(await client.rest(), [])
    await after(test.sim, 10)
    const second = await test.registered('second')
    second.say(`{"type":"upgradeModeJWT","token":"${'x'.repeat(40_000)}"}`)
    assert.deepEqual(await second.rest(), [])
    assert.equal(test.refused('too-long'), 1)
    assert.equal(test.count('gateway_sessions'), 0)
  })

  it('forgets a client that asks for it, and remembers nothing of its session', async () => {
    const test = await TestGateway.start({ crypto: nodeProvider })
    const client = await ready(test.registered())
    const key = keyOf(client).expose()
    const ask = async (request: Parameters<typeof sealEncryptedRequest>[2]) => {
      const answer = parseControlResponse(
        await client.ask(sealEncryptedRequest(nodeProvider, key, request, new Uint8Array(12))),
      )
      assert.ok(answer.type === 'encryptedResponse')
      return openEncryptedResponse(nodeProvider, key, answer).type
    }
    assert.equal(await ask({ type: 'rememberMe', sessionType: 'Native' }), 'rememberMeAck')
    assert.equal(await ask({ type: 'forgetMe', client: false, stats: true }), 'forgetMeAck')
    assert.equal(test.count('gateway_clients'), 1)
    const mend = test.sim.partition(['client'], ['gateway'])
    test.gateway.deliver(message(client.identity, 1))
    await after(test.sim, 1500)
    mend()
    assert.ok(test.count('gateway_inbox_bytes') > 0)
    assert.equal(await ask({ type: 'forgetMe', client: true, stats: true }), 'forgetMeAck')
    assert.equal(test.count('gateway_clients'), 0)
    assert.equal(test.count('gateway_inbox_bytes'), 0)
    client.socket.close()
    await after(test.sim, 3000)
    test.gateway.deliver(message(client.identity, 2))
    await after(test.sim, 100)
    assert.equal(test.dropped('unknown-client'), 1)
    assert.deepEqual(test.acked, [1])
    const again = await test.connect()
    assert.equal(await again.login(keyOf(client)), error('the client is not registered'))
  })

  it('refuses tickets until somebody can judge them', async () => {
    const test = await TestGateway.start()
    const client = await test.registered()
    const ticket = sealTicket(test.crypto, keyOf(client).expose(), TICKET, new Uint8Array(12))
    assert.equal(await client.ask(ticket), error('the provided ticket failed to get verified'))
  })

  it('credits tickets once they are durable, in the order of requests, also to a client that left', async () => {
    const verdicts: ((verdict: TicketVerdict) => void)[] = []
    const verify = () => new Promise<TicketVerdict>((resolve) => verdicts.push(resolve))
    const test = await TestGateway.start({ tickets: () => ({ verify, settled() {}, stop() {} }) })
    const client = await test.registered()
    const expiresOn = millis(Math.floor(test.sim.clock.now() / 86_400_000 + 6) * 86_400_000)
    const ticket = sealTicket(test.crypto, keyOf(client).expose(), TICKET, new Uint8Array(12))
    client.say(ticket)
    client.say({ type: 'supportedProtocol' })
    await after(test.sim, 500)
    assert.deepEqual(client.texts.slice(3), [])
    const good = (serial: number, bytes: number): TicketVerdict => ({
      kind: 'good',
      ticket: { ...TICKET, serialNumber: Uint8Array.of(serial), epochRow: 1, unixDay: 20_454 },
      bandwidth: { bytes, expiresOn },
    })
    verdicts[0]?.(good(1, 200_000_000))
    assert.equal(await client.next(), bandwidth(200_000_000))
    assert.match(await client.next(), /supportedProtocol/)
    client.say(ticket)
    await after(test.sim, 10)
    verdicts[1]?.({ kind: 'replay' })
    assert.equal(await client.next(), '{"type":"typedError","error":"ticket_replay"}')
    client.say(ticket)
    await after(test.sim, 10)
    client.socket.destroy()
    await after(test.sim, 1000)
    const again = await test.connect()
    await again.login(keyOf(client))
    verdicts[2]?.(good(2, 100))
    await after(test.sim, 10)
    test.crash()
    await test.restart()
    await after(test.sim, 1000)
    const last = await test.connect()
    assert.match(await last.login(keyOf(client)), /"bandwidth_remaining":200000100,/)
  })

  it('reads a flooding client a few frames a turn, so that others are served in between', async () => {
    const test = await TestGateway.start({ params: { messagesPerTurn: 8 } })
    const flooder = await ready(test.registered('client'))
    const other = await ready(test.registered('second', new Uint8Array(32).fill(9)))
    test.sim.shapeLink('client', 'gateway', { latency: millis(5) })
    test.sim.shapeLink('second', 'gateway', { latency: millis(5) })
    for (let i = 0; i < 80; i++) flooder.forward(i)
    other.forward(1000)
    await after(test.sim, 50)
    const order = test.sent.map(({ frame }) => numberIn(frame.packet))
    assert.equal(order.length, 81)
    assert.ok(order.indexOf(1000) < 80, `served at ${order.indexOf(1000)}`)
    assert.deepEqual(
      order.filter((number) => number !== 1000),
      [...Array(80).keys()],
    )
    assert.equal(flooder.texts.filter((text) => text.startsWith('{"type":"send"')).length, 80)
  })

  it('stops reading clients while the way into the mixnet is full', async () => {
    let full = false
    const test = await TestGateway.start({ congested: () => full })
    const client = await ready(test.registered())
    full = true
    for (let i = 0; i < 50; i++) client.forward(i)
    await after(test.sim, 900)
    assert.equal(test.sent.length, 1)
    full = false
    await after(test.sim, 50)
    assert.equal(test.sent.length, 50)
  })

  it('bounds what a client that reads nothing can make it keep', async () => {
    const test = await TestGateway.start({ params: { pauseAboveBufferedBytes: 10_000 } })
    const client = await ready(test.registered())
    client.socket.pause()
    for (let i = 0; i < 20_000; i++) client.forward(i)
    await after(test.sim, 2000)
    const taken = test.sent.length
    // The simulated window holds 1 MiB of answers, then our own bound.
    assert.ok(taken > 100 && taken < 9500, `${taken} taken`)
    client.socket.resume()
    await after(test.sim, 2000)
    assert.equal(test.sent.length, 20_000)
  })

  it('says goodbye when it stops', async () => {
    const test = await TestGateway.start()
    const client = await ready(test.registered())
    test.gateway.deliver(message(client.identity, 5))
    const stopped = test.gateway.stop()
    assert.deepEqual(test.acked, [5])
    await test.sim.complete(stopped)
    await after(test.sim, 2000)
    assert.equal(client.closed, true)
    test.gateway.deliver(message(client.identity, 6))
    await after(test.sim, 100)
    assert.deepEqual(test.acked, [5])
    await test.restart()
    const again = await test.connect()
    assert.match(await again.login(keyOf(client)), new RegExp(`"bandwidth_remaining":${FREE},`))
    await after(test.sim, 10)
    assert.equal(again.pushed.length, 1)
  })
})
