/**
 * Streams to the outside world through network requesters, over one client: opens them, hands each message to its stream.
 * Format: docs/spec/exit.md. @module
 */
import { isMixnetError, MixnetError, tryDecode } from '../foundation/base/errors.ts'
import { minutes, seconds } from '../foundation/base/units.ts'
import type { World } from '../foundation/platform/world.ts'
import type { Recipient } from '../protocol/packet/recipient.ts'
import { fragmentBytes } from '../protocol/packet/sizes.ts'
import { classifyConnectionError } from '../protocol/wire/exit/connectionErrors.ts'
import {
  CURRENT_VERSION,
  decodeInterfaceResponse,
  encodeInterfaceRequest,
} from '../protocol/wire/exit/interfaceEnvelope.ts'
import {
  decodeSocks5Response,
  encodeSocks5Request,
  type Socks5RequestBody,
} from '../protocol/wire/exit/socks5Messages.ts'
import { ExitStream, type ExitStreamParams } from './exitStream.ts'
import type { Lane } from './laneQueue.ts'
import type { MixnetClient, ReceivedMessage } from './mixnetClient.ts'
import { PACKET_SIZE } from './packetFactory.ts'

export const DEFAULT_EXIT_STREAM: ExitStreamParams = {
  openTimeout: seconds(30),
  idleTimeout: minutes(5),
  maxAhead: 1000,
  maxHeldBytes: 8 * 1024 * 1024,
  maxPausedBytes: 16 * 1024 * 1024,
}

export interface ExitConnectionsOptions {
  readonly client: MixnetClient
  readonly exit: Recipient
  /** True: the exit gets reply SURBs and a pseudonym. False: our address, which is faster and tells the exit who we are. */
  readonly anonymous: boolean
  readonly params?: ExitStreamParams
  readonly maxConnections?: number
}

export interface Destination {
  /** A name is resolved at the exit. */
  readonly host: string
  readonly port: number
}

const MAX_CONNECTIONS = 1_000
// Packets per message: one lost packet holds up its message only, and headers stay under one percent.
const PACKETS_PER_MESSAGE = 4
// Fragment headers, message kind, pseudonym and SURB prefix, envelope and stream header, and the byte that ends the message.
const MESSAGE_OVERHEAD_BYTES = PACKETS_PER_MESSAGE * 7 + 1 + 21 + 2 + 19 + 1

export class ExitConnections {
  readonly #world: World
  readonly #options: ExitConnectionsOptions
  readonly #streams = new Map<bigint, ExitStream>()

  constructor(world: World, options: ExitConnectionsOptions) {
    this.#world = world
    this.#options = options
    if (options.anonymous) options.client.supply(options.exit)
    options.client.onMessage((message) => this.#received(message))
  }

  get count(): number {
    return this.#streams.size
  }

  /** Returns at once: data written goes right behind the connect. Throws QUEUE_FULL above the connection limit. */
  open({ host, port }: Destination): ExitStream {
    const { client, anonymous, params = DEFAULT_EXIT_STREAM, maxConnections = MAX_CONNECTIONS } = this.#options
    if (this.#streams.size >= maxConnections) throw new MixnetError('QUEUE_FULL', { connections: this.#streams.size })
    const connectionId = this.#newId()
    const lane: Lane = `connection:${connectionId}`
    const stream: ExitStream = new ExitStream({
      clock: this.#world.clock,
      connectionId,
      params,
      messageBytes: PACKETS_PER_MESSAGE * fragmentBytes(PACKET_SIZE) - MESSAGE_OVERHEAD_BYTES,
      send: (data, signal) => this.#send(lane, { kind: 'send', connectionId, ...data }, signal),
      finished: (abandon) => {
        this.#streams.delete(connectionId)
        if (abandon) client.closeLane(lane)
      },
    })
    this.#streams.set(connectionId, stream)
    const returnAddress = anonymous ? undefined : client.address
    this.#send(lane, { kind: 'connect', connectionId, remote: `${host}:${port}`, returnAddress }).catch(
      (error: unknown) => {
        stream.fail(isMixnetError(error) ? error : new MixnetError('INTERNAL', {}, { cause: error }))
      },
    )
    return stream
  }

  /** Ends every stream. */
  close(): void {
    for (const stream of this.#streams.values()) stream.destroy(new MixnetError('STOPPED'))
  }

  async #send(lane: Lane, body: Socks5RequestBody, signal?: AbortSignal): Promise<void> {
    const { client, exit, anonymous } = this.#options
    const data = encodeInterfaceRequest({
      interfaceVersion: CURRENT_VERSION,
      kind: 'providerData',
      data: encodeSocks5Request({ version: CURRENT_VERSION, ...body }),
    })
    await client.send({ to: exit, data, lane, anonymous, ...(signal === undefined ? {} : { signal }) })
  }

  #received({ data }: ReceivedMessage): void {
    const response = tryDecode(() => {
      const envelope = decodeInterfaceResponse(data)
      return envelope.kind === 'providerData' ? decodeSocks5Response(envelope.data) : undefined
    })
    if (response === undefined || isMixnetError(response) || response.kind === 'query') return
    const stream = this.#streams.get(response.connectionId)
    if (stream === undefined) return
    if (response.kind === 'networkData') stream.receive({ ...response, data: response.data })
    else stream.fail(failureOf(response.message))
  }

  #newId(): bigint {
    const bytes = this.#world.random.stream('connection-id').bytes(8)
    const id = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0)
    return this.#streams.has(id) ? this.#newId() : id
  }
}

function failureOf(text: string): MixnetError {
  const kind = classifyConnectionError(text)
  if (kind === 'refused-by-policy') return new MixnetError('EXIT_REFUSED')
  return new MixnetError(kind === 'unknown-host' ? 'HOST_UNKNOWN' : 'DESTINATION_UNREACHABLE')
}
