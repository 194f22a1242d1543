import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isMixnetError } from '../../base/errors.ts'
import { millis, seconds } from '../../base/units.ts'
import { nullProvider } from '../../crypto/nullProvider.ts'
import { sleep } from '../clock.ts'
import type { Connection } from '../net.ts'
import { exponential } from '../random.ts'
import { atLeast, bytesOf, receive } from '../stages.ts'
import type { World } from '../world.ts'
import type { LinkShape } from './link.ts'
import { Simulation, type SimulationOptions } from './simulation.ts'
import { Trace } from './trace.ts'

const timeout = seconds(5)

function twoHosts(options: Partial<SimulationOptions> = {}) {
  const simulation = new Simulation({ seed: 'two', crypto: nullProvider, ...options })
  const a = simulation.host('a', { ips: ['10.0.0.1'] })
  const b = simulation.host('b', { ips: ['10.0.0.2'] })
  return { simulation, a, b }
}

/** A connection from a to b, and what each end received. */
async function connected(options: Partial<SimulationOptions> = {}) {
  const { simulation, a, b } = twoHosts(options)
  const accepted = Promise.withResolvers<Connection>()
  await simulation.complete(b.net.listen({ host: '0.0.0.0', port: 7 }, accepted.resolve))
  const client = await simulation.complete(a.net.connect({ host: 'b', port: 7, timeout }))
  const server = await simulation.complete(accepted.promise)
  return { simulation, a, b, client, server, atClient: receive(client), atServer: receive(server) }
}

/** Traffic of every kind between some hosts, with everything random that there is. */
async function busyTrace(seed: string): Promise<{ digest: string; lines: string }> {
  let lines = ''
  const trace = new Trace((more) => {
    lines += more
  })
  const shape = (): LinkShape => ({
    latency: (random) => 5 + 10 * random.uniform(),
    jitter: millis(3),
    loss: 0.05,
    bytesPerSecond: 1e6,
    segmentBytes: 700,
  })
  const simulation = new Simulation({ seed, crypto: nullProvider, trace, shape })
  const names = ['a', 'b', 'c', 'd']
  const start = async (world: World, name: string) => {
    const delays = world.random.stream('delay')
    await world.net.listen({ host: '0.0.0.0', port: 1 }, (connection) =>
      connection.attach({ data: (chunk) => simulation.note('got', name, chunk.length), close() {} }),
    )
    await world.net.serveHttp(
      { host: '0.0.0.0', port: 2, maxBodyBytes: 100, requestTimeout: timeout },
      async (request) => new Response(`you said ${await request.text()}`),
    )
    await world.files.write('state', Uint8Array.of(1))
    for (const other of names) {
      const talk = async () => {
        const connection = await world.net.connect({ host: other, port: 1, timeout })
        connection.attach({ data() {}, close() {} })
        for (;;) {
          connection.write([delays.bytes(1000), delays.bytes(300)])
          await sleep(world.clock, millis(exponential(delays, 20)))
          const url = `http://${other}:2/`
          const { body } = await world.net.request({ url, method: 'POST', body: 'x', timeout, maxBodyBytes: 100 })
          simulation.note('answer', name, body.length)
        }
      }
      talk().catch((error) => simulation.note('failed', name, error.code))
    }
  }
  for (const [i, name] of names.entries()) start(simulation.host(name, { ips: [`10.0.0.${i + 1}`] }), name)
  await simulation.runFor(seconds(1))
  simulation.crash('c')
  const mend = simulation.partition(['a'], ['b', 'd'])
  await simulation.runFor(seconds(1))
  mend()
  start(simulation.restart('c'), 'c')
  await simulation.runFor(seconds(1))
  return { digest: trace.digest(), lines }
}

describe('simulation', { timeout: 20_000 }, () => {
  it('gives equal traces for equal seeds, and others for others', async () => {
    const first = await busyTrace('one')
    assert.ok(first.lines.split('\n').length > 1000)
    const again = await busyTrace('one')
    assert.equal(again.lines, first.lines)
    assert.equal(again.digest, first.digest)
    assert.notEqual((await busyTrace('two')).digest, first.digest)
  })

  it('lets every promise go on before time does, however deep', async () => {
    const { simulation, a } = twoHosts()
    let done = false
    a.clock.after(millis(1), async () => {
      for (let i = 0; i < 1000; i++) await null
      await new Promise<void>((resolve) => process.nextTick(resolve))
      assert.equal(await new Response('a body').text(), 'a body')
      for (let i = 0; i < 1000; i++) await null
      done = true
    })
    a.clock.after(millis(1), () => {})
    await simulation.runFor(millis(1))
    assert.equal(done, true)
  })

  it('starts its clocks where it is told, and stops them where it is told', async () => {
    const { simulation, a } = twoHosts({ startAt: millis(1_000_000) })
    assert.equal(a.clock.now(), 1_000_000)
    await simulation.run(millis(1_000_250))
    assert.equal(simulation.clock.now(), 1_000_250)
    assert.equal(a.clock.monotonic(), 250)
    a.clock.after(millis(1), () => {})
    assert.equal(await simulation.step(), true)
    assert.equal(await simulation.step(), false)
    assert.equal(a.clock.monotonic(), 251)
  })

  it('says when work cannot finish, and what an event threw', async () => {
    const { simulation, a } = twoHosts()
    const isTimeout = (error: unknown) => isMixnetError(error, 'TIMEOUT')
    await assert.rejects(simulation.complete(new Promise(() => {})), isTimeout)
    await assert.rejects(simulation.complete(sleep(a.clock, millis(100)), millis(99)), isTimeout)
    const bug = new Error('bug')
    a.clock.after(millis(5), () => {
      throw bug
    })
    await assert.rejects(simulation.runFor(millis(10)), bug)
    const running = simulation.runFor(millis(10))
    await assert.rejects(simulation.runFor(millis(10)))
    await running
  })

  it('takes the time its links take', async () => {
    const shape = () => ({ latency: millis(30), bytesPerSecond: 100_000 })
    const { simulation, a, client, atServer } = await connected({ shape })
    // A round trip: twice the latency and twice 40 bytes.
    assert.equal(Math.round(a.clock.monotonic() * 1000), 60_800)
    const before = a.clock.monotonic()
    client.write([new Uint8Array(1000)])
    client.write([new Uint8Array(1000)])
    await simulation.complete(atServer.until(atLeast(2000)))
    assert.equal(Math.round(a.clock.monotonic() - before), 50)
  })

  it('keeps the order of a connection through jitter, and its bytes through segments', async () => {
    const shape = () => ({ latency: millis(1), jitter: millis(50), segmentBytes: 5 })
    const { simulation, a, client, atServer } = await connected({ shape })
    for (let i = 0; i < 200; i++) {
      client.write([Uint8Array.of(i), Uint8Array.of(i, i)])
      await simulation.complete(sleep(a.clock, millis(1)))
    }
    await simulation.complete(atServer.until(atLeast(600)))
    assert.deepEqual(
      bytesOf(atServer.items),
      Uint8Array.from({ length: 600 }, (_, i) => Math.floor(i / 3)),
    )
    assert.ok(atServer.items.some(({ length }) => length === 1 || length === 2))
  })

  it('loses whole chunks of lossy links, and losing draws nothing from the latency', async () => {
    const lossy = async (loss: number) => {
      const shape = () => ({ latency: millis(1), jitter: millis(1), loss })
      const { simulation, client, atServer } = await connected({ shape })
      const connectedAt = simulation.clock.monotonic()
      for (let i = 0; i < 4000; i++) client.write([new Uint8Array(10)])
      await simulation.runFor(seconds(1))
      assert.ok(atServer.items.every(({ length }) => length === 10))
      return { connectedAt, arrived: atServer.items.length }
    }
    const [none, some] = [await lossy(0), await lossy(0.25)]
    assert.equal(none.arrived, 4000)
    // Six standard deviations around 3000.
    assert.ok(Math.abs(some.arrived - 3000) < 6 * Math.sqrt(750))
    assert.equal(some.connectedAt, none.connectedAt)
  })
})

describe('simulation: crashes', { timeout: 20_000 }, () => {
  it('closes the connections of a crashed host at their other ends, after the way there', async () => {
    const { simulation, a, client, server, atClient, atServer } = await connected({
      shape: () => ({ latency: millis(20) }),
    })
    server.write([Uint8Array.of(1)])
    const before = a.clock.monotonic()
    simulation.crash('b')
    simulation.crash('b')
    server.write([Uint8Array.of(2)])
    const error = await simulation.complete(atClient.closed)
    assert.ok(isMixnetError(error, 'CONNECTION_CLOSED'))
    assert.equal(Math.round(a.clock.monotonic() - before), 20)
    assert.deepEqual(bytesOf(atClient.items), Uint8Array.of(1))
    client.write([Uint8Array.of(3)])
    await simulation.runFor(seconds(1))
    assert.deepEqual([atServer.closes(), atClient.closes(), atServer.items.length], [0, 1, 0])
    const refused = simulation.complete(a.net.connect({ host: 'b', port: 7, timeout }))
    await assert.rejects(refused, (thrown) => isMixnetError(thrown, 'CONNECTION_REFUSED'))
  })

  it('kills timers and promises, and makes a dead world inert', async () => {
    const { simulation, b } = twoHosts()
    const never = () => assert.fail('a dead process did something')
    const database = b.databases.open('db')
    b.clock.after(millis(1), never)
    b.clock.soon(never)
    b.files.write('half', Uint8Array.of(1)).then(never, never)
    b.net.connect({ host: 'a', port: 1, timeout }).then(never, never)
    b.net.request({ url: 'http://a/', timeout, maxBodyBytes: 1 }).then(never, never)
    simulation.crash('b')
    b.clock.after(millis(1), never)
    b.net.listen({ host: '0.0.0.0', port: 9 }, never).then(never, never)
    assert.throws(() => database.exec('SELECT 1'))
    assert.throws(() => b.databases.open('other'))
    await simulation.runFor(seconds(10))
    const again = simulation.restart('b')
    assert.equal(await simulation.complete(again.files.read('half')), undefined)
  })

  it('restarts with the files, databases and locks that a machine would have', async () => {
    const { simulation, b } = twoHosts()
    await simulation.complete(b.files.write('f', Uint8Array.of(7)))
    await simulation.complete(b.files.lock('lock'))
    const log = await simulation.complete(b.files.openAppend('log'))
    log.append(Uint8Array.of(1))
    const before = b.databases.open('db')
    before.exec('CREATE TABLE t (v); INSERT INTO t VALUES (1); BEGIN; INSERT INTO t VALUES (2)')
    const draws = b.random.stream('x').u32()
    const again = simulation.restart('b')
    assert.throws(() => log.append(Uint8Array.of(2)))
    assert.deepEqual(await simulation.complete(again.files.read('f')), Uint8Array.of(7))
    assert.deepEqual(await simulation.complete(again.files.read('log')), Uint8Array.of(1))
    await simulation.complete(again.files.lock('lock'))
    assert.deepEqual(again.databases.open('db').prepare('SELECT v FROM t').all(), [{ v: 1 }])
    assert.notEqual(again.random.stream('x').u32(), draws)
    await simulation.complete(again.net.listen({ host: '10.0.0.2', port: 7 }, () => {}))
  })
})

describe('simulation: partitions', { timeout: 20_000 }, () => {
  it('holds what is sent until the cut is mended, in order', async () => {
    const { simulation, a, client, atServer, atClient } = await connected()
    client.write([Uint8Array.of(1)])
    const mend = simulation.partition(['a'], ['b'])
    client.write([Uint8Array.of(2)])
    await simulation.runFor(seconds(2))
    client.write([Uint8Array.of(3)])
    const connecting = simulation.complete(a.net.connect({ host: 'b', port: 7, timeout: seconds(1) }))
    await assert.rejects(connecting, (error) => isMixnetError(error, 'TIMEOUT'))
    assert.deepEqual(atServer.items, [])
    mend()
    mend()
    client.write([Uint8Array.of(4)])
    await simulation.complete(atServer.until(atLeast(4)))
    assert.deepEqual(bytesOf(atServer.items), Uint8Array.of(1, 2, 3, 4))
    await simulation.runFor(seconds(120))
    assert.equal(atClient.closes(), 0)
  })

  it('loses connections that wait too long', async () => {
    const { simulation, a, client, atServer, atClient } = await connected()
    client.write([Uint8Array.of(1)])
    const mend = simulation.partition(['a'], ['b'])
    await simulation.runFor(seconds(61))
    for (const end of [atServer, atClient]) {
      assert.ok(isMixnetError(await end.closed, 'CONNECTION_CLOSED'))
      assert.equal(end.closes(), 1)
    }
    const late = simulation.complete(a.net.connect({ host: 'b', port: 7, timeout: seconds(1) }))
    await assert.rejects(late, (error) => isMixnetError(error, 'TIMEOUT'))
    mend()
    await simulation.runFor(seconds(1))
    assert.deepEqual(atServer.items, [])
    await simulation.complete(a.net.connect({ host: 'b', port: 7, timeout: seconds(1) }))
  })
})

describe('a host kept busy', () => {
  it('does everything later, in order, and can still cancel it', async () => {
    const { simulation, client, server, b, atServer } = await connected()
    const times: string[] = []
    const note = (what: string) => () => times.push(`${what} ${b.clock.monotonic() - startedAt}`)
    const startedAt = b.clock.monotonic()
    b.clock.after(millis(10), note('ten'))
    b.clock.after(millis(20), note('twenty'))
    const cancelled = b.clock.after(millis(30), note('thirty'))
    b.clock.after(millis(600), note('later'))
    simulation.stall('b', millis(500))
    client.write([Uint8Array.of(1)])
    await simulation.runFor(millis(400))
    assert.equal(bytesOf(atServer.items).length, 0)
    cancelled.cancel()
    await simulation.runFor(millis(300))
    assert.deepEqual(times, ['ten 500', 'twenty 500', 'later 600'])
    assert.deepEqual(bytesOf(atServer.items), Uint8Array.of(1))
    server.destroy()
  })
})
