/** Says of a few names where they are, over datagrams, and of all others that there are none. @module */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

const [A, INTERNET] = [1, 1]
const HEADER_BYTES = 12
/** An answer, of a server that asks others; and that there is no such name. */
const [ANSWER, UNKNOWN] = [0x8180, 3]
const TO_QUESTION = 0xc000 | HEADER_BYTES
const LIFETIME_SECONDS = 60

export class NameServer {
  readonly #socket: Socket
  readonly #host: string
  readonly #names: ReadonlySet<string>

  private constructor(socket: Socket, host: string, names: readonly string[]) {
    this.#socket = socket
    this.#host = host
    this.#names = new Set(names)
    socket.on('message', (question, { port, address }) => {
      socket.send(this.#answer(question), port, address)
    })
  }

  /** `host`: an IPv4 address of this machine, where it listens, and where the names are. */
  static async start(host: string, names: readonly string[]): Promise<NameServer> {
    const socket = createSocket('udp4').bind(0, host)
    await once(socket, 'listening')
    return new NameServer(socket, host, names)
  }

  /** `host:port` */
  get address(): string {
    return `${this.#host}:${this.#socket.address().port}`
  }

  async close(): Promise<void> {
    const closed = once(this.#socket, 'close')
    this.#socket.close()
    await closed
  }

  /** What asks is a test's client: one question, well formed. */
  #answer(message: Buffer): Buffer {
    const { name, end } = readName(message)
    const type = message.readUInt16BE(end)
    const isKnown = this.#names.has(name)
    const answers = isKnown && type === A ? 1 : 0
    const head = Buffer.alloc(HEADER_BYTES)
    message.copy(head, 0, 0, 2)
    head.writeUInt16BE(ANSWER | (isKnown ? 0 : UNKNOWN), 2)
    head.writeUInt16BE(1, 4)
    head.writeUInt16BE(answers, 6)
    const question = message.subarray(HEADER_BYTES, end + 4)
    const record = Buffer.from([
      TO_QUESTION >> 8,
      TO_QUESTION & 0xff,
      0,
      A,
      0,
      INTERNET,
      0,
      0,
      0,
      LIFETIME_SECONDS,
      0,
      4,
    ])
    const address = Buffer.from(this.#host.split('.').map(Number))
    return Buffer.concat([head, question, ...(answers === 0 ? [] : [record, address])])
  }
}

function readName(message: Buffer): { readonly name: string; readonly end: number } {
  const labels: string[] = []
  let at = HEADER_BYTES
  for (let length = message[at]; length !== undefined && length > 0; length = message[at]) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length).toLowerCase())
    at += 1 + length
  }
  return { name: labels.join('.'), end: at + 1 }
}
