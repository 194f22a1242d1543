/** Support for the tests of tickets: issuers, a directory and a faucet on simulated machines, which do what a test says. @module */
import { randomBytes } from 'node:crypto'
import { silentLog } from '../../foundation/base/observe.ts'
import { Secret } from '../../foundation/base/secret.ts'
import { millis, seconds } from '../../foundation/base/units.ts'
import type { Bls } from '../../foundation/crypto/bls.ts'
import { ORDER, wideScalar } from '../../foundation/crypto/blsScalar.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { nullBls } from '../../foundation/crypto/nullBls.ts'
import type { ClientFiles } from '../../foundation/platform/files.ts'
import { Simulation } from '../../foundation/platform/simulated/simulation.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { ListTopic } from '../../protocol/credentials/engine.ts'
import { encodeAuthorityKey } from '../../protocol/credentials/keys.ts'
import { LocalEngine } from '../../protocol/credentials/localEngine.ts'
import { createScheme } from '../../protocol/credentials/scheme.ts'
import { dealtKey } from '../../protocol/credentials/threshold.ts'
import { type JsonObject, parseJson } from '../../protocol/wire/directory/json.ts'
import { decodeBlindSign, depositMessage, encodeBlindedSignature } from '../../protocol/wire/issuer/blindSign.ts'
import { midnightOf, parseDate } from '../../protocol/wire/issuer/calendarDate.ts'
import { type CredentialEpoch, credentialEpochToJson } from '../../protocol/wire/issuer/credentialEpoch.ts'
import { encodeCoinList, encodeDateList } from '../../protocol/wire/issuer/publicLists.ts'
import type { MixnetEvent } from '../mixnetEvents.ts'
import type { TicketOptions } from '../ticketOptions.ts'
import { TicketWallet, type TicketWalletOptions } from './ticketWallet.ts'

export const FOLDER = '/client'
export const PRICE = 75_000_000
const PORT = 8000
const random = { bytes: (length: number) => new Uint8Array(randomBytes(length)) }

/** What one issuer does instead. */
export type Mood = 'honest' | 'refuses' | 'hangs' | 'lies' | 'garbles' | 'other-keys'

export class IssuingNetwork {
  readonly sim: Simulation
  readonly engine: LocalEngine
  readonly epoch: CredentialEpoch
  readonly masterKey: Uint8Array
  readonly moods: Mood[]
  /** Deposits by key, as base58. */
  readonly deposits: Map<string, number> = new Map()
  /** Requests for signatures, by deposit id: all that were seen must be one. */
  readonly requests: Map<number, Set<string>> = new Map()
  depositStatus = 200
  /** Called before a deposit is answered. */
  onDeposit: () => void = () => {}
  asked = 0
  readonly #secrets: readonly Uint8Array[]
  readonly #issued: Map<string, Uint8Array> = new Map()
  readonly #lists: Map<string, Promise<Uint8Array>> = new Map()

  private constructor(
    sim: Simulation,
    parts: Pick<IssuingNetwork, 'engine' | 'epoch' | 'masterKey'> & { secrets: readonly Uint8Array[] },
  ) {
    this.sim = sim
    this.engine = parts.engine
    this.epoch = parts.epoch
    this.masterKey = parts.masterKey
    this.#secrets = parts.secrets
    this.moods = parts.secrets.map(() => 'honest')
  }

  static async start({
    bls = nullBls,
    issuers: count = 5,
    threshold = 3,
  }: {
    bls?: Bls
    issuers?: number
    threshold?: number
  } = {}): Promise<IssuingNetwork> {
    const sim = new Simulation({ seed: 'tickets', crypto: nodeProvider })
    const engine = new LocalEngine(createScheme(bls), random)
    const rows = Array.from({ length: 5 }, () =>
      Array.from({ length: threshold }, () => wideScalar(random.bytes(64)) % ORDER),
    )
    const secrets = Array.from({ length: count }, (_, i) => encodeAuthorityKey(dealtKey(rows, i + 1)))
    const keys = await Promise.all(secrets.map((secret) => engine.verificationKey(secret)))
    const issuers = keys.map((key, i) => ({
      index: i + 1,
      key,
      identity: new Uint8Array(32).fill(i + 1),
      url: `http://issuer-${i + 1}:${PORT}`,
    }))
    const epoch = { epochId: 7, threshold, issuers, priceUnym: PRICE, faucetUrl: `http://faucet:${PORT}` }
    const network = new IssuingNetwork(sim, { engine, epoch, masterKey: await engine.aggregateKeys(issuers), secrets })
    await network.#serve('directory', '10.1.0.1', () => json(credentialEpochToJson(network.epoch)))
    await network.#serve('faucet', '10.1.0.2', (request) => network.#deposit(request))
    for (const i of secrets.keys()) {
      await network.#serve(`issuer-${i + 1}`, `10.1.1.${i + 1}`, (request) => network.#issuer(i, request))
    }
    return network
  }

  get directory(): string {
    return `http://directory:${PORT}`
  }

  async #serve(name: string, ip: string, handler: (request: Request) => Response | Promise<Response>): Promise<void> {
    const { net } = this.sim.host(name, { ips: [ip] })
    const options = { host: '0.0.0.0', port: PORT, maxBodyBytes: 100_000, requestTimeout: seconds(10) }
    await this.sim.complete(net.serveHttp(options, handler))
  }

  async #deposit(request: Request): Promise<Response> {
    const key = parseJson(await request.text(), 'deposit')
      .field('identity_key')
      .string()
    this.onDeposit()
    if (this.depositStatus !== 200) return new Response('no', { status: this.depositStatus })
    const id = this.deposits.get(key) ?? this.deposits.size
    this.deposits.set(key, id)
    return json({ deposit_id: id })
  }

  async #issuer(i: number, request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url)
    const mood = this.moods[i]
    if (mood === 'hangs') return new Promise(() => {})
    if (mood === 'refuses') return new Response('no', { status: 400 })
    if (mood === 'garbles') return new Response('{"blinded_signature":{"h":"00"}}', { status: 200 })
    switch (pathname) {
      case '/v1/ecash/epoch': {
        const { epoch } = this
        const issuers =
          mood === 'other-keys'
            ? epoch.issuers.toReversed().map(({ key }, at) => ({ ...epoch.issuers[at], key }))
            : epoch.issuers
        return json(credentialEpochToJson({ ...epoch, issuers: issuers as typeof epoch.issuers }))
      }
      case '/v1/ecash/blind-sign':
        return await this.#sign(i, await request.text())
      case '/v1/ecash/aggregated-coin-indices-signatures': {
        const signatures = await this.#list({ kind: 'coins' })
        return json(encodeCoinList({ epochId: 7, signatures: mood === 'lies' ? signatures.toReversed() : signatures }))
      }
      case '/v1/ecash/aggregated-expiration-date-signatures': {
        const expiration = parseDate(searchParams.get('expiration_date') ?? '') as number
        const signatures = await this.#list({ kind: 'dates', expiration })
        return json(
          encodeDateList({
            epochId: 7,
            expiration,
            signatures: mood === 'lies' ? signatures.slice().reverse() : signatures,
          }),
        )
      }
      default:
        return new Response('?', { status: 404 })
    }
  }

  async #sign(i: number, text: string): Promise<Response> {
    this.asked++
    const { request, depositId, signature, publicKey, expiration, ticketType } = decodeBlindSign(text)
    const [key] = [...this.deposits].find(([, id]) => id === depositId) ?? []
    const { fromBase58 } = await import('../../foundation/base/base58.ts')
    if (key === undefined) return new Response('no deposit', { status: 400 })
    const message = depositMessage(request, depositId)
    if (!nodeProvider.ed25519Verify(fromBase58(key, 'key', 32), message, signature)) {
      return new Response('signature', { status: 400 })
    }
    const seen = this.requests.get(depositId) ?? new Set()
    this.requests.set(depositId, seen.add(Buffer.from(request).toString('hex')))
    const slot = `${i} ${depositId}`
    let answer = this.#issued.get(slot)
    if (answer === undefined) {
      const secretKey = this.#secrets[i] as Uint8Array
      const issued = await this.engine.issue({ secretKey, request, publicKey, attributes: { expiration, ticketType } })
      if (issued.kind === 'refused') return new Response(issued.reason, { status: 400 })
      answer = issued.signature
      this.#issued.set(slot, answer)
    }
    // Another's signature on the same: h is right, and the rest is not.
    if (this.moods[i] === 'lies') {
      const secretKey = this.#secrets[(i + 1) % this.#secrets.length] as Uint8Array
      const other = await this.engine.issue({ secretKey, request, publicKey, attributes: { expiration, ticketType } })
      if (other.kind === 'issued') answer = other.signature
    }
    return json(encodeBlindedSignature(answer))
  }

  #list(topic: ListTopic): Promise<Uint8Array> {
    const name = JSON.stringify(topic)
    const made = this.#lists.get(name) ?? this.#makeList(topic)
    this.#lists.set(name, made)
    return made
  }

  async #makeList(topic: ListTopic): Promise<Uint8Array> {
    const { engine, masterKey, epoch } = this
    const parts = await Promise.all(
      epoch.issuers.slice(0, epoch.threshold).map(async ({ index, key }, i) => ({
        index,
        key,
        signatures: await engine.signList(this.#secrets[i] as Uint8Array, topic, masterKey),
      })),
    )
    const list = await engine.aggregateList(topic, masterKey, parts)
    if (list.kind === 'refused') throw new Error('no list')
    return list.signatures
  }
}

const json = (body: JsonObject): Response => new Response(JSON.stringify(body), { status: 200 })

/** A file system that dies before or after a write: from then on nothing works, as in a process that is gone. */
export class FragileFiles implements ClientFiles {
  readonly #files: ClientFiles
  writes = 0
  /** The write that it dies at, from 1, and whether its bytes are on the disk. */
  diesAt: { readonly write: number; readonly after: boolean } | undefined
  /** What each write waits for. */
  slow: (() => Promise<void>) | undefined

  constructor(files: ClientFiles) {
    this.#files = files
  }

  read(path: string): Promise<Uint8Array | undefined> {
    this.#alive()
    return this.#files.read(path)
  }

  async write(path: string, contents: Uint8Array): Promise<void> {
    await this.#change(() => this.#files.write(path, contents))
  }

  list(folder: string): Promise<readonly string[]> {
    this.#alive()
    return this.#files.list(folder)
  }

  async remove(path: string): Promise<void> {
    await this.#change(() => this.#files.remove(path))
  }

  lock(path: string): ReturnType<ClientFiles['lock']> {
    return this.#files.lock(path)
  }

  async #change(change: () => Promise<void>): Promise<void> {
    this.#alive()
    await this.slow?.()
    this.writes++
    const dies = this.diesAt?.write === this.writes
    if (!dies || this.diesAt?.after) await change()
    if (dies) throw new Error('crash')
  }

  #alive(): void {
    if (this.diesAt !== undefined && this.writes >= this.diesAt.write) throw new Error('crashed')
  }
}

export interface Owner {
  readonly wallet: TicketWallet
  readonly events: MixnetEvent[]
  readonly files: FragileFiles
}

/** A wallet of the client on `world`; equal seeds are one client. */
export async function openWallet(
  network: IssuingNetwork,
  world: World,
  {
    seed = 1,
    folder = FOLDER,
    dies,
    ...options
  }: Partial<TicketOptions & Pick<TicketWalletOptions, 'deposits'>> & {
    seed?: number
    folder?: string
    dies?: FragileFiles['diesAt']
  } = {},
): Promise<Owner> {
  const files = new FragileFiles(world.files)
  files.diesAt = dies
  const events: MixnetEvent[] = []
  const wallet = await network.sim.complete(
    TicketWallet.open({
      world: { ...world, files },
      folder,
      identitySeed: new Secret(new Uint8Array(32).fill(seed)),
      directories: [network.directory],
      engine: network.engine,
      log: silentLog,
      tell: (event) => events.push(event),
      buy: 'never',
      ...options,
    }),
  )
  return { wallet, events, files }
}

/** For work that waits for the disk of a simulated machine and for real threads in turn. */
export async function settled<T>(sim: Simulation, work: Promise<T>): Promise<T> {
  let done = false
  const end = () => {
    done = true
  }
  work.then(end, end)
  while (!done) {
    await sim.runFor(millis(1))
    await new Promise((resolve) => setImmediate(resolve))
  }
  return await work
}

export const today = (world: World): number => midnightOf(Math.floor(world.clock.now() / 1000))
