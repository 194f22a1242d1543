import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Meter } from '../foundation/base/observe.ts'
import { millis, minutes, seconds } from '../foundation/base/units.ts'
import type { Simulation } from '../foundation/platform/simulated/simulation.ts'
import type { World } from '../foundation/platform/world.ts'
import { errorResponse, ONLY_CREDENTIALS_TEXT, STALE_SESSION_TEXT } from '../protocol/wire/gateway/errorTexts.ts'
import { DEFAULT_ENTRY_PARAMS, type EntryParams } from './entryParams.ts'
import { GatewayConnection } from './gatewayConnection.ts'
import type { GatewayFailure } from './gatewayRefusals.ts'
import {
  clientParts,
  countOf,
  newSimulation,
  PACKET,
  ScriptedGateway,
  type Step,
  watch,
} from './scriptedGateway.test.ts'
import { SharedKeys } from './sharedKeys.ts'

interface Setup {
  readonly sim: Simulation
  readonly gateway: ScriptedGateway
  readonly world: World
  readonly meter: Meter
  readonly failures: GatewayFailure[]
  connect(params?: Partial<EntryParams>, world?: World): GatewayConnection
}

async function setUp(): Promise<Setup> {
  const sim = newSimulation()
  const gateway = new ScriptedGateway(sim, 'gateway', '10.0.1.1')
  await gateway.listen()
  const client = sim.host('client', { ips: ['10.0.2.1'] })
  const meter = new Meter()
  const failures: GatewayFailure[] = []
  const connect = (params: Partial<EntryParams> = {}, world = client) => {
    const parts = clientParts(meter)
    return new GatewayConnection(world, {
      ...parts,
      gateway: gateway.identity,
      urls: () => [gateway.url],
      sharedKeys: new SharedKeys({ files: world.files, folder: '/client', log: parts.log }),
      params: { ...DEFAULT_ENTRY_PARAMS, ...params },
      onFailure: (failure) => failures.push(failure),
    })
  }
  return { sim, gateway, world: client, meter, failures, connect }
}

const odd = (meter: Meter, reason: string): number => countOf(meter, `client_gateway_odd_total{reason="${reason}"}`)

describe('gateway connection', () => {
  it('registers at first, on the one connection, and claims', async () => {
    const { sim, gateway, world, connect } = await setUp()
    const link = connect()
    const { events } = watch(link)
    assert.equal(link.send(PACKET), false)
    await sim.runFor(seconds(1))
    assert.deepEqual(events, ['opened'])
    assert.deepEqual(gateway.log, ['protocol', 'handshake', 'proof', 'register', 'claim'])
    assert.equal(gateway.connections, 1)
    assert.equal((await sim.complete(world.files.list('/client'))).length, 1)
  })

  it('logs in with the stored key after a restart, in the same second too, and claims nothing', async () => {
    const { sim, gateway, connect } = await setUp()
    const first = connect()
    watch(first)
    await sim.runFor(millis(100))
    await sim.complete(first.close())
    gateway.log.length = 0
    for (let run = 0; run < 3; run++) {
      const again = connect({}, sim.restart('client'))
      const { events } = watch(again)
      await sim.runFor(millis(100))
      assert.deepEqual(events, ['opened'])
      await sim.complete(again.close())
    }
    assert.deepEqual(gateway.log, ['protocol', 'login', 'protocol', 'login', 'protocol', 'login'])
    const [one, two, three] = gateway.timestamps as [number, number, number]
    assert.ok(one < two && two < three)
    assert.ok(three - Math.floor(sim.clock.now() / 1000) <= 3)
  })

  it('registers anew, once and at once, where the gateway forgot it', async () => {
    const { sim, gateway, connect, failures } = await setUp()
    const link = connect()
    const { events } = watch(link)
    await sim.runFor(seconds(20))
    gateway.crash()
    gateway.clients.clear()
    await gateway.restart()
    gateway.log.length = 0
    await sim.runFor(seconds(2))
    assert.deepEqual(events, ['opened', 'GATEWAY_LOST', 'opened'])
    assert.deepEqual(gateway.log, ['protocol', 'login', 'protocol', 'handshake', 'proof', 'register', 'claim'])
    assert.deepEqual(failures, [])
  })

  it('comes back with a later timestamp after a stale login, and registers where that does not help', async () => {
    const { sim, gateway, connect, failures } = await setUp()
    const first = connect()
    watch(first)
    await sim.runFor(seconds(1))
    await sim.complete(first.close())
    gateway.log.length = 0
    gateway.answers.login = errorResponse(STALE_SESSION_TEXT)
    const link = connect()
    const { events } = watch(link)
    await sim.runFor(seconds(5))
    assert.deepEqual(events, ['opened'])
    assert.deepEqual(gateway.log.slice(0, 5), ['protocol', 'login', 'protocol', 'login', 'protocol'])
    assert.deepEqual(gateway.log.slice(5), ['handshake', 'proof', 'register', 'claim'])
    assert.equal(failures.length, 1)
  })

  it('sends packets in the form of the negotiated protocol', async () => {
    for (const [version, kind] of [
      [6, 2],
      [200, 2],
      [5, 2],
      [4, 1],
    ] as const) {
      const { sim, gateway, connect } = await setUp()
      gateway.version = version
      const link = connect()
      watch(link)
      await sim.runFor(seconds(1))
      assert.equal(link.send(PACKET), true)
      await sim.runFor(seconds(1))
      assert.deepEqual(gateway.log.slice(-2), [`kind ${kind}`, 'packet'])
    }
  })

  it('delivers what is pushed, and what was stored before the login is answered', async () => {
    const { sim, gateway, connect } = await setUp()
    gateway.stored = [Uint8Array.of(1), Uint8Array.of(2)]
    const link = connect()
    const { pushed } = watch(link)
    await sim.runFor(seconds(1))
    gateway.push(Uint8Array.of(3))
    await sim.runFor(seconds(1))
    assert.deepEqual(
      pushed.map((message) => message[0]),
      [1, 2, 3],
    )
  })

  it('reconnects after the gateway was killed, with growing pauses', async () => {
    const { sim, gateway, connect, failures } = await setUp()
    const link = connect()
    const { events } = watch(link)
    await sim.runFor(seconds(20))
    gateway.crash()
    await sim.runFor(minutes(10))
    // Doubling from half a second to half a minute, each up to half shorter.
    assert.ok(failures.length >= 20 && failures.length <= 50, String(failures.length))
    assert.ok(failures.every(({ error }) => error.code === 'GATEWAY_UNREACHABLE'))
    assert.equal(link.isOpen, false)
    await gateway.restart()
    await sim.runFor(seconds(31))
    assert.deepEqual(events, ['opened', 'GATEWAY_LOST', 'opened'])
  })

  it('does not hammer a gateway that opens and hangs up', async () => {
    const { sim, gateway, connect, failures } = await setUp()
    gateway.hangsUp = true
    const link = connect()
    watch(link)
    await sim.runFor(minutes(10))
    assert.ok(gateway.connections <= 50, String(gateway.connections))
    assert.ok(failures.length > 10)
    await sim.complete(link.close())
  })

  for (const step of ['protocol', 'handshake', 'proof', 'register', 'claim', 'login'] as const satisfies Step[]) {
    it(`gives a gateway that hangs at its ${step} its time, then tries again`, async () => {
      const { sim, gateway, connect, failures } = await setUp()
      if (step === 'login') {
        const first = connect()
        watch(first)
        await sim.runFor(seconds(1))
        await sim.complete(first.close())
      }
      gateway.hangsAt = step
      const link = connect()
      const { events } = watch(link)
      await sim.runFor(millis(5100))
      assert.equal(failures.length, 1)
      assert.equal(failures[0]?.error.code, 'TIMEOUT')
      assert.deepEqual(events, [])
      gateway.hangsAt = undefined
      await sim.runFor(seconds(2))
      assert.deepEqual(events, ['opened'])
    })
  }

  it('notices a gateway that has gone silent, sooner where packets wait for an answer', async () => {
    const { sim, gateway, connect } = await setUp()
    const link = connect()
    const { events } = watch(link)
    await sim.runFor(minutes(10))
    assert.deepEqual(events, ['opened'])
    const mend = sim.partition(['client'], ['gateway'])
    assert.equal(link.send(PACKET), true)
    await sim.runFor(seconds(21))
    assert.deepEqual(events, ['opened', 'GATEWAY_LOST'])
    mend()
    gateway.hangUp()
    await sim.runFor(seconds(31))
    assert.deepEqual(events, ['opened', 'GATEWAY_LOST', 'opened'])
  })

  it('passes over what makes no sense, but not for ever', async () => {
    const { sim, gateway, connect, meter } = await setUp()
    const link = connect()
    const { events, pushed } = watch(link)
    await sim.runFor(seconds(11))
    const nonsense = [
      '',
      '{',
      '[]',
      '{"type":"whatever"}',
      '{"type":"send"}',
      '{"type":"send","remaining_bandwidth":"a"}',
    ]
    for (const text of nonsense) gateway.say(text)
    for (const frame of [[], [1], [1, 0, 3], [1, 1, ...new Array(60).fill(5)], [9, 1, ...new Array(60).fill(5)]]) {
      gateway.binary(Uint8Array.from(frame))
    }
    gateway.say({ type: 'error', message: 'something' })
    gateway.say({ type: 'typedError', error: { kind: 'ticketReplay' } })
    gateway.say({ type: 'supportedProtocol', version: 1 })
    gateway.push(Uint8Array.of(1))
    await sim.runFor(seconds(1))
    assert.deepEqual(events, ['opened'])
    assert.equal(pushed.length, 1)
    assert.deepEqual([odd(meter, 'text'), odd(meter, 'frame'), odd(meter, 'error')], [nonsense.length, 5, 2])
    for (let i = 0; i < DEFAULT_ENTRY_PARAMS.maxNonsense; i++) gateway.binary(new Uint8Array(100).fill(1))
    await sim.runFor(seconds(2))
    assert.deepEqual(events, ['opened', 'GATEWAY_LOST', 'opened'])
  })

  it('passes over unknown texts during the login', async () => {
    const { sim, gateway, connect, failures } = await setUp()
    for (const step of ['protocol', 'handshake', 'proof', 'claim'] as const) {
      gateway.answers = { [step]: '{"type":"news"}' }
      const link = connect()
      const { events } = watch(link)
      await sim.runFor(millis(5100))
      assert.deepEqual(events, [])
      assert.equal(failures.at(-1)?.error.code, 'TIMEOUT')
      await sim.complete(link.close())
    }
  })

  it('closes on a message that is too long', async () => {
    const { sim, gateway, connect } = await setUp()
    const { events } = watch(connect())
    await sim.runFor(seconds(11))
    gateway.binary(new Uint8Array(DEFAULT_ENTRY_PARAMS.maxMessageBytes + 1))
    await sim.runFor(seconds(2))
    assert.deepEqual(events, ['opened', 'GATEWAY_LOST', 'opened'])
  })

  it('claims again where packets are refused for want of bandwidth, no faster than allowed', async () => {
    const { sim, gateway, connect } = await setUp()
    const link = connect()
    const { events } = watch(link)
    await sim.runFor(seconds(10))
    gateway.log.length = 0
    for (const client of gateway.clients.values()) client.balance = 0
    gateway.grant = 0
    assert.equal(link.send(PACKET), true)
    await sim.runFor(millis(100))
    assert.equal(link.send(PACKET), false)
    await sim.runFor(seconds(60))
    const claims = gateway.log.filter((what) => what === 'claim').length
    assert.ok(claims >= 10 && claims <= 14, String(claims))
    gateway.grant = 1e9
    await sim.runFor(seconds(6))
    assert.equal(link.send(PACKET), true)
    assert.deepEqual(events, ['opened'])
  })

  it('claims below the threshold, before anything is refused', async () => {
    const { sim, gateway, connect } = await setUp()
    const link = connect()
    watch(link)
    await sim.runFor(seconds(10))
    gateway.log.length = 0
    for (const client of gateway.clients.values()) client.balance = 39_000_000
    link.send(PACKET)
    link.send(PACKET)
    await sim.runFor(seconds(1))
    assert.deepEqual(
      gateway.log.filter((what) => what === 'claim'),
      ['claim'],
    )
  })

  it('uses up what is left where the gateway takes only tickets, and is refused then', async () => {
    const { sim, gateway, connect, failures } = await setUp()
    const link = connect()
    const { events } = watch(link)
    await sim.runFor(seconds(1))
    await sim.complete(link.close())
    gateway.answers.claim = errorResponse(ONLY_CREDENTIALS_TEXT)
    for (const client of gateway.clients.values()) client.balance = 3000
    const again = connect()
    const seen = watch(again)
    await sim.runFor(seconds(11))
    assert.deepEqual([events, seen.events], [['opened'], ['opened']])
    again.send(PACKET)
    again.send(PACKET)
    await sim.runFor(seconds(1))
    assert.deepEqual(seen.events.slice(0, 2), ['opened', 'GATEWAY_REFUSED'])
    await sim.runFor(seconds(31))
    for (const client of gateway.clients.values()) client.balance = 0
    gateway.hangUp()
    await sim.runFor(seconds(5))
    assert.equal(failures.at(-1)?.kind, 'refused')
    assert.equal(failures.at(-1)?.error.details.why, 'it takes only paid bandwidth')
  })

  it('says safely why it was refused', async () => {
    const { sim, gateway, connect, failures } = await setUp()
    gateway.answers.protocol = errorResponse('go away\u0007 203.0.113.9')
    watch(connect())
    await sim.runFor(millis(100))
    assert.equal(failures[0]?.error.code, 'GATEWAY_REFUSED')
    assert.equal(failures[0]?.error.message.includes('203'), false)
    assert.equal(failures[0]?.kind, 'refused')
  })

  it('refuses a gateway of another identity, of the past and of the future', async () => {
    const { sim, gateway, failures, meter, world } = await setUp()
    const parts = clientParts(meter)
    const sharedKeys = new SharedKeys({ files: world.files, folder: undefined, log: parts.log })
    const urls = () => [gateway.url]
    const onFailure = (failure: GatewayFailure) => failures.push(failure)
    const stranger = world.crypto.ed25519PublicKey(new Uint8Array(32).fill(99))
    watch(new GatewayConnection(world, { ...parts, gateway: stranger, urls, sharedKeys, onFailure }))
    await sim.runFor(millis(100))
    assert.equal(failures.at(-1)?.error.details.why, 'it cannot prove to be the gateway of that identity')
    const { identity } = gateway
    gateway.version = 3
    watch(new GatewayConnection(world, { ...parts, gateway: identity, urls, sharedKeys, onFailure }))
    await sim.runFor(millis(100))
    assert.equal(failures.at(-1)?.error.details.why, 'it speaks only old protocols')
    gateway.version = 6
    gateway.answers.register = { type: 'register', protocolVersion: 7, status: true, upgradeMode: false }
    watch(new GatewayConnection(world, { ...parts, gateway: identity, urls, sharedKeys, onFailure }))
    await sim.runFor(millis(100))
    assert.equal(failures.at(-1)?.error.details.why, 'it insists on a newer protocol')
  })

  it('refuses packets above its buffer, and takes them again', async () => {
    const { sim, connect } = await setUp()
    const link = connect({ maxBufferedBytes: 10_000 })
    watch(link)
    await sim.runFor(seconds(1))
    sim.shapeLink('client', 'gateway', { bytesPerSecond: 100_000 })
    let taken = 0
    // What the simulated kernel holds comes on top.
    while (taken < 1000 && link.send(PACKET)) taken++
    assert.ok(taken >= 4 && taken < 1000, String(taken))
    await sim.runFor(seconds(20))
    assert.equal(link.send(PACKET), true)
  })

  it('tries one URL after the other', async () => {
    const { sim, gateway, world, meter } = await setUp()
    const parts = clientParts(meter)
    const sharedKeys = new SharedKeys({ files: world.files, folder: undefined, log: parts.log })
    const urls = () => ['ws://nobody:1/', 'nonsense', gateway.url]
    const link = new GatewayConnection(world, { ...parts, gateway: gateway.identity, urls, sharedKeys })
    const { events } = watch(link)
    await sim.runFor(seconds(1))
    assert.deepEqual(events, ['opened'])
  })

  it('closes promptly at every moment, and does nothing afterwards', async () => {
    for (const [delay, hangsAt] of [
      [0, undefined],
      [3, undefined],
      [50, 'protocol'],
      [50, 'login'],
      [1000, undefined],
      [5600, 'protocol'],
    ] as const) {
      const { sim, gateway, connect } = await setUp()
      gateway.hangsAt = hangsAt
      const link = connect()
      const { events } = watch(link)
      await sim.runFor(millis(delay))
      sim.partition(['client'], ['gateway'])
      const before = [...events]
      await sim.complete(link.close(), seconds(1))
      const { connections } = gateway
      await sim.runFor(minutes(5))
      assert.deepEqual(events, before)
      assert.equal(gateway.connections, connections)
      assert.equal(link.send(PACKET), false)
    }
  })
})
