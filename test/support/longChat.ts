/**
 * A WebSocket that stays, and says something both ways several times a second, numbered: its server, and the program that holds its other end. Both
 * fail where a message is missing, or out of order. @module
 */
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'

const EVERY_MS = 250
/** Of a program whose terminal is gone: what it still sends, before it ends. */
const LAST_WORDS = 8

export class LongChat {
  /** How many came from the program. */
  heard = 0
  sent = 0
  connections = 0
  fault: string | undefined
  readonly #server: WebSocketServer

  private constructor(server: WebSocketServer) {
    this.#server = server
    server.on('connection', (socket) => {
      this.connections++
      const saying = setInterval(() => socket.send(`server ${this.sent++}`), EVERY_MS)
      socket.on('close', () => clearInterval(saying))
      socket.on('error', () => {})
      socket.on('message', (data) => {
        if (String(data) !== `program ${this.heard}`) this.fault ??= `${data} instead of program ${this.heard}`
        this.heard++
      })
    })
  }

  static async listen(host: string): Promise<LongChat> {
    const server = new WebSocketServer({ port: 0, host })
    await new Promise<void>((resolve) => server.once('listening', resolve))
    return new LongChat(server)
  }

  /** For a file of its own. Says on its output what it sends and hears, a line each: `sent 3`, `heard 3`. */
  program(host: string): string {
    const { port } = this.#server.address() as AddressInfo
    return `
      const ws = new WebSocket('ws://${host}:${port}/')
      let [sent, heard, left] = [0, 0, Infinity]
      process.on('SIGHUP', () => {
        console.log('hangup')
        left = ${LAST_WORDS}
      })
      const fail = (why) => {
        console.log('fault ' + why)
        process.exit(1)
      }
      ws.onopen = () => setInterval(() => {
        if (left-- === 0) process.exit(0)
        ws.send('program ' + sent)
        console.log('sent ' + sent++)
      }, ${EVERY_MS})
      ws.onmessage = ({ data }) => {
        if (data !== 'server ' + heard) fail(data + ' instead of server ' + heard)
        console.log('heard ' + heard++)
      }
      ws.onclose = () => fail('closed')`
  }

  close(): void {
    this.#server.close()
    for (const client of this.#server.clients) client.terminate()
  }
}

/** What a program has said up to now, of its output. */
export function saidBy(output: string): { readonly sent: number; readonly heard: number; readonly fault?: string } {
  const count = (what: string): number => output.match(new RegExp(`^${what} \\d+$`, 'gm'))?.length ?? 0
  const fault = /^fault (.*)$/m.exec(output)?.[1]
  return { sent: count('sent'), heard: count('heard'), ...(fault === undefined ? {} : { fault }) }
}
