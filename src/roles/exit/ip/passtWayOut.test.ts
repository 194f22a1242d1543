import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { describe, test } from 'node:test'
import { isMixnetError, type MixnetError } from '../../../foundation/base/errors.ts'
import { parseIp } from '../../../foundation/base/ipAddress.ts'
import { nodeClock } from '../../../foundation/platform/node/nodeClock.ts'
import { nodeProcesses } from '../../../foundation/platform/node/nodeProcesses.ts'
import { nodeRandom } from '../../../foundation/platform/node/nodeRandom.ts'
import { buildUdp } from '../../../protocol/wire/ip/buildPacket.ts'
import { type IpPacket, PROTOCOL, readIpPacket } from '../../../protocol/wire/ip/ipPacket.ts'
import { NO_PASST, OWN_ADDRESS } from './passtSupport.test.ts'
import { openPasst } from './passtWayOut.ts'

const IPS = { ipv4: Uint8Array.of(10, 0, 7, 7), ipv6: Uint8Array.of(0xfc, ...new Array(13).fill(0), 7, 7) }
const OTHER = { ipv4: Uint8Array.of(10, 0, 7, 8), ipv6: Uint8Array.of(0xfc, ...new Array(13).fill(0), 7, 8) }
const DEADLINE = 10_000
const signal = new AbortController().signal
const given = {
  clock: nodeClock,
  random: nodeRandom.stream('ports'),
}

/** Rejects when it takes too long. */
const soon = <T>(what: string, work: Promise<T>): Promise<T> =>
  Promise.race([
    work,
    new Promise<never>((_, reject) => setTimeout(() => reject(new Error(`waited for ${what}`)), DEADLINE).unref()),
  ])

/** A queue of what comes back. */
class Inbox {
  readonly packets: IpPacket[] = []
  #wake = () => {}
  take = (bytes: Uint8Array): void => {
    const packet = readIpPacket(bytes)
    if ('fault' in packet) return
    this.packets.push(packet)
    this.#wake()
  }
  async next(wanted: (packet: IpPacket) => boolean): Promise<IpPacket> {
    for (;;) {
      const at = this.packets.findIndex(wanted)
      if (at >= 0) return this.packets.splice(at, 1)[0] as IpPacket
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}

test('who gives up before a program is started for it hears ABORTED', async () => {
  const ended = Promise.resolve({ code: 0, signal: undefined, asked: false })
  const started: (readonly string[])[] = []
  const engine = await openPasst({
    ...given,
    processes: {
      async start({ args }) {
        started.push(args)
        return { channel: undefined, output: () => '', ended, stop: () => ended }
      },
    },
  })
  const options = { ips: IPS, received: () => assert.fail(), lost: assert.fail }
  const opening = engine.open(options, AbortSignal.abort())
  await assert.rejects(opening, (error) => isMixnetError(error, 'ABORTED'))
  assert.deepEqual(started, [['--version']])
})

describe('the way out through passt', { skip: NO_PASST, timeout: 60_000 }, () => {
  test('a datagram reaches a server on this machine, and its answer comes back', async () => {
    const echo = createSocket('udp4', (data, from) => echo.send(data, from.port, from.address))
    await new Promise<void>((resolve) => echo.bind(0, OWN_ADDRESS, resolve))
    const engine = await openPasst({ ...given, processes: nodeProcesses })
    const inbox = new Inbox()
    try {
      const way = await engine.open({ ips: IPS, received: inbox.take, lost: assert.fail }, signal)
      const addresses = { source: IPS.ipv4, destination: parseIp(OWN_ADDRESS) as Uint8Array }
      const ports = { sourcePort: 5000, destinationPort: echo.address().port }
      assert.ok(way.send(buildUdp(addresses, ports, Uint8Array.of(1, 2, 3))))
      const back = await soon(
        'echo',
        inbox.next(({ protocol }) => protocol === PROTOCOL.udp),
      )
      assert.deepEqual([...back.payload.subarray(8)], [1, 2, 3])
      assert.equal(back.destinationPort, 5000)
    } finally {
      await engine.close()
      echo.close()
    }
  })

  test('two clients with the same port are answered each, and a stranger that guesses the port reaches neither', async () => {
    const senders: number[] = []
    const echo = createSocket('udp4', (data, from) => {
      senders.push(from.port)
      echo.send(data, from.port, from.address)
    })
    await new Promise<void>((resolve) => echo.bind(0, OWN_ADDRESS, resolve))
    const stranger = createSocket('udp4')
    const engine = await openPasst({ ...given, processes: nodeProcesses })
    const [one, two] = [new Inbox(), new Inbox()]
    const destination = parseIp(OWN_ADDRESS) as Uint8Array
    const ports = { sourcePort: 5000, destinationPort: echo.address().port }
    const isUdp = ({ protocol }: IpPacket) => protocol === PROTOCOL.udp
    try {
      const first = await engine.open({ ips: IPS, received: one.take, lost: assert.fail }, signal)
      const second = await engine.open({ ips: OTHER, received: two.take, lost: assert.fail }, signal)
      // The second binds last: what comes for a port of both is its.
      for (const data of [1, 2, 3]) {
        for (const [way, { ipv4: source }, inbox] of [
          [first, IPS, one],
          [second, OTHER, two],
        ] as const) {
          way.send(buildUdp({ source, destination }, ports, Uint8Array.of(data, source[3] as number)))
          const back = await soon('its own answer', inbox.next(isUdp))
          assert.deepEqual([...back.payload.subarray(8)], [data, source[3]])
          assert.equal(back.destinationPort, 5000)
        }
      }
      for (const port of new Set([5000, ...senders])) stranger.send('hello', port, OWN_ADDRESS)
      // Behind what the stranger sent.
      first.send(buildUdp({ source: IPS.ipv4, destination }, ports, Uint8Array.of(9)))
      assert.deepEqual([...(await soon('the last', one.next(isUdp))).payload.subarray(8)], [9])
      assert.deepEqual([...one.packets, ...two.packets], [])
      assert.equal(new Set(senders).size, 2)
    } finally {
      await engine.close()
      echo.close()
      stranger.close()
    }
  })

  test('a process that is killed ends its own way, and no other', async () => {
    const started: { stop(grace: number): Promise<unknown> }[] = []
    const processes = {
      start: async (options: Parameters<typeof nodeProcesses.start>[0]) => {
        const child = await nodeProcesses.start(options)
        started.push(child as never)
        return child
      },
    }
    const engine = await openPasst({ ...given, processes })
    const lost = Promise.withResolvers<MixnetError>()
    try {
      await engine.open({ ips: IPS, received() {}, lost: lost.resolve }, signal)
      const other = await engine.open({ ips: OTHER, received() {}, lost: assert.fail }, signal)
      // The first only said its version.
      await started[1]?.stop(0)
      assert.equal((await soon('the loss', lost.promise)).code, 'ENGINE_FAILED')
      assert.ok(
        other.send(
          buildUdp(
            { source: OTHER.ipv4, destination: Uint8Array.of(10, 0, 0, 1) },
            { sourcePort: 1, destinationPort: 2 },
            new Uint8Array(1),
          ),
        ),
      )
    } finally {
      await engine.close()
    }
  })
})

test('without the program it says what to install', async () => {
  await assert.rejects(openPasst({ ...given, processes: nodeProcesses, program: '/nowhere/passt' }), {
    code: 'ENGINE_UNAVAILABLE',
    nextStep: /apt install passt/,
  })
})
