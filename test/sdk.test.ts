/** What applications are offered, over a whole simulated network with the real cryptography. @module */
import assert from 'node:assert/strict'
import { get, type IncomingMessage } from 'node:http'
import { after, before, describe, it, test } from 'node:test'
import { request } from 'undici'
import type { Mixnet } from '../src/client/mixnet.ts'
import type { MixnetOptions } from '../src/client/openClient.ts'
import { fromUtf8, utf8 } from '../src/foundation/base/bytes.ts'
import { isMixnetError } from '../src/foundation/base/errors.ts'
import { hours, millis } from '../src/foundation/base/units.ts'
import type { World } from '../src/foundation/platform/world.ts'
import { formatRecipient } from '../src/protocol/packet/recipient.ts'
import { HostileNetwork, SITE, SITE_PORT } from './hostile/simulatedNetwork.ts'

test('without an exit in the directory: refused, or messages only where that is enough', {
  timeout: 120_000,
}, async () => {
  const network = await HostileNetwork.start({ exits: 0 })
  try {
    await assert.rejects(network.client({ folder: 'wants one' }), { code: 'EXIT_UNREACHABLE' })
    const mixnet = await network.client({ folder: 'wants none', exitRequired: false })
    const conversation = async () => {
      await mixnet.send(mixnet.address, 'to myself')
      for await (const { data } of mixnet.messages()) return fromUtf8(data, 'data')
      return undefined
    }
    assert.equal(await network.complete(conversation()), 'to myself')
    const refused = { code: 'EXIT_UNREACHABLE' }
    await assert.rejects(network.complete(mixnet.fetch(`http://${SITE}/`)), refused)
    await assert.rejects(network.complete(mixnet.open({ host: SITE, port: SITE_PORT })), refused)
    assert.throws(() => mixnet.exit, refused)
    assert.deepEqual(
      mixnet.explain()?.stages.map(({ what }) => what),
      ['EXIT_UNREACHABLE'],
    )
    await network.complete(mixnet.close())
    await assert.rejects(mixnet.topologySnapshot(), { code: 'STOPPED' })
  } finally {
    await network.stop()
  }
})

test("a folder is one client's: refused while it is in use, free when that is closed or could not connect", {
  timeout: 120_000,
}, async () => {
  const network = await HostileNetwork.start()
  try {
    const world = network.simulation.host('machine', { ips: ['10.3.0.1'] })
    const client = (options: Partial<MixnetOptions>) =>
      network.client({ folder: 'me', connectTimeout: millis(20_000), ...options }, () => world)
    await assert.rejects(client({ directories: ['http://192.0.2.1/api'] }), (error) => !isMixnetError(error, 'LOCKED'))
    const first = await client({})
    const before = network.simulation.clock.monotonic()
    await assert.rejects(client({}), { code: 'LOCKED', details: { folder: 'me' } })
    assert.ok(network.simulation.clock.monotonic() - before < 2_000)
    assert.equal(first.state, 'open')
    const other = await client({ folder: 'another' })
    await network.complete(Promise.all([first.close(), other.close()]))
    const again = await client({})
    assert.deepEqual(again.address.identity, first.address.identity)
    await network.complete(again.close())
    // The key is derived in a thread of its own, while virtual time runs on as fast as it can.
    const sealed = await client({ folder: 'sealed', passphrase: 'x', connectTimeout: hours(2) })
    await network.complete(sealed.close())
    await assert.rejects(client({ folder: 'sealed' }), (error) => {
      assert.ok(isMixnetError(error, 'KEY_FILE_UNREADABLE'))
      assert.match(error.nextStep, /^Give its passphrase/)
      return true
    })
  } finally {
    await network.stop()
  }
})

test('a folder that cannot be one is told of with what the system says; one that never answers, at the deadline', {
  timeout: 120_000,
}, async () => {
  const network = await HostileNetwork.start()
  try {
    const failing = (work: () => Promise<never>) => (world: World) => ({
      ...world,
      files: { ...world.files, read: work, write: work, lock: work },
    })
    const system = async () => {
      throw Object.assign(new Error('EPERM: operation not permitted'), { code: 'EPERM', path: 'me/lock' })
    }
    await assert.rejects(network.client({ folder: 'me' }, failing(system)), {
      code: 'FILE_UNUSABLE',
      details: { path: 'me/lock', why: 'EPERM' },
    })
    const hanging = network.client(
      { folder: 'me', connectTimeout: millis(5_000) },
      failing(() => new Promise(() => {})),
    )
    await assert.rejects(hanging, { code: 'TIMEOUT', details: { what: 'folder', limitMs: 5_000 } })
  } finally {
    await network.stop()
  }
})

describe('the SDK', { timeout: 120_000 }, () => {
  let network: HostileNetwork
  let alice: Mixnet
  let bob: Mixnet

  before(async () => {
    network = await HostileNetwork.start()
    alice = await network.client({ folder: 'alice' })
    bob = await network.client({ folder: 'bob' })
  })
  after(async () => {
    await network.complete(Promise.all([alice.close(), bob.close()]))
    await network.stop()
  })

  const taken = async (mixnet: Mixnet, count: number) => {
    const messages: { data: Uint8Array; sender?: string }[] = []
    for await (const message of mixnet.messages()) {
      messages.push(message)
      if (messages.length === count) break
    }
    return messages
  }

  it('sends messages to an address, answers to a pseudonym, none lost, none twice', async () => {
    const count = 50
    const conversation = async () => {
      const address = formatRecipient(bob.address)
      for (let i = 0; i < count; i++) await alice.send(address, `question ${i}`)
      for (const { data, sender } of await taken(bob, count))
        await bob.reply(sender as string, `${fromUtf8(data, 'data')}!`)
      return taken(alice, count)
    }
    const answers = await network.complete(conversation())
    const texts = answers.map(({ data }) => fromUtf8(data, 'data')).sort()
    assert.deepEqual(texts, Array.from({ length: count }, (_, i) => `question ${i}!`).sort())
    await network.runFor(millis(30_000))
    assert.equal(alice.meter.snapshot().client_inbox_messages, 0)
    assert.equal(bob.meter.snapshot().client_inbox_messages, 0)
  })

  it('outlives what its program throws at it in callbacks, which is reported as uncaught', async (t) => {
    const reported: unknown[] = []
    const { queueMicrotask } = globalThis
    t.mock.method(globalThis, 'queueMicrotask', (run: () => void) =>
      queueMicrotask(() => {
        try {
          run()
        } catch (error) {
          reported.push((error as Error).message)
        }
      }),
    )
    const thrown = (what: string) => () => {
      throw new Error(what)
    }
    const careless = { onEvent: thrown('event'), onMessage: thrown('message'), onPacket: thrown('packet') }
    const dave = await network.client({ folder: 'dave', ...careless })
    for (let i = 0; i < 2; i++) await network.complete(alice.send(dave.address, 'hello'))
    const exchange = async () => {
      await dave.send(bob.address, 'hello', { repliable: false })
      await taken(bob, 1)
    }
    await network.complete(exchange())
    await network.runFor(millis(5_000))
    assert.equal(reported.filter((what) => what === 'message').length, 2)
    await network.complete(dave.close())
    assert.deepEqual([...new Set(reported)].sort(), ['event', 'message', 'packet'])
  })

  it('refuses what cannot be an option by its name, with nothing left behind', async () => {
    const controller = new AbortController()
    const named = (argument: string) => (error: unknown) => {
      const [cause] = [error, (error as Error).cause].filter((each) => isMixnetError(each))
      assert.ok(isMixnetError(cause, 'BAD_ARGUMENT'), String(error))
      assert.equal(cause.details.argument, argument)
      return true
    }
    const place = { host: SITE, port: SITE_PORT }
    for (const [argument, value] of [
      ['signal', controller],
      ['signal', 5000],
      ['timeout', '5s'],
      ['timeout', -1],
      ['timeout', 0],
      ['timeout', Number.NaN],
      ['isolation', 7],
    ] as const) {
      const wrong = { [argument]: value } as object
      await assert.rejects(alice.open(place, wrong), named(argument))
      await assert.rejects(alice.resolve('a.example', { server: SITE, ...wrong }), named(argument))
      await assert.rejects(alice.fetch(`http://${SITE}/`, wrong), named(argument))
      assert.throws(() => new alice.WebSocket(`ws://${SITE}/`, [], wrong), named(argument))
      if (argument !== 'signal') assert.throws(() => alice.adapters(wrong), named(argument))
      else {
        await assert.rejects(alice.send(bob.address, 'x', wrong), named(argument))
        await assert.rejects(alice.reply('nobody', 'x', wrong), named(argument))
        assert.throws(() => alice.messages(value as unknown as AbortSignal), named(argument))
      }
    }
    for (const data of [undefined, { a: 1 }, 5])
      await assert.rejects(alice.send(bob.address, data as unknown as string), named('data'))
    await assert.rejects(alice.send(bob.address, new Uint8Array(200_000_000)), { code: 'MESSAGE_TOO_LONG' })
    await network.runFor(millis(120_000))
    assert.equal(alice.connections.count, 0)
  })

  it('sends without a trace of the sender where that is asked for', async () => {
    await network.complete(alice.send(bob.address, Uint8Array.of(1, 2, 3), { repliable: false }))
    const [message] = await network.complete(taken(bob, 1))
    assert.deepEqual(message, { data: Uint8Array.of(1, 2, 3) })
  })

  it('says what is wrong with an address, a stranger to answer, a client that was closed', async () => {
    const refused = (code: string) => (error: unknown) => isMixnetError(error) && error.code === code
    await assert.rejects(network.complete(alice.send('nobody@nowhere', 'x')), refused('BAD_ARGUMENT'))
    await assert.rejects(network.complete(alice.reply('nobody', 'x')), refused('NO_REPLY_BLOCKS'))
    const carol = await network.client({ folder: 'carol' })
    const listening = taken(carol, 1)
    await network.complete(carol.close())
    assert.deepEqual(await listening, [])
    await assert.rejects(network.complete(carol.send(bob.address, 'x')), refused('STOPPED'))
    await assert.rejects(network.complete(carol.open({ host: SITE, port: SITE_PORT })), refused('STOPPED'))
  })

  it('opens connections through the exit: streams both ways, half-closed, ended by either side', async () => {
    const exchange = async () => {
      const socket = await alice.open({ host: SITE, port: SITE_PORT })
      const text = `${'through the mix '.repeat(1000)}\n`
      const writer = socket.writable.getWriter()
      await writer.write(utf8(text))
      await writer.close()
      assert.equal(alice.explain(socket)?.outcome, 'running')
      let heard = ''
      for await (const chunk of socket.readable) {
        heard += new TextDecoder().decode(chunk)
        if (heard.length >= text.length) break
      }
      assert.equal(heard, text)
      return socket.closed
    }
    await network.complete(exchange())
    assert.equal(alice.connections.count, 0)
  })

  it('asks a DNS server that the caller names for addresses, through the exit', async () => {
    const world = network.simulation.host('dns.example', { ips: ['198.51.100.53'] })
    const peers: string[] = []
    await network.complete(
      world.net.listen({ host: '0.0.0.0', port: 53 }, (connection) => {
        peers.push(connection.remote.host)
        const data = (query: Uint8Array) => {
          const question = query.slice(14)
          const record = [0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]
          const answer = [query[2] ?? 0, query[3] ?? 0, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, ...question, ...record]
          // As TCP may cut it.
          connection.write([Uint8Array.of(0, answer.length, ...answer.slice(0, 20)), Uint8Array.from(answer.slice(20))])
        }
        connection.attach({ data, end: () => connection.end(), close() {} })
      }),
    )
    assert.deepEqual(await network.complete(alice.resolve('host.example', { server: '198.51.100.53' })), ['192.0.2.1'])
    assert.deepEqual(peers, [network.node('exit').plan.host])
    assert.equal(alice.connections.count, 0)
  })

  it('fetches, lends itself to other libraries, and tells what happened', async () => {
    const world = network.simulation.host('web.example', { ips: ['198.51.100.7'] })
    await network.complete(
      world.net.listen({ host: '0.0.0.0', port: 80 }, (connection) => {
        const answer = utf8('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello')
        connection.attach({ data: () => connection.write([answer]), end: () => connection.end(), close() {} })
      }),
    )
    const url = 'http://web.example/'
    const fetched = async (isolation?: string) =>
      (await alice.fetch(url, isolation === undefined ? {} : { isolation })).text()
    for (const isolation of [undefined, 'one', 'two']) assert.equal(await network.complete(fetched(isolation)), 'hello')
    assert.equal(alice.connections.count, 3, 'one for each key')

    const last = alice.explain()
    assert.deepEqual([last?.outcome, last?.began?.gatewayOpen], ['done', true])
    assert.ok((last?.began?.topologyAge ?? -1) >= 0 && (last?.fragments.sent ?? 0) >= 2 && (last?.surbsLeft ?? 0) > 0)
    assert.ok(last?.stages.some(({ stage, after }) => stage === 'exit-confirmed' && after > 0))

    const { body } = await network.complete(request(url, { dispatcher: alice.dispatcher }))
    assert.equal(await network.complete(body.text()), 'hello')
    const response = await network.complete(
      new Promise<IncomingMessage>((resolve, reject) =>
        get(url, { agent: alice.agent.http }, resolve).on('error', reject),
      ),
    )
    assert.equal(
      await network.complete(
        response
          .setEncoding('utf8')
          .toArray()
          .then((texts) => texts.join('')),
      ),
      'hello',
    )
    const failed = await network.complete(alice.fetch('http://nowhere.example/').catch((error: unknown) => error))
    assert.ok(isMixnetError(failed, 'HOST_UNKNOWN'))
    assert.equal(alice.explain(failed)?.outcome, 'HOST_UNKNOWN')
    assert.equal(alice.state, 'open')
    // What is kept is let go by clocks of Node's and of the network's.
    await network.runFor(millis(20_000))
  })

  it('tells of what cannot be an address or a destination as the mistake of who wrote it, and asks nobody', async () => {
    const wrong = (argument: string) => ({ code: 'BAD_ARGUMENT', guilty: 'you', details: { argument } })
    const before = alice.connections.count
    for (const to of ['bob', '', 'a.b@c', `${bob.addressText}x`])
      await assert.rejects(network.complete(alice.send(to, 'hello')), wrong('to'))
    for (const port of [0, 99_999, -1, 1.5, Number.NaN, '80' as unknown as number])
      await assert.rejects(network.complete(alice.open({ host: SITE, port })), wrong('port'))
    for (const host of ['', 'http://x/', 'a b', 'x:80', undefined as unknown as string])
      await assert.rejects(network.complete(alice.open({ host, port: 80 })), wrong('host'))
    await assert.rejects(network.complete(alice.resolve('http://x/', { server: '9.9.9.9' })), wrong('name'))
    assert.equal(alice.connections.count, before)
  })

  it('says why a connection cannot be', async () => {
    const before = alice.connections.count
    const open = (host: string, port: number) => network.complete(alice.open({ host, port }))
    await assert.rejects(open('nowhere.example', 80), (error) => isMixnetError(error, 'HOST_UNKNOWN'))
    await assert.rejects(open(SITE, 81), (error) => isMixnetError(error, 'DESTINATION_UNREACHABLE'))
    const aborted = alice.open({ host: SITE, port: SITE_PORT }, { signal: AbortSignal.abort() })
    assert.equal(alice.connections.count, before, 'the exit is not told where to')
    await assert.rejects(network.complete(aborted), (error) => isMixnetError(error, 'ABORTED'))
    const late = alice.open({ host: SITE, port: SITE_PORT }, { timeout: millis(1) })
    await assert.rejects(network.complete(late), (error) => isMixnetError(error, 'TIMEOUT'))
    await network.runFor(millis(2_000))
    assert.equal(alice.connections.count, before)
  })
})
