/** For tests: an exit in this process, with real sockets behind it and a mixnet in between that reorders. @module */
import assert from 'node:assert/strict'
import { MixnetError } from '../foundation/base/errors.ts'
import { seconds } from '../foundation/base/units.ts'
import type { Clock } from '../foundation/platform/clock.ts'
import { turn } from '../foundation/platform/handClock.ts'
import type { Connection, Endpoint } from '../foundation/platform/net.ts'
import { nodeNet } from '../foundation/platform/node/nodeNet.ts'
import type { Destination, Dialer } from './dialer.ts'
import { ExitStream, type ExitStreamParams } from './exitStream.ts'
import { OrderedBuffer } from './orderedBuffer.ts'
import { chooser, PARAMS, type SentMessage } from './streamSupport.test.ts'

export type Route = Endpoint | 'refused' | 'unknown' | 'unreachable' | 'silent'

export class BridgeExit implements Dialer {
  readonly destinations: Destination[] = []
  /** As they came, one for each destination. */
  readonly isolations: (string | undefined)[] = []
  readonly connections: Set<Connection> = new Set()
  readonly streams: Set<ExitStream> = new Set()
  readonly #clock: Clock
  readonly #route: (destination: Destination) => Route
  readonly #choose = chooser(7)
  readonly #params: ExitStreamParams
  #onItsWay: (() => void)[] = []

  constructor(clock: Clock, route: (destination: Destination) => Route, params: ExitStreamParams = PARAMS) {
    this.#clock = clock
    this.#route = route
    this.#params = params
  }

  open(destination: Destination, isolation?: string): ExitStream {
    this.destinations.push(destination)
    this.isolations.push(isolation)
    let connection: Connection | undefined
    const toConnection: SentMessage[] = []
    const inbound = new OrderedBuffer({ maxAhead: 1000, maxBytes: 4 << 20 })
    let outSequence = 0n
    let outClosed = false
    let inClosed = false
    const answer = (data: Uint8Array, closed: boolean): void => {
      if (outClosed) return
      outClosed = closed
      const message = { sequence: outSequence++, closed, data: data.slice() }
      this.#travel(() => stream.receive(message))
    }
    const forward = (message: SentMessage): void => {
      if (connection === undefined) {
        toConnection.push(message)
        return
      }
      if (inClosed && message.closed) return connection.destroy()
      const result = inbound.push(message.sequence, message.data, message.closed)
      assert.notEqual(result.kind, 'overflow')
      if (result.kind !== 'deliver') return
      if (result.data.length > 0) connection.write(result.data)
      if (result.closed) {
        inClosed = true
        connection.end()
      }
    }
    const connect = async (): Promise<void> => {
      const route = this.#route(destination)
      if (route === 'silent') return
      if (route === 'refused') return stream.fail(new MixnetError('EXIT_REFUSED'))
      if (route === 'unknown') return stream.fail(new MixnetError('HOST_UNKNOWN'))
      if (route === 'unreachable') return answer(new Uint8Array(0), true)
      const made = await nodeNet.connect({ ...route, timeout: seconds(2) }).catch(() => undefined)
      if (made === undefined) return answer(new Uint8Array(0), true)
      connection = made
      this.connections.add(made)
      answer(new Uint8Array(0), false)
      made.attach({
        data: (chunk) => {
          for (let offset = 0; offset < chunk.length; ) {
            const length = 1 + this.#choose(8000)
            answer(chunk.subarray(offset, offset + length), false)
            offset += length
          }
        },
        end: () => answer(new Uint8Array(0), true),
        close: () => {
          this.connections.delete(made)
          answer(new Uint8Array(0), true)
        },
      })
      for (const message of toConnection) forward(message)
    }
    const stream: ExitStream = new ExitStream({
      clock: this.#clock,
      connectionId: BigInt(this.destinations.length),
      params: this.#params,
      memory: { bytes: 0, limit: 1 << 30 },
      messageBytes: 7000,
      connect: async (signal) => {
        if (signal.aborted) throw new MixnetError('ABORTED')
        this.#travel(() => void connect())
      },
      send: async (message, signal) => {
        await turn()
        if (signal.aborted) throw new MixnetError('ABORTED')
        const copy = { ...message, data: message.data.slice() }
        this.#travel(() => forward(copy))
      },
      finished: () => this.streams.delete(stream),
    })
    this.streams.add(stream)
    return stream
  }

  /** Arrives in a later turn, in any order with what is on its way then. */
  #travel(arrive: () => void): void {
    this.#onItsWay.push(arrive)
    setImmediate(() => {
      const [next] = this.#onItsWay.splice(this.#choose(this.#onItsWay.length), 1)
      next?.()
    })
  }
}
