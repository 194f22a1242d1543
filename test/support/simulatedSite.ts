/**
 * A web site in the simulator that behaves as a request's path says, over http and, with the certificate of the fixture, https. No
 * tests here. @module
 */
import { readFileSync } from 'node:fs'
import { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { fromUtf8Lossy, utf8 } from '../../src/foundation/base/bytes.ts'
import type { Connection } from '../../src/foundation/platform/net.ts'
import type { World } from '../../src/foundation/platform/world.ts'

const fixture = (name: string) => readFileSync(new URL(`../fixtures/tls/${name}`, import.meta.url), 'utf8')
export const CERTIFICATE: string = fixture('certificate.pem')
/** The name in it. */
export const CERTIFIED = 'demo.starling'
const KEY = fixture('key.pem')

/** `/bytes/<count>`: that many; the others are answers that never come, stop, end too early, or are a reset. */
export type SitePath = `/bytes/${number}` | '/silent' | '/stall' | '/cut' | '/reset'

const HEAD_END = '\r\n\r\n'

/** Listens at 80 and 443. */
export async function serveSimulatedSite({ net }: World): Promise<void> {
  await net.listen({ host: '0.0.0.0', port: 80 }, (connection) => {
    serve(new ConnectionDuplex(connection), () => connection.reset())
  })
  await net.listen({ host: '0.0.0.0', port: 443 }, (connection) => {
    const below = new ConnectionDuplex(connection)
    const tls = new TLSSocket(below as never, { isServer: true, key: KEY, cert: CERTIFICATE } as never)
    serve(tls, () => connection.reset())
  })
}

function serve(socket: Duplex, reset: () => void): void {
  let asked = ''
  socket.on('error', () => {})
  socket.on('data', (chunk: Uint8Array) => {
    asked += fromUtf8Lossy(chunk)
    for (let end = asked.indexOf(HEAD_END); end !== -1; end = asked.indexOf(HEAD_END)) {
      const head = asked.slice(0, end)
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
      if (asked.length < end + HEAD_END.length + length) return
      asked = asked.slice(end + HEAD_END.length + length)
      answer(socket, reset, head.split(' ')[1] ?? '/')
    }
  })
  socket.on('end', () => socket.end())
}

function answer(socket: Duplex, reset: () => void, path: string): void {
  const head = (length: number) => `HTTP/1.1 200 OK\r\ncontent-length: ${length}${HEAD_END}`
  if (path === '/silent') return
  if (path === '/reset') return reset()
  if (path === '/stall') return void socket.write(utf8(`${head(1000)}begin`))
  if (path === '/cut') return void socket.end(utf8(`${head(1000)}begin`))
  const count = Number(path.split('/').at(-1))
  socket.write(utf8(head(count)))
  socket.write(new Uint8Array(count).fill(0x78))
}

/** Node's TLS wants a stream below it. */
class ConnectionDuplex extends Duplex {
  readonly #connection: Connection

  constructor(connection: Connection) {
    super()
    this.#connection = connection
    connection.attach({
      data: (chunk) => void this.push(chunk.slice()),
      end: () => void this.push(null),
      close: () => this.destroy(),
    })
  }

  override _read(): void {}

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.#connection.write([chunk.slice()])
    done()
  }

  override _final(done: () => void): void {
    this.#connection.end()
    done()
  }

  override _destroy(_error: Error | null, done: (error: null) => void): void {
    this.#connection.destroy()
    done(null)
  }
}
