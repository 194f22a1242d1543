/** Support for the tests of entry links: a gateway that does what a test says, and a client's surroundings. @module */
import { toBase58 } from '../foundation/base/base58.ts'
import { toHex } from '../foundation/base/bytes.ts'
import { Meter, silentLog } from '../foundation/base/observe.ts'
import { Secret } from '../foundation/base/secret.ts'
import { seconds } from '../foundation/base/units.ts'
import { nodeProvider } from '../foundation/crypto/nodeProvider.ts'
import type { WebSocketConnection } from '../foundation/platform/net.ts'
import { Simulation } from '../foundation/platform/simulated/simulation.ts'
import type { World } from '../foundation/platform/world.ts'
import type { NodeDescriptor, Topology } from '../network/topology/topology.ts'
import type { TopologyProvider } from '../network/topology/topologyProvider.ts'
import { REGULAR } from '../protocol/packet/sizes.ts'
import { checkAuthentication, checkRegistered } from '../protocol/wire/gateway/authentication.ts'
import { openForward, sealPush } from '../protocol/wire/gateway/binary.ts'
import {
  type AuthenticateV2,
  type ControlResponse,
  encodeControlResponse,
  parseControlRequest,
} from '../protocol/wire/gateway/control.ts'
import { authenticationRefusalText } from '../protocol/wire/gateway/errorTexts.ts'
import {
  type GatewayHandshake,
  startGatewayHandshake,
  stepGatewayHandshake,
} from '../protocol/wire/gateway/handshake.ts'
import { FREE_BANDWIDTH_BYTES } from '../protocol/wire/gateway/protocol.ts'
import { openTicket, type Ticket } from '../protocol/wire/gateway/ticket.ts'
import type { MixPacket } from '../protocol/wire/mixPacket.ts'
import type { EntryLink } from './entryLink.ts'

export const PORT = 9000
export const PACKET: MixPacket = {
  rotation: 1,
  nextHop: { ip: '10.0.0.1', port: 1789 },
  packet: new Uint8Array(REGULAR.totalBytes).fill(7),
}

export const newSimulation = (): Simulation => new Simulation({ seed: 'entry', crypto: nodeProvider })

export type Step = 'protocol' | 'handshake' | 'proof' | 'register' | 'login' | 'claim' | 'ticket' | 'packet'

interface Client {
  readonly sharedKey: Uint8Array
  lastTimestamp: number | undefined
  balance: number
}

/** Answers as a gateway does, unless told otherwise. */
export class ScriptedGateway {
  readonly identity: Uint8Array
  readonly name: string
  readonly host: string
  readonly #sim: Simulation
  readonly #seed: Uint8Array
  #world: World
  #session: { readonly socket: WebSocketConnection; readonly client: Client } | undefined
  /** By hexadecimal identity. */
  readonly clients: Map<string, Client> = new Map()
  /** What it was asked, by name, and the packets it took, as kind of frame. */
  readonly log: string[] = []
  readonly timestamps: number[] = []
  connections = 0
  /** The step it says nothing to. */
  hangsAt: Step | undefined
  /** What it answers instead, by step. */
  answers: Partial<Record<Step, ControlResponse | string>> = {}
  version = 6
  grant: number = FREE_BANDWIDTH_BYTES
  /** Pushed before a login is answered. */
  stored: Uint8Array[] = []
  /** Tickets it was given, and what it says to each: by default it is good for `ticketGrant`. */
  readonly tickets: Ticket[] = []
  judge: ((ticket: Ticket, client: { balance: number }) => ControlResponse | undefined) | undefined
  ticketGrant = 200_000_000
  /** Closes each connection as soon as it is open. */
  hangsUp = false

  constructor(sim: Simulation, host: string, ip: string) {
    this.#sim = sim
    this.host = host
    this.#seed = new Uint8Array(32).fill(host.length).fill(host.charCodeAt(host.length - 1), 16)
    this.identity = nodeProvider.ed25519PublicKey(this.#seed)
    this.name = toBase58(this.identity)
    this.#world = sim.host(host, { ips: [ip] })
  }

  get url(): string {
    return `ws://${this.host}:${PORT}/`
  }

  async listen(): Promise<void> {
    const work = this.#world.net.listenWebSocket(
      { host: '0.0.0.0', port: PORT, maxMessageBytes: 100_000, handshakeTimeout: seconds(5) },
      (socket) => this.#accept(socket),
    )
    await this.#sim.complete(work)
  }

  crash(): void {
    this.#sim.crash(this.host)
    this.#session = undefined
  }

  async restart(): Promise<void> {
    this.#world = this.#sim.restart(this.host)
    await this.listen()
  }

  /** Says something to the client of the last login. */
  say(text: ControlResponse | string): void {
    this.#session?.socket.send(typeof text === 'string' ? text : encodeControlResponse(text))
  }

  push(message: Uint8Array): void {
    if (this.#session) this.#push(this.#session.socket, this.#session.client, message)
  }

  binary(frame: Uint8Array): void {
    this.#session?.socket.send(frame)
  }

  hangUp(): void {
    this.#session?.socket.close()
  }

  #push(socket: WebSocketConnection, { sharedKey }: Client, message: Uint8Array): void {
    socket.send(sealPush(nodeProvider, sharedKey, message, new Uint8Array(12).fill(9)))
  }

  #accept(socket: WebSocketConnection): void {
    this.connections++
    let handshake: GatewayHandshake | undefined
    let client: Client | undefined
    const send = (response: ControlResponse) => socket.send(encodeControlResponse(response))
    const at = (step: Step, run: () => void): void => {
      this.log.push(step)
      if (this.hangsAt === step) return
      const answer = this.answers[step]
      if (answer === undefined) run()
      else socket.send(typeof answer === 'string' ? answer : encodeControlResponse(answer))
    }
    const enter = (entering: Client, response: ControlResponse) => {
      client = entering
      for (const message of this.stored.splice(0)) this.#push(socket, client, message)
      this.#session = { socket, client }
      send(response)
      if (this.hangsUp) socket.close()
    }
    const login = (request: AuthenticateV2) => {
      const key = toHex(request.clientIdentity)
      const known = this.clients.get(key)
      this.timestamps.push(request.requestUnixTimestamp)
      const refusal =
        checkAuthentication(nodeProvider, request, Math.floor(this.#world.clock.now() / 1000)) ??
        checkRegistered(nodeProvider, request, known)
      if (refusal !== undefined || known === undefined) {
        const text = refusal ? authenticationRefusalText(refusal) : 'gone'
        send({ type: 'error', message: text })
        // As official gateways do.
        send({ type: 'error', message: text })
        return socket.close()
      }
      known.lastTimestamp = request.requestUnixTimestamp
      const bandwidthRemaining = known.balance
      const { protocolVersion } = request
      enter(known, { type: 'authenticate', protocolVersion, status: true, bandwidthRemaining, upgradeMode: false })
    }
    socket.attach({
      text: (text) => {
        if (handshake !== undefined) {
          const step = stepGatewayHandshake(nodeProvider, handshake, text)
          if (step.kind === 'ignored' || step.kind === 'next') return
          handshake = undefined
          return at('proof', () => {
            socket.send(step.send ?? '')
            if (step.kind === 'failed') return socket.close()
            const { remoteIdentity, protocolVersion } = step
            const registered = { sharedKey: step.sharedKey.expose(), lastTimestamp: undefined, balance: 0 }
            at('register', () => {
              this.clients.set(toHex(remoteIdentity), registered)
              enter(registered, { type: 'register', protocolVersion, status: true, upgradeMode: false })
            })
          })
        }
        const request = parseControlRequest(text)
        switch (request.type) {
          case 'supportedProtocol':
            return at('protocol', () => send({ type: 'supportedProtocol', version: this.version }))
          case 'registerHandshakeInitRequest':
            return at('handshake', () => {
              const secrets = { identitySeed: new Secret(this.#seed), ephemeralSecret: new Secret(this.#seed) }
              const step = startGatewayHandshake(nodeProvider, { ...secrets, nonce: new Uint8Array(12) }, request)
              if (step.kind === 'next') handshake = step.state
              if (step.kind !== 'ignored') socket.send(step.send ?? '')
            })
          case 'authenticateV2':
            return at('login', () => login(request))
          case 'claimFreeTestnetBandwidth':
            return at('claim', () => {
              if (client) client.balance += this.grant
              send({ type: 'bandwidth', availableTotal: client?.balance ?? 0, upgradeMode: false })
            })
          case 'ecashCredential':
            return at('ticket', () => {
              if (client === undefined) throw new Error('a ticket of nobody')
              const ticket = openTicket(nodeProvider, client.sharedKey, request)
              this.tickets.push(ticket)
              if (this.judge !== undefined) {
                const answer = this.judge(ticket, client)
                return answer && send(answer)
              }
              client.balance += this.ticketGrant
              send({ type: 'bandwidth', availableTotal: client.balance, upgradeMode: false })
            })
          default:
        }
      },
      binary: (frame) => {
        if (client === undefined) return
        const known = client
        const opened = openForward(nodeProvider, known.sharedKey, frame)
        if (opened.kind === 'refused') throw new Error(opened.reason)
        this.log.push(`kind ${frame[0]}`)
        at('packet', () => {
          const required = opened.packet.packet.length
          if (known.balance < required) {
            const error = { kind: 'outOfBandwidth', required, available: known.balance } as const
            return send({ type: 'typedError', error })
          }
          known.balance -= required
          send({ type: 'send', remainingBandwidth: known.balance, upgradeMode: false })
        })
      },
      close: () => {
        if (this.#session?.socket === socket) this.#session = undefined
      },
    })
  }
}

/** Attaches; `events` then tells what happened, in order. */
export function watch(link: EntryLink): { readonly events: string[]; readonly pushed: Uint8Array[] } {
  const events: string[] = []
  const pushed: Uint8Array[] = []
  link.attach({
    opened: () => events.push('opened'),
    lost: (error) => events.push(error.code),
    pushed: (plaintext) => pushed.push(plaintext),
  })
  return { events, pushed }
}

export const clientParts = (
  meter: Meter = new Meter(),
): { identitySeed: Secret; meter: Meter; log: typeof silentLog } => ({
  identitySeed: new Secret(new Uint8Array(32).fill(42)),
  meter,
  log: silentLog,
})

export const countOf = (meter: Meter, name: string): number => meter.snapshot()[name] ?? 0

/** A topology with these gateways and nothing else, which can be changed. */
export class ScriptedTopology implements TopologyProvider {
  #topology: Topology | undefined
  readonly #listeners = new Set<(topology: Topology | undefined) => void>()

  constructor(gateways: readonly ScriptedGateway[]) {
    this.#topology = topologyOf(gateways)
  }

  change(gateways: readonly ScriptedGateway[]): void {
    this.#topology = topologyOf(gateways)
    for (const listener of this.#listeners) listener(this.#topology)
  }

  get listeners(): number {
    return this.#listeners.size
  }

  current(): Topology | undefined {
    return this.#topology
  }

  refresh(): Promise<Topology> {
    return Promise.resolve(this.#topology as Topology)
  }

  onChange(listener: (topology: Topology | undefined) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  start(): Promise<Topology> {
    return this.refresh()
  }

  stop(): void {}
}

function topologyOf(gateways: readonly ScriptedGateway[]): Topology {
  const address = { ip: '203.0.113.1', port: 1789 }
  const sphinxKey = new Uint8Array(32)
  const nodes = gateways.map(
    ({ identity, host }, index): NodeDescriptor => ({
      nodeId: index + 1,
      identity,
      sphinxKey,
      address,
      ipAddresses: [address.ip],
      role: 'entryGateway',
      layer: undefined,
      entry: { hostname: host, wsPort: PORT, wssPort: undefined },
      noiseKey: undefined,
      performance: 1,
      supportedRoles: { mixnode: false, entry: true, exitNr: false, exitIpr: false },
      hop: { address: new Uint8Array(32), publicKey: sphinxKey },
    }),
  )
  return {
    epochId: 1,
    rotationId: 1,
    rotationFlag: 1,
    layers: [[], [], []],
    gateways: new Map(nodes.map((node) => [toBase58(node.identity), node])),
    nodesById: new Map(),
    nodesByIdentity: new Map(),
    validUntil: seconds(1),
  }
}
