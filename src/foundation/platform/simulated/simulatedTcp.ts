/** TCP between simulated hosts: ordered byte pipes that half-close, reset, push back and get refused. @module */
import { MixnetError } from '../../base/errors.ts'
import { Admission } from '../admission.ts'
import type { Connection, ConnectionHandlers, ConnectOptions, Endpoint, Listener, ListenOptions } from '../net.ts'
import { dial } from './dial.ts'
import { Fifo } from './fifo.ts'
import { Flow } from './flow.ts'
import type { Life } from './life.ts'
import type { Link } from './link.ts'
import type { Network } from './network.ts'

/** Bytes of an IP and TCP header, what a bare FIN or RST weighs. */
const HEADER_BYTES = 40

/** Bytes as they arrived, the end of the stream, or its violent end. */
type Parcel = readonly Uint8Array[] | 'fin' | 'reset'
type Unread = Uint8Array | 'fin' | 'reset'

class TcpEnd implements Connection {
  readonly local: Endpoint
  readonly remote: Endpoint
  readonly #life: Life
  readonly #out: Flow<Parcel>
  #peer: TcpEnd | undefined
  #handlers: ConnectionHandlers | undefined
  readonly #unread: Fifo<Unread> = new Fifo()
  #unreadBytes = 0
  #paused = false
  #sentEnd = false
  #gotEnd = false
  #closed = false
  #toldClosed = false
  #error: MixnetError | undefined
  /** Called once this end is no connection any more. */
  onGone: (() => void) | undefined

  constructor(life: Life, ends: { readonly local: Endpoint; readonly remote: Endpoint }, out: Link) {
    this.#life = life
    this.local = ends.local
    this.remote = ends.remote
    this.#out = new Flow<Parcel>(
      out,
      (parcel) => this.#peer?.receive(parcel),
      () => this.#life.schedule(0, () => this.#closed || this.#handlers?.drain?.()),
    )
    life.connections.add(this)
  }

  /** The other end, and how early anything may reach it. */
  pair(peer: TcpEnd, notBefore: number): void {
    this.#peer = peer
    this.#out.holdUntil(notBefore)
  }

  attach(handlers: ConnectionHandlers): void {
    if (this.#handlers) throw new MixnetError('INTERNAL', { what: 'connection attached twice' })
    this.#handlers = handlers
    this.#life.schedule(0, () => (this.#closed ? this.#tellClosed() : this.#read()))
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (this.#closed || this.#sentEnd || !this.#life.alive) return true
    const { link } = this.#out
    const kept = link.shape.loss === undefined ? chunks : chunks.filter(() => !link.loses())
    const pieces = link.segment(kept)
    let bytes = 0
    for (const piece of pieces) bytes += piece.length
    return bytes === 0 || this.#out.send(pieces, bytes)
  }

  get bufferedBytes(): number {
    return this.#out.bufferedBytes
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#life.schedule(0, () => this.#read())
  }

  end(): void {
    if (this.#closed || this.#sentEnd || !this.#life.alive) return
    this.#sentEnd = true
    this.#out.send('fin', 0)
    if (this.#gotEnd) this.#close(undefined)
  }

  destroy(): void {
    // As kernels do: a peer whose bytes were thrown away unread is told so.
    this.#abandon(this.#unreadBytes > 0 ? 'reset' : 'fin')
  }

  reset(): void {
    this.#abandon('reset')
  }

  #abandon(ending: 'reset' | 'fin'): void {
    if (this.#closed || !this.#life.alive) return
    this.#out.clear()
    if (ending === 'reset' || !this.#sentEnd) this.#out.sendUrgently(ending, HEADER_BYTES)
    this.#close(undefined)
  }

  /** The process died. */
  sever(): void {
    this.#out.clear()
    this.#out.sendUrgently('reset', HEADER_BYTES)
    this.#closed = true
    this.onGone?.()
  }

  loseIfOn(cut: ReadonlySet<Link>, error: MixnetError): void {
    if (!cut.has(this.#out.link)) return
    this.#out.clear()
    this.#close(error)
  }

  receive(parcel: Parcel): void {
    if (this.#closed || !this.#life.alive) {
      if (typeof parcel !== 'string') this.#out.sendUrgently('reset', HEADER_BYTES)
      return
    }
    if (typeof parcel === 'string') this.#unread.push(parcel)
    else {
      for (const chunk of parcel) {
        this.#unread.push(chunk)
        this.#unreadBytes += chunk.length
      }
    }
    // Writing into a connection that is gone has no use, even while what came before is still to be read.
    if (parcel === 'reset') this.#out.clear()
    this.#life.whenIdle(() => this.#read())
  }

  #read(): void {
    const handlers = this.#handlers
    if (handlers === undefined) return
    while (!this.#paused && !this.#closed) {
      const unread = this.#unread.shift()
      if (unread === undefined) return
      if (unread === 'fin') {
        this.#gotEnd = true
        if (handlers.end) handlers.end()
        else this.destroy()
        if (this.#sentEnd) this.#close(undefined)
      } else if (unread === 'reset') {
        this.#close(new MixnetError('CONNECTION_CLOSED', { system: 'ECONNRESET' }))
      } else {
        this.#unreadBytes -= unread.length
        this.#peer?.acknowledge(unread.length)
        handlers.data(unread)
      }
    }
  }

  acknowledge(bytes: number): void {
    this.#out.consumed(bytes)
  }

  #close(error: MixnetError | undefined): void {
    if (this.#closed) return
    this.#closed = true
    this.#error = error
    this.#unread.clear()
    this.#life.connections.delete(this)
    this.onGone?.()
    this.#life.schedule(0, () => this.#tellClosed())
  }

  #tellClosed(): void {
    if (this.#toldClosed || !this.#handlers) return
    this.#toldClosed = true
    this.#handlers.close(this.#error)
  }
}

type Accept = (connection: TcpEnd) => void

export function listenTcp(
  network: Network,
  life: Life,
  options: ListenOptions,
  accept: (connection: Connection) => void,
): Promise<Listener> {
  return life.later(() => {
    const open = new Set<TcpEnd>()
    const admission = new Admission(options)
    const take: Accept = (connection) => {
      const leave = admission.enter(connection.remote.host)
      if (leave === undefined) return connection.destroy()
      open.add(connection)
      connection.onGone = () => {
        if (open.delete(connection)) leave()
      }
      accept(connection)
    }
    const service = network.listen(life, 'tcp', options, take)
    return life.listener(service, () => {
      for (const connection of open) connection.destroy()
    })
  })
}

export function connectTcp(network: Network, life: Life, options: ConnectOptions): Promise<Connection> {
  return dial<Accept, TcpEnd>(network, life, { ...options, kind: 'tcp', what: 'connect', roundTrips: 1 }, (meeting) => {
    const { service, local, remote, path, answerArrives } = meeting
    const client = new TcpEnd(life, { local, remote }, path.there)
    const server = new TcpEnd(service.life, { local: remote, remote: local }, path.back)
    client.pair(server, 0)
    server.pair(client, answerArrives)
    service.accept(server)
    return client
  })
}
