/**
 * What the clients of a simulated network do: send each other messages, with their address or under a pseudonym that gets an
 * answer, and ask sites behind the exits for data. Keeps account of everything: what is on its way, what arrived, and whatever
 * arrived twice, damaged or at the wrong client. @module
 */

import type { Mixnet } from '../../client/mixnet.ts'
import type { ReceivedMessage } from '../../client/mixnetClient.ts'
import { concat, equalBytes } from '../../foundation/base/bytes.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { type Millis, millis } from '../../foundation/base/units.ts'
import { below, exponential, type RandomStream } from '../../foundation/platform/random.ts'
import type { Simulation } from '../../foundation/platform/simulated/simulation.ts'
import { encodeRequest, pattern, SITE_PORT } from './sites.ts'

export interface WorkloadParams {
  /** Mean time between two messages of one client, and between two requests. */
  readonly messageInterval: Millis
  readonly requestInterval: Millis
  /** Sizes are drawn uniformly up to these. */
  readonly maxMessageBytes: number
  readonly maxAnswerBytes: number
  /** Share of messages that are sent under a pseudonym, and answered. */
  readonly anonymousShare: number
}

export const DEFAULT_WORKLOAD: WorkloadParams = {
  messageInterval: millis(2000),
  requestInterval: millis(8000),
  maxMessageBytes: 4000,
  maxAnswerBytes: 30_000,
  anonymousShare: 0.5,
}

export type ItemKind = 'message' | 'reply' | 'request'

interface Item {
  readonly id: number
  readonly kind: ItemKind
  readonly bytes: number
  /** Index of the client where it has to arrive. */
  readonly to: number
  readonly sentAt: Millis
  arrived: boolean
}

const ID_BYTES = 4

export class Workload {
  readonly #simulation: Simulation
  readonly #params: WorkloadParams
  readonly #clients: readonly Mixnet[]
  readonly #sites: readonly string[]
  readonly #items: Item[] = []
  readonly #latencies: number[] = []
  /** What must not happen, in words. */
  readonly failures: string[] = []
  #arrived = 0
  #sending = true
  #onIdle: (() => void) | undefined

  /** The clients' messages must be handed to `received`. */
  constructor(
    simulation: Simulation,
    { params, clients, sites }: { params: WorkloadParams; clients: readonly Mixnet[]; sites: readonly string[] },
  ) {
    this.#simulation = simulation
    this.#params = params
    this.#clients = clients
    this.#sites = sites
  }

  start(): void {
    this.#clients.forEach((_, from) => {
      const { messageInterval, requestInterval } = this.#params
      const random = this.#simulation.random.stream(`workload of client ${from}`)
      this.#repeat(random, messageInterval, () => this.#sendMessage(from, random))
      this.#repeat(random, requestInterval, () => this.#request(from, random))
    })
  }

  /** Sends nothing new from now on; resolves when everything has arrived. Answers are still given. */
  finish(): Promise<void> {
    this.#sending = false
    return new Promise((resolve) => {
      this.#onIdle = resolve
      this.#checkIdle()
    })
  }

  /** A message that client `at` was handed. */
  received(at: number, { data, sender }: ReceivedMessage): void {
    const id = data.length < ID_BYTES ? -1 : view(data).getUint32(0)
    const item = this.#items[id]
    if (item === undefined || item.kind === 'request') {
      this.failures.push(`client ${at} got ${data.length} bytes nobody sent`)
      return
    }
    if (item.to !== at) this.failures.push(`${nameOf(item)} arrived at client ${at}`)
    if (!equalBytes(data.subarray(ID_BYTES), pattern(id, item.bytes))) this.failures.push(`${nameOf(item)} is damaged`)
    this.#arrive(item)
    if (sender !== undefined && item.kind === 'message') this.#reply(at, sender, item)
  }

  count(kind: ItemKind): number {
    return this.#items.filter((item) => item.kind === kind).length
  }

  get missing(): readonly string[] {
    return this.#items.filter(({ arrived }) => !arrived).map(nameOf)
  }

  /** From sending to the last byte, over everything that arrived. */
  get meanLatencyMs(): number {
    return this.#latencies.reduce((sum, latency) => sum + latency, 0) / this.#latencies.length
  }

  #repeat(random: RandomStream, interval: Millis, run: () => void): void {
    this.#simulation.clock.after(millis(exponential(random, interval)), () => {
      if (!this.#sending) return
      run()
      this.#repeat(random, interval, run)
    })
  }

  #sendMessage(from: number, random: RandomStream): void {
    const to = (from + 1 + below(random, this.#clients.length - 1)) % this.#clients.length
    const anonymous = random.uniform() < this.#params.anonymousShare
    const item = this.#newItem('message', to, below(random, this.#params.maxMessageBytes))
    const { address } = this.#clients[to] as Mixnet
    this.#clientOf(from)
      .send({ to: address, data: contentsOf(item), anonymous })
      .catch((error: unknown) => this.#failed(item, error))
    // Before the answer's item, so that the numbers of items do not depend on what arrives when.
    if (anonymous) this.#newItem('reply', from, below(random, this.#params.maxMessageBytes))
  }

  #reply(at: number, sender: string, { id }: Item): void {
    const item = this.#items[id + 1] as Item
    this.#clientOf(at)
      .reply({ to: sender, data: contentsOf(item) })
      .catch((error: unknown) => this.#failed(item, error))
  }

  #request(from: number, random: RandomStream): void {
    const host = this.#sites[below(random, this.#sites.length)] as string
    const item = this.#newItem('request', from, below(random, this.#params.maxAnswerBytes))
    const stream = (this.#clients[from] as Mixnet).connections.open({ host, port: SITE_PORT })
    const chunks: Uint8Array[] = []
    stream.attach({
      data: (chunk) => void chunks.push(chunk),
      end: () => stream.end(),
      close: (error) => {
        if (error !== undefined) return this.#failed(item, error)
        const answer = concat(...chunks)
        if (!equalBytes(answer, pattern(item.id, item.bytes))) this.failures.push(`${nameOf(item)} has a wrong answer`)
        this.#arrive(item)
      },
    })
    stream.write(encodeRequest(item)).catch((error: unknown) => this.#failed(item, error))
  }

  #newItem(kind: ItemKind, to: number, bytes: number): Item {
    const item: Item = {
      id: this.#items.length,
      kind,
      bytes,
      to,
      sentAt: this.#simulation.clock.monotonic(),
      arrived: false,
    }
    this.#items.push(item)
    return item
  }

  #arrive(item: Item): void {
    if (item.arrived) {
      this.failures.push(`${nameOf(item)} arrived twice`)
      return
    }
    item.arrived = true
    this.#arrived++
    this.#latencies.push(this.#simulation.clock.monotonic() - item.sentAt)
    this.#simulation.note('arrived', item.kind, item.id)
    this.#checkIdle()
  }

  #failed(item: Item, error: unknown): void {
    this.failures.push(`${nameOf(item)} failed: ${isMixnetError(error) ? error.code : String(error)}`)
  }

  #checkIdle(): void {
    if (this.#arrived === this.#items.length) this.#onIdle?.()
  }

  #clientOf(index: number): Mixnet['client'] {
    return (this.#clients[index] as Mixnet).client
  }
}

function contentsOf({ id, bytes }: Item): Uint8Array {
  const contents = new Uint8Array(ID_BYTES + bytes)
  view(contents).setUint32(0, id)
  contents.set(pattern(id, bytes), ID_BYTES)
  return contents
}

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
const nameOf = ({ kind, id, to, bytes }: Item): string => `${kind} ${id} (${bytes} bytes, for client ${to})`
