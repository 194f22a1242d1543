/** What an operator puts in front of a gateway for pages that came by https: it ends TLS and hands on what is inside, unread. @module */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { type AddressInfo, connect } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'

const FIXTURES = new URL('../fixtures/tls/', import.meta.url)

export interface Target {
  readonly host: string
  readonly port: number
}

export interface Certificate {
  readonly key: Buffer
  readonly cert: Buffer
}

/** `prefix`: of the names of its files. */
export async function testCertificate(prefix = ''): Promise<Certificate> {
  const read = (name: string) => readFile(new URL(`${prefix}${name}.pem`, FIXTURES))
  const [key, cert] = await Promise.all([read('key'), read('certificate')])
  return { key, cert }
}

export class TlsProxy {
  /** Known before the target is, so that a node can announce it. */
  readonly port: number
  #target: Target | undefined
  #connections = 0
  readonly #server: Server
  readonly #open = new Set<TLSSocket>()

  private constructor(server: Server) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    server.on('secureConnection', (outside) => this.#accept(outside))
    server.on('tlsClientError', () => {})
  }

  /** Default: as the site has. */
  static async start(certificate?: Certificate): Promise<TlsProxy> {
    const server = createServer(certificate ?? (await testCertificate())).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new TlsProxy(server)
  }

  /** Taken so far. */
  get connections(): number {
    return this.#connections
  }

  forwardTo(target: Target): void {
    this.#target = target
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#open) socket.destroy()
    await closed
  }

  #accept(outside: TLSSocket): void {
    this.#connections++
    this.#open.add(outside)
    outside.on('close', () => this.#open.delete(outside))
    if (this.#target === undefined) return void outside.on('error', () => {}).destroy()
    const inside = connect(this.#target)
    for (const [from, to] of [
      [outside, inside],
      [inside, outside],
    ] as const) {
      from.on('error', () => {})
      from.on('close', () => to.destroy())
      from.pipe(to)
    }
  }
}
