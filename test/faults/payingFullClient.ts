/** A whole client of a network that is paid for: fetches through the exit, again and again. @module */

import { ticketFolder } from '../../src/client/credentials/openTickets.ts'
import { type OpenClient, openClient } from '../../src/client/openClient.ts'
import { DEFAULT_TRAFFIC } from '../../src/client/trafficParams.ts'
import { concat, equalBytes } from '../../src/foundation/base/bytes.ts'
import type { Secret } from '../../src/foundation/base/secret.ts'
import { type Millis, seconds } from '../../src/foundation/base/units.ts'
import { sleep } from '../../src/foundation/platform/clock.ts'
import { encodeRequest, pattern, SITE_PORT } from '../../src/lab/simulator/sites.ts'
import { ENTRY, PayingClient, scaledSource, watchedEngine } from './payingClient.ts'
import { type PayingNetwork, SITE } from './payingNetwork.ts'

const BYTES = 20_000
const EVERY: Millis = seconds(4)
const PATIENCE: Millis = seconds(15)

export class FullClient extends PayingClient {
  readonly #network: PayingNetwork
  #ended = false
  #opened: OpenClient | undefined
  done = 0
  failed = 0

  constructor(network: PayingNetwork, index: number) {
    super(network, { number: 900 + index, every: EVERY, marked: false })
    this.#network = network
  }

  begin(): void {
    void this.#run()
  }

  async end(): Promise<void> {
    this.#ended = true
    await this.#network.runFor(seconds(30))
  }

  async #run(): Promise<void> {
    const network = this.#network
    const world = network.worldOf(this.name)
    while (this.#opened === undefined && !this.#ended) {
      // Somebody may be away right now.
      this.#opened = await this.#open().catch(() => undefined)
      await sleep(world.clock, seconds(1))
    }
    while (!this.#ended) {
      await this.#download(this.#opened as OpenClient).then(
        () => this.done++,
        () => this.failed++,
      )
      await sleep(world.clock, EVERY)
    }
  }

  #open(): Promise<OpenClient> {
    const network = this.#network
    const world = network.worldOf(this.name)
    const options = {
      directories: [network.testnet.directoryUrl],
      folder: 'client',
      entry: ENTRY,
      traffic: { ...DEFAULT_TRAFFIC, mainStreamInterval: undefined, loopCoverInterval: undefined },
      meter: this.meter,
      onEvent: ({ type }: { readonly type: string }) => {
        if (type === 'lost') this.sessions++
      },
    }
    this.sessions++
    const engine = async () => watchedEngine(network.engine, (serial) => void this.made.set(serial, this.sessions))
    const paying = ticketFolder(world, { ...options, tickets: { buy: 'faucet' }, engine })
    const open: typeof paying.open = async (outside, choice) => {
      const place = await paying.open(outside, choice)
      const tickets = async (seed: Secret) => {
        this.identitySeed = seed
        return scaledSource(await (place.tickets as NonNullable<typeof place.tickets>)(seed))
      }
      return { ...place, tickets }
    }
    return openClient(world, { ...options, open })
  }

  #download({ connections }: OpenClient): Promise<void> {
    const id = this.plan.number * 1000 + this.done + this.failed
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const stream = connections.open({ host: SITE, port: SITE_PORT })
    const chunks: Uint8Array[] = []
    stream.attach({
      data: (chunk) => void chunks.push(chunk),
      end: () => stream.end(),
      close: (error) => {
        if (error !== undefined) return reject(error)
        if (equalBytes(concat(...chunks), pattern(id, BYTES))) resolve()
        else reject(new Error('the answer is damaged'))
      },
    })
    stream.write(encodeRequest({ id, bytes: BYTES })).catch(reject)
    // An exit that was killed knows nothing of it, and who waits for an answer hears of that only after minutes.
    const late = this.#network.worldOf(this.name).clock.after(PATIENCE, () => stream.destroy())
    return promise.finally(() => late.cancel())
  }
}
