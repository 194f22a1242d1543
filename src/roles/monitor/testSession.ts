/**
 * A session at one gateway, as a client without a program keeps it: the same login and payment, and the same two streams of packets by the
 * same sender. In an idle client all of them are loop cover; here they are tests, which look like it. @module
 */

import type { EntryParams } from '../../client/entryParams.ts'
import { EntrySelector } from '../../client/entrySelector.ts'
import { type ClientKeys, createClientKeys, forgetClientKeys, loadOrCreateClientKeys } from '../../client/keys.ts'
import { LaneQueue } from '../../client/laneQueue.ts'
import { type Outgoing, Sender } from '../../client/sender.ts'
import type { TicketSource } from '../../client/ticketSource.ts'
import type { TrafficParams } from '../../client/trafficParams.ts'
import { toBase58 } from '../../foundation/base/base58.ts'
import { isMixnetError, tryDecode } from '../../foundation/base/errors.ts'
import { type Log, Meter } from '../../foundation/base/observe.ts'
import type { Millis } from '../../foundation/base/units.ts'
import type { ClientWorld } from '../../foundation/platform/world.ts'
import type { TopologyProvider } from '../../network/topology/topologyProvider.ts'
import { decodeAck } from '../../protocol/packet/acks.ts'
import type { MixnetPacket } from '../../protocol/packet/prepare.ts'
import { classifyPushed } from '../../protocol/packet/pushed.ts'
import type { Recipient } from '../../protocol/packet/recipient.ts'
import { VARIANT_BYTES } from '../../protocol/packet/sizes.ts'
import { Dues } from './dues.ts'

export interface TestSessionOptions {
  /** Of this process. */
  readonly number: number
  readonly gateway: { readonly nodeId: number; readonly identity: Uint8Array }
  readonly topology: TopologyProvider
  readonly traffic: TrafficParams
  readonly entry?: EntryParams | undefined
  /** What it pays with, as a client does; without, gateways that want to be paid are beyond our reach. */
  readonly tickets?: TicketSource | undefined
  /**
   * Where it is kept between starts, as a client keeps itself: what its last ticket is still worth is its own at the next. Default: it ends
   * with the process.
   */
  readonly folder?: string | undefined
  /** The next packet; undefined where there is no route. */
  readonly prepare: (session: TestSession) => MixnetPacket | undefined
  /** What `prepare` gave has left, or it has not. */
  readonly transmitted: (packet: MixnetPacket) => void
  readonly arrived: (session: TestSession, pushed: Uint8Array) => void
  readonly acknowledged: (session: TestSession, number: number) => void
  readonly log: Log
}

export class TestSession {
  readonly number: number
  readonly nodeId: number
  readonly keys: ClientKeys
  readonly #link: EntrySelector
  readonly #dues: Dues
  readonly #sender: Sender
  readonly #clock: ClientWorld['clock']
  readonly #folder: string | undefined
  #downSince: Millis | undefined

  private constructor(
    world: ClientWorld,
    options: TestSessionOptions,
    { keys, link, dues }: { readonly keys: ClientKeys; readonly link: EntrySelector; readonly dues: Dues },
  ) {
    const { clock, random } = world
    this.number = options.number
    this.nodeId = options.gateway.nodeId
    this.#folder = options.folder
    this.keys = keys
    this.#link = link
    this.#dues = dues
    this.#clock = clock
    this.#downSince = clock.monotonic()
    this.#sender = new Sender({
      clock,
      random,
      params: options.traffic,
      lanes: new LaneQueue<Outgoing>(random.stream('lane'), 0),
      transmit: (packet) => {
        const taken = link.send({ rotation: packet.rotation, nextHop: packet.firstHop, packet: packet.packet })
        if (taken) options.transmitted(packet)
        return taken
      },
      canTransmit: () => link.isOpen,
      prepareCover: () => options.prepare(this),
      unacknowledged: () => 0,
      // Of one session among many: their sums are the monitor's.
      meter: new Meter(),
    })
  }

  /** Connects and begins to send. Goes on trying where the gateway does not let it in. */
  static async open(world: ClientWorld, options: TestSessionOptions): Promise<TestSession> {
    const { gateway, topology, entry, log, tickets, folder } = options
    const keys = await keysIn(world, folder)
    const dues = new Dues(world.clock, tickets)
    const link = await EntrySelector.create(world, {
      identitySeed: keys.identitySeed,
      folder,
      topology,
      gateway: toBase58(gateway.identity),
      params: entry,
      tickets: dues.tickets,
      meter: new Meter(),
      log,
    })
    const session = new TestSession(world, options, { keys, link, dues })
    link.attach({
      pushed: (plaintext) => session.#pushed(world, options, plaintext),
      opened: () => {
        session.#downSince = undefined
        dues.settled()
      },
      lost: () => {
        session.#downSince ??= world.clock.monotonic()
      },
    })
    session.#sender.start()
    return session
  }

  get isOpen(): boolean {
    return this.#link.isOpen
  }

  /** How long it has not been open; 0 while it is. */
  get downFor(): number {
    return this.#downSince === undefined || this.isOpen ? 0 : this.#clock.monotonic() - this.#downSince
  }

  /** It is we who have no ticket for the gateway. */
  get isUnpaid(): boolean {
    return !this.isOpen && this.#dues.outstanding
  }

  get address(): Recipient {
    const { identity, encryptionKey } = this.keys
    return { identity, encryptionKey, gateway: this.#link.gateway }
  }

  async close(): Promise<void> {
    this.#sender.stop()
    await this.#link.close()
  }

  /** For good: the next one at that gateway is a stranger to it. */
  async end({ files }: Pick<ClientWorld, 'files'>): Promise<void> {
    await this.close()
    if (this.#folder !== undefined) await forget(files, this.#folder)
  }

  #pushed({ crypto }: ClientWorld, options: TestSessionOptions, plaintext: Uint8Array): void {
    if (classifyPushed(plaintext) === 'ack') {
      const id = tryDecode(() => decodeAck(crypto, this.keys.ackKey.expose(), plaintext))
      if (!isMixnetError(id) && id !== 'cover') options.acknowledged(this, id.setId)
    } else if (plaintext.length >= VARIANT_BYTES) options.arrived(this, plaintext)
  }
}

/** Keys that cannot be read are worth a ticket, and no gateway is to go unmeasured for them. */
async function keysIn({ crypto, random, files }: ClientWorld, folder: string | undefined): Promise<ClientKeys> {
  const stream = random.stream('client-keys')
  if (folder === undefined) return createClientKeys(crypto, stream)
  try {
    return await loadOrCreateClientKeys(crypto, stream, files, folder)
  } catch (error) {
    if (!isMixnetError(error, 'KEY_FILE_UNREADABLE')) throw error
    await forget(files, folder)
    return await loadOrCreateClientKeys(crypto, stream, files, folder)
  }
}

async function forget(files: ClientWorld['files'], folder: string): Promise<void> {
  await forgetClientKeys(files, folder)
  const shared = `${folder}/shared-keys`
  for (const name of await files.list(shared)) await files.remove(`${shared}/${name}`)
}
