/**
 * The official Rust SDK as a process of its own: builds the program in `sdk-client` where there is a Rust toolchain, and talks to
 * it. One client per process. @module
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect as dial } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const PROJECT = fileURLToPath(new URL('sdk-client', import.meta.url))
/** Some gigabytes, and minutes of work: kept out of the tree that tools walk over. */
const TARGET =
  process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL('../../node_modules/.cache/cargo', import.meta.url))
/** Generous: the machine may be busy. What is waited for are events, and this only ends a wait that will never end. */
export const DEADLINE_MS = 90_000
/** For a megabyte whose acknowledgments take three packets each, on a machine that does other things too. */
const EXCHANGE_DEADLINE_MS = 300_000
const LOOK_INTERVAL_MS = 20
/** The SDK's log, for failures: `RUST_LOG=debug` says more. */
const SAID_LINES = 60
/** Of the 640 lines of a first build, a few that show that it goes on. */
const LANDMARK = /Compiling (?:aws-lc-sys|cosmrs|nym-\S+|sdk-client) |Blocking/

/** Why there is no program, for `skip`; or where it is. Throws what cargo said where it cannot be built. */
export type Program = { readonly skip: string } | { readonly skip: false; readonly path: string }

/** The first time takes half an hour on two busy cores, later ones a second. */
export async function buildSdkClient(): Promise<Program> {
  const cargo = spawn(
    'cargo',
    ['build', '--locked', '--bin', 'sdk-client', '--message-format=json', '--target-dir', TARGET],
    {
      cwd: PROJECT,
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  const said: string[] = []
  let path: string | undefined
  createInterface({ input: cargo.stdout }).on('line', (line) => {
    path = (JSON.parse(line) as { readonly executable?: string | null }).executable ?? path
  })
  createInterface({ input: cargo.stderr }).on('line', (line) => {
    if (said.length === 0 || LANDMARK.test(line)) console.error(`cargo: ${line.trim()}`)
    said.push(line)
  })
  const { promise, resolve } = Promise.withResolvers<number | null | 'missing'>()
  cargo.on('error', () => resolve('missing'))
  cargo.on('close', resolve)
  const end = await promise
  if (end === 'missing') return { skip: 'no Rust toolchain (cargo) here' }
  if (end !== 0 || path === undefined) throw new Error(`cargo build:\n${said.slice(-SAID_LINES).join('\n')}`)
  return { skip: false, path }
}

export interface SdkMessage {
  readonly data: Uint8Array
  /** The pseudonym to answer to, where the sender gave reply SURBs. */
  readonly tag: string | null
}

export interface ConnectChoice {
  /** Where identity, keys and tickets are kept. Absent: nowhere. */
  readonly folder?: string
  readonly gateway?: string
  /** The SDK's credentials mode. */
  readonly credentials?: boolean
  /** Imported before, in hexadecimal. */
  readonly bundle?: string
  /** Whose prover spends, where it is not the SDK's own. */
  readonly prover?: '2.0.0'
}

/** What the SDK would hear from a chain. */
export interface Purchase {
  readonly epochId: number
  readonly threshold: number
  readonly issuers: readonly { readonly url: string; readonly index: number; readonly key: string }[]
  readonly depositId: number
  readonly depositSeed: string
  readonly userSeed: string
  readonly ticketType: number
}

/** In hexadecimal: the book as the SDK stores it, and with all that belongs to it as it exports it. */
export interface BoughtBook {
  readonly book: string
  readonly bundle: string
}

export interface StoredBook {
  readonly type: string
  readonly used: number
  readonly total: number
}

export interface ProxyChoice extends ConnectChoice {
  /** Address of the network requester. */
  readonly provider: string
  readonly anonymous: boolean
  /** Of its SOCKS5 server. */
  readonly host: string
  readonly port: number
}

export interface OpenedTunnel {
  /** Of the SDK's client. */
  readonly address: string
  readonly ipv4: string
  readonly ipv6: string
  /** Of version 10. */
  readonly mtu: number | null
}

type Said = { readonly id?: number; readonly event?: string } & Readonly<Record<string, unknown>>

export class SdkClient {
  readonly received: SdkMessage[] = []
  /** Streams that others opened, in the order of arrival. */
  readonly accepted: string[] = []
  readonly #bytes = new Map<string, Buffer>()
  readonly #process: ChildProcessWithoutNullStreams
  readonly #answers = new Map<number, (answer: Readonly<Record<string, unknown>>) => void>()
  readonly #listeners = new Set<() => void>()
  readonly #log: string[] = []
  #requests = 0
  #gone = false

  /** `environment`: more of it. */
  constructor(path: string, directoryUrl: string, environment: Readonly<Record<string, string>> = {}) {
    // Not the network of the compiled-in defaults, whatever the environment says.
    const { NYM_API: _, NYM_APIS: __, ...env } = process.env
    this.#process = spawn(path, [directoryUrl], { stdio: 'pipe', env: { RUST_LOG: 'info', ...env, ...environment } })
    createInterface({ input: this.#process.stdout }).on('line', (line) => this.#hear(line))
    createInterface({ input: this.#process.stderr }).on('line', (line) => this.#log.push(line))
    this.#process.on('close', () => {
      this.#gone = true
      this.#changed()
    })
  }

  /** Its address. */
  async connect(choice: ConnectChoice = {}): Promise<string> {
    return (await this.#ask({ do: 'connect', ...choice })).address as string
  }

  async buy(purchase: Purchase): Promise<BoughtBook> {
    const { book, bundle } = await this.#ask({ do: 'buy', ...purchase })
    return { book: book as string, bundle: bundle as string }
  }

  /** The bundle taken apart and put together again; `bare`: the book alone. */
  async repack(bundle: string, bare = false): Promise<string> {
    return (await this.#ask({ do: 'repack', bundle, bare })).bundle as string
  }

  /** What the verifiers of 1.21.6 and of 2.0.0 say of a ticket as it travels. */
  async verify(ticket: Uint8Array, masterKey: Uint8Array): Promise<readonly boolean[]> {
    const { verdicts } = await this.#ask({ do: 'verify', ticket: hex(ticket), key: hex(masterKey) })
    return verdicts as readonly boolean[]
  }

  async tickets(folder: string): Promise<readonly StoredBook[]> {
    return (await this.#ask({ do: 'tickets', folder })).books as readonly StoredBook[]
  }

  /** Serves SOCKS5 instead of messages. */
  async serveSocks({ host, port, ...choice }: ProxyChoice): Promise<void> {
    await this.#ask({ do: 'connect', ...choice, listen: `${host}:${port}` })
    // The SDK says that it serves before it listens.
    const deadline = performance.now() + DEADLINE_MS
    while (!(await accepts(host, port))) {
      if (performance.now() > deadline) throw new Error(`nobody listens at port ${port}\n${this.#said}`)
      await new Promise((resolve) => setTimeout(resolve, LOOK_INTERVAL_MS))
    }
  }

  /** The SDK's IP tunnel, with a client of its own; the SDK finds a router where none is given. */
  async tunnel(router?: string): Promise<OpenedTunnel> {
    return (await this.#ask({ do: 'tunnel', router })) as unknown as OpenedTunnel
  }

  /** Through the tunnel, before any datagram and connection. The packet that answers. */
  async ping(to: string): Promise<Uint8Array> {
    return Buffer.from((await this.#ask({ do: 'ping', to })).packet as string, 'hex')
  }

  /** Through smolmix over the tunnel, to `ip:port`, from a new port each time. What comes back first. */
  async datagram(to: string, data: Uint8Array): Promise<{ readonly data: Uint8Array; readonly from: string }> {
    const answer = await this.#ask({ do: 'datagram', to, data: hex(data) })
    return { data: Buffer.from(answer.data as string, 'hex'), from: answer.from as string }
  }

  /** The same over TCP: everything that comes until the other side ends. */
  async exchange(to: string, data: Uint8Array): Promise<Uint8Array> {
    const answer = await this.#ask({ do: 'exchange', to, data: hex(data) }, EXCHANGE_DEADLINE_MS)
    return Buffer.from(answer.data as string, 'hex')
  }

  /** With 10 reply SURBs, as the SDK does by default; with none and no pseudonym where `exposed`. */
  async send(to: string, data: Uint8Array, exposed = false): Promise<void> {
    await this.#ask({ do: 'send', to, data: hex(data), exposed })
  }

  async reply(tag: string, data: Uint8Array): Promise<void> {
    await this.#ask({ do: 'reply', tag, data: hex(data) })
  }

  /** Takes streams, and no messages any more. */
  async listen(): Promise<void> {
    await this.#ask({ do: 'listen' })
  }

  async open(to: string): Promise<string> {
    return (await this.#ask({ do: 'open', to })).stream as string
  }

  async write(stream: string, data: Uint8Array): Promise<void> {
    await this.#ask({ do: 'write', stream, data: hex(data) })
  }

  /** Resolves once `count` messages that fit have been received, with all that fit. */
  messages(count: number, fits: (message: SdkMessage) => boolean = () => true): Promise<readonly SdkMessage[]> {
    return this.#until(`${count} messages`, () => {
      const found = this.received.filter(fits)
      return found.length >= count ? found : undefined
    })
  }

  acceptedStream(index: number): Promise<string> {
    return this.#until('a stream from outside', () => this.accepted[index])
  }

  /** Everything that came on a stream, once it is that many bytes. */
  bytes(stream: string, count: number): Promise<Uint8Array> {
    return this.#until(`${count} bytes`, () => {
      const bytes = this.#bytes.get(stream)
      return bytes !== undefined && bytes.length >= count ? bytes : undefined
    })
  }

  /** The SDK disconnects, and the process ends. */
  async stop(): Promise<void> {
    if (this.#gone) return
    const gone = once(this.#process, 'close')
    this.#process.stdin.end()
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), DEADLINE_MS)
    await gone
    clearTimeout(timer)
  }

  async #ask(
    request: Readonly<Record<string, unknown>>,
    deadlineMs = DEADLINE_MS,
  ): Promise<Readonly<Record<string, unknown>>> {
    const id = this.#requests++
    let answer: Readonly<Record<string, unknown>> | undefined
    this.#answers.set(id, (value) => {
      answer = value
    })
    this.#process.stdin.write(`${JSON.stringify({ id, ...request })}\n`)
    const given = await this.#until(`an answer to "${request.do}"`, () => answer, deadlineMs)
    if (given.error !== undefined) throw new Error(`${request.do}: ${given.error}\n${this.#said}`)
    return given
  }

  #hear(line: string): void {
    const said = JSON.parse(line) as Said
    if (said.id !== undefined) {
      this.#answers.get(said.id)?.(said.answer as Readonly<Record<string, unknown>>)
      this.#answers.delete(said.id)
    } else if (said.event === 'message') {
      this.received.push({ data: Buffer.from(said.data as string, 'hex'), tag: said.tag as string | null })
    } else if (said.event === 'stream') {
      this.accepted.push(said.stream as string)
    } else if (said.event === 'bytes') {
      const stream = said.stream as string
      const before = this.#bytes.get(stream) ?? Buffer.alloc(0)
      this.#bytes.set(stream, Buffer.concat([before, Buffer.from(said.data as string, 'hex')]))
    }
    this.#changed()
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }

  get #said(): string {
    return `The SDK said:\n${this.#log.slice(-SAID_LINES).join('\n')}`
  }

  async #until<T>(what: string, find: () => T | undefined, deadlineMs = DEADLINE_MS): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const look = () => {
      const found = find()
      if (found !== undefined) resolve(found)
      else if (this.#gone) reject(new Error(`${what}: the program has ended\n${this.#said}`))
    }
    this.#listeners.add(look)
    const timer = setTimeout(() => reject(new Error(`${what}: not in time\n${this.#said}`)), deadlineMs)
    look()
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      this.#listeners.delete(look)
    }
  }
}

async function accepts(host: string, port: number): Promise<boolean> {
  const socket = dial({ host, port })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
