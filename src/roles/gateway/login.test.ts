import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Secret } from '../../foundation/base/secret.ts'
import { millis } from '../../foundation/base/units.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { encodeControlRequest } from '../../protocol/wire/gateway/control.ts'
import { after, keyOf, message, TestGateway } from './support.test.ts'

const authenticateText = (version: number, remaining = 0) =>
  `{"type":"authenticate","protocol_version":${version},"status":true,"bandwidth_remaining":${remaining},"upgrade_mode":false}`
const error = (text: string) => JSON.stringify({ type: 'error', message: text })
const DUPLICATE = error('There is already an open connection to this client')

describe('login', () => {
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

  it('lets a page in that was reloaded within the second, but no login twice', async () => {
    const test = await TestGateway.start({ crypto: nodeProvider })
    const first = await test.registered()
    const key = keyOf(first)
    first.socket.destroy()
    await after(test.sim, 1000)
    const unixSeconds = Math.floor(test.sim.clock.now() / 1000)
    const requests = []
    for (let i = 0; i < 3; i++) {
      const client = await test.connect()
      const request = client.loginRequest(key, { unixSeconds })
      assert.equal(await client.ask(request), authenticateText(6))
      requests.push(request)
      client.socket.destroy()
      await after(test.sim, 10)
    }
    for (const request of requests) {
      assert.match(await (await test.connect()).ask(request), /smaller or equal to one previously used/)
    }
    const earlier = await test.connect()
    assert.match(await earlier.login(key, { unixSeconds: unixSeconds - 1 }), /smaller or equal to one previously used/)
    // What was accepted in that second is forgotten with the process: then a later second is asked for again.
    test.crash()
    await test.restart()
    const unknown = await test.connect()
    assert.match(await unknown.login(key, { unixSeconds }), /smaller or equal to one previously used/)
  })

  it('lets in so many of a second', async () => {
    const test = await TestGateway.start()
    const first = await test.registered()
    first.socket.destroy()
    await after(test.sim, 10)
    const unixSeconds = Math.floor(test.sim.clock.now() / 1000) + 60
    const answers: string[] = []
    for (let i = 0; i < 10; i++) {
      const client = await test.connect()
      answers.push(await client.login(keyOf(first), { unixSeconds }))
      client.socket.destroy()
      await after(test.sim, 10)
    }
    assert.equal(answers.filter((answer) => /"status":true/.test(answer)).length, 8)
    assert.match(answers.at(-1) as string, /smaller or equal to one previously used/)
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
})
