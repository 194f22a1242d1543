/** The other side of a SOCKS proxy: as little of SOCKS 5 and HTTP/1.1 as measuring takes. @module */
import { connect, type Socket } from 'node:net'
import type { Endpoint } from '../src/foundation/platform/net.ts'

const GREETING = Uint8Array.of(5, 1, 0)
const GREETED_BYTES = 2
const CONNECTED_BYTES = 10

/** One connection through the proxy to port 80 of `host`, kept for any number of requests, one at a time. */
export class SocksConnection {
  readonly #socket: Socket
  readonly #host: string
  readonly #reader: AsyncIterator<Uint8Array>
  #held: Uint8Array = new Uint8Array(0)

  private constructor(socket: Socket, host: string) {
    this.#socket = socket
    this.#host = host
    this.#reader = (socket as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]()
  }

  static async open(proxy: Endpoint, host: string): Promise<SocksConnection> {
    const socket = connect({ host: proxy.host, port: proxy.port, noDelay: true })
    const connection = new SocksConnection(socket, host)
    socket.write(GREETING)
    await connection.#take(GREETED_BYTES)
    const name = new TextEncoder().encode(host)
    socket.write(Uint8Array.of(5, 1, 0, 3, name.length, ...name, 0, 80))
    const reply = await connection.#take(CONNECTED_BYTES)
    if (reply[1] !== 0) throw new Error(`the proxy answered ${reply[1]}`)
    return connection
  }

  /** Bytes of the body. Throws unless it is a 200 with a length. */
  async get(path: string): Promise<number> {
    this.#socket.write(`GET ${path} HTTP/1.1\r\nHost: ${this.#host}\r\n\r\n`)
    let head = this.#headEnd()
    while (head < 0) {
      await this.#more()
      head = this.#headEnd()
    }
    const text = new TextDecoder().decode(await this.#take(head))
    const length = /^content-length: *(\d+)/im.exec(text)?.[1]
    if (!text.startsWith('HTTP/1.1 200') || length === undefined) throw new Error(`unexpected answer: ${text}`)
    let left = Number(length)
    while (left > 0) {
      if (this.#held.length === 0) await this.#more()
      const taken = Math.min(left, this.#held.length)
      this.#held = this.#held.subarray(taken)
      left -= taken
    }
    return Number(length)
  }

  close(): void {
    this.#socket.destroy()
  }

  /** Where the body begins; -1 where that has not arrived. */
  #headEnd(): number {
    const end = Buffer.from(this.#held).indexOf('\r\n\r\n')
    return end < 0 ? -1 : end + 4
  }

  async #take(count: number): Promise<Uint8Array> {
    while (this.#held.length < count) await this.#more()
    const taken = this.#held.subarray(0, count)
    this.#held = this.#held.subarray(count)
    return taken
  }

  async #more(): Promise<void> {
    const next = await this.#reader.next()
    if (next.done) throw new Error('the connection ended early')
    this.#held = this.#held.length === 0 ? next.value : Buffer.concat([this.#held, next.value])
  }
}
