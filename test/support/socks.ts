/** A SOCKS5 client of a few lines, so that tests see the very bytes that the proxy answers. @module */
import { once } from 'node:events'
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Address } from './starling.ts'

export class SocksError extends Error {
  /** Of RFC 1928, section 6. */
  readonly reply: number

  constructor(reply: number) {
    super(`the proxy answered ${reply}`)
    this.reply = reply
  }
}

/** Connects through `proxy`; the host name goes to it unresolved. */
export async function socksConnect(proxy: Address, { host, port }: Address): Promise<Socket> {
  const socket = connect(proxy)
  try {
    await once(socket, 'connect')
    socket.write(Uint8Array.of(5, 1, 0))
    const [version, method] = await read(socket, 2)
    if (version !== 5 || method !== 0) throw new Error('the proxy wants a password')
    const name = new TextEncoder().encode(host)
    socket.write(Uint8Array.of(5, 1, 0, 3, name.length, ...name, port >> 8, port & 0xff))
    const [, reply, , kind] = await read(socket, 4)
    if (reply !== 0) throw new SocksError(reply as number)
    await read(socket, kind === 4 ? 18 : 6)
    return socket
  } catch (error) {
    socket.destroy()
    throw error
  }
}

async function read(socket: Socket, bytes: number): Promise<Uint8Array> {
  for (;;) {
    const chunk: Buffer | null = socket.read(bytes)
    if (chunk !== null) return chunk
    if (socket.readableEnded || socket.destroyed) throw new Error('the proxy hung up')
    await Promise.race([once(socket, 'readable'), once(socket, 'close')])
  }
}

export interface Answer {
  readonly status: number
  readonly body: Buffer
}

/** One HTTP request over a connection that is there already. */
export async function httpOver(
  socket: Duplex,
  url: string,
  { method = 'GET', body }: { method?: string; body?: Uint8Array } = {},
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const headers = { connection: 'close', ...(body === undefined ? {} : { 'content-length': `${body.length}` }) }
  const sent = request(url, { method, headers, createConnection: () => socket }, (response) => {
    const chunks: Buffer[] = []
    response.on('data', (chunk: Buffer) => chunks.push(chunk))
    response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }))
    response.on('error', reject)
  })
  sent.on('error', reject)
  sent.end(body)
  return promise
}

/** The same through a proxy. */
export async function httpThrough(
  proxy: Address,
  url: string,
  options: { method?: string; body?: Uint8Array } = {},
): Promise<Answer> {
  const { hostname, port } = new URL(url)
  return httpOver(await socksConnect(proxy, { host: hostname, port: Number(port || 80) }), url, options)
}
