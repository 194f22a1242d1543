/**
 * Stands in for the directory whose address is compiled into official programs: a proxy that lets them through to it alone, and shows them
 * our directory there, with a certificate that they believe because their environment names who signed it. @module
 */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { TlsProxy, testCertificate } from '../browser/tlsProxy.ts'

const OFFICIAL = 'validator.nymtech.net:443'
const AUTHORITY = fileURLToPath(new URL('../fixtures/tls/official-directory-authority.pem', import.meta.url))
const HOST = '127.0.0.1'

export class OfficialDirectory {
  /** Everything else that was asked for, and refused. */
  readonly refused: string[] = []
  readonly #secure: TlsProxy
  readonly #server: Server
  readonly #open = new Set<Socket>()

  private constructor(secure: TlsProxy, server: Server) {
    this.#secure = secure
    this.#server = server
    server.on('connect', ({ url = '' }, socket: Socket) => this.#through(url, socket))
  }

  static async start(directoryUrl: string): Promise<OfficialDirectory> {
    const secure = await TlsProxy.start(await testCertificate('official-directory-'))
    const { hostname, port } = new URL(directoryUrl)
    secure.forwardTo({ host: hostname, port: Number(port) })
    const server = createServer().listen(0, HOST)
    await once(server, 'listening')
    return new OfficialDirectory(secure, server)
  }

  /** Of a program that shall believe it. */
  get environment(): Readonly<Record<string, string>> {
    const { port } = this.#server.address() as AddressInfo
    return { HTTPS_PROXY: `http://${HOST}:${port}`, SSL_CERT_FILE: AUTHORITY }
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#open) socket.destroy()
    await Promise.all([closed, this.#secure.close()])
  }

  #through(asked: string, outside: Socket): void {
    this.#open.add(outside)
    outside.on('error', () => {}).on('close', () => this.#open.delete(outside))
    if (asked !== OFFICIAL) {
      this.refused.push(asked)
      return void outside.end('HTTP/1.1 403 Forbidden\r\n\r\n')
    }
    const inside = connect(this.#secure.port, HOST)
    inside.on('error', () => {}).on('close', () => outside.destroy())
    outside.on('close', () => inside.destroy()).write('HTTP/1.1 200 OK\r\n\r\n')
    outside.pipe(inside).pipe(outside)
  }
}
