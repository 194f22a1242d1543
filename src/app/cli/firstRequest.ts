/** The first anonymous request of `starling up`: made, and its packet watched on the way. @module */
import { explainFetchError } from '../../client/fetchErrors.ts'
import type { Mixnet } from '../../client/mixnet.ts'
import type { PacketEvent, PacketHop } from '../../client/packetEvents.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { type Millis, seconds } from '../../foundation/base/units.ts'
import { withDeadline } from '../../foundation/platform/clock.ts'
import type { FragmentId } from '../../protocol/packet/acks.ts'
import { DEMO_HOST, type DemoSite } from '../testnet/demoSite.ts'
import type { Testnet } from '../testnet/testnet.ts'
import { requestLines } from './requestText.ts'
import type { Session } from './session.ts'

const LIMIT = seconds(10)
// The ack has a way of its own and may come after the answer.
const ACK_LIMIT = seconds(2)

interface SentPacket {
  readonly id: FragmentId
  readonly hops: readonly PacketHop[]
  readonly at: Millis
}

export interface WatchedPacket extends SentPacket {
  /** May never resolve. */
  readonly acknowledged: Promise<Millis>
}

/** Notes the packets of the one request: connections are the only lanes that carry it, and there is one. */
export class RequestWatch {
  readonly #now: () => Millis
  readonly #acknowledged = new Map<string, { readonly at: Promise<Millis>; readonly resolve: (at: Millis) => void }>()
  #last: SentPacket | undefined
  #watching = false

  constructor(now: () => Millis) {
    this.#now = now
  }

  readonly onPacket = (event: PacketEvent): void => {
    if (!this.#watching) return
    if (event.type === 'acknowledged') return this.#acknowledged.get(keyOf(event.id))?.resolve(this.#now())
    if (!event.lane.startsWith('connection:')) return
    const { promise, resolve } = Promise.withResolvers<Millis>()
    this.#acknowledged.set(keyOf(event.id), { at: promise, resolve })
    this.#last = { id: event.id, hops: event.hops, at: this.#now() }
  }

  start(): void {
    this.#watching = true
  }

  /** The packet that brought the request to the exit: the last one sent before the answer. */
  answered(): WatchedPacket | undefined {
    const last = this.#last
    return last && { ...last, acknowledged: this.#acknowledged.get(keyOf(last.id))?.at as Promise<Millis> }
  }

  stop(): void {
    this.#watching = false
    this.#acknowledged.clear()
  }
}

const keyOf = ({ setId, position }: FragmentId): string => `${setId}/${position}`

export interface FirstRequestParts {
  readonly mixnet: Mixnet
  readonly network: Testnet
  readonly site: DemoSite
  readonly watch: RequestWatch
  readonly entry: string
}

/** Throws what went wrong. */
export async function firstRequest(session: Session, parts: FirstRequestParts): Promise<void> {
  const { world, screen, interrupted } = session
  const { mixnet, network, site, watch, entry } = parts
  const { clock } = world
  const url = `http://${DEMO_HOST}/`
  const started = clock.monotonic()
  watch.start()
  try {
    const response = await mixnet.fetch(url, { timeout: LIMIT, signal: interrupted }).catch((error: unknown) => {
      throw interrupted.aborted ? new MixnetError('ABORTED') : explainFetchError(error)
    })
    const firstByteMs = clock.monotonic() - started
    const packet = watch.answered()
    const body = await response.text()
    const doneMs = clock.monotonic() - started
    if (!response.ok) throw new MixnetError('DESTINATION_UNREACHABLE', { status: response.status })
    const route = (packet?.hops ?? []).map(({ address, hold }) => ({
      name: network.nameOf(address.ip, address.port) ?? address.ip,
      holdMs: hold === undefined ? undefined : Math.round(hold),
    }))
    const acknowledgedAt = packet && (await arrival(session, packet.acknowledged))
    const stages = {
      sentMs: packet && Math.round(packet.at - started),
      acknowledgedMs: acknowledgedAt === undefined ? undefined : Math.round(acknowledgedAt - started),
      firstByteMs: Math.round(firstByteMs),
      doneMs: Math.round(doneMs),
    }
    const siteSaw = site.lastVisit()?.address ?? '?'
    screen.line(`\n${screen.bold('First anonymous request')}   GET ${url}   ${stages.doneMs} ms`, {
      event: 'first-request',
      url,
      status: response.status,
      bytes: body.length,
      entry,
      route,
      ...stages,
      siteSaw,
    })
    for (const line of requestLines({ entry, route, stages, siteSaw })) screen.line(line)
  } finally {
    watch.stop()
  }
}

async function arrival({ world, interrupted }: Session, at: Promise<Millis>): Promise<Millis | undefined> {
  if (interrupted.aborted) return undefined
  try {
    return await withDeadline(world.clock, ACK_LIMIT, 'ack', at)
  } catch (error) {
    if (isMixnetError(error, 'TIMEOUT')) return undefined
    throw error
  }
}
