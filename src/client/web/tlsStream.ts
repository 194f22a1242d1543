/**
 * TLS 1.3 and 1.2 over a stream, by @reclaimprotocol/tls under watch: the library makes keys and records, `tlsWatch` sees to the
 * order of things, and who the server is gets proved here, without the library's word for it. It is not asked to look at
 * certificates at all: it takes any of them for an authority, fetches missing ones with the global `fetch`, past the mixnet,
 * and trusts lists of its own. @module
 */
import { makeTLSClient, setCryptoImplementation } from '@reclaimprotocol/tls'
import { concat } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import type { Clock } from '../../foundation/platform/clock.ts'
import type { RandomStream } from '../../foundation/platform/random.ts'
import type { ByteStream, ByteStreamHandlers } from './byteStream.ts'
import { type TrustAnchor, trustedCertificate } from './serverTrust.ts'
import { signatureHolds } from './signatures.ts'
import { tlsCrypto } from './tlsCrypto.ts'
import { SUITES } from './tlsSuites.ts'
import { TlsWatch } from './tlsWatch.ts'

export interface TlsOptions {
  readonly clock: Pick<Clock, 'now'>
  readonly random: RandomStream
  /** A name, or an IP address without brackets. */
  readonly host: string
  readonly anchors: () => Promise<readonly TrustAnchor[]>
}

type TlsClient = ReturnType<typeof makeTLSClient>
type TlsClientOptions = Parameters<typeof makeTLSClient>[0]

const PROTOCOL = 'http/1.1'

export class TlsStream implements ByteStream {
  readonly #stream: ByteStream
  readonly #options: TlsOptions
  readonly #watch = new TlsWatch()
  readonly #proved = Promise.withResolvers<void>()
  #client: TlsClient | undefined
  #handlers: ByteStreamHandlers | undefined
  /** Sealed, in the order it came. The stream is paused while there is any. */
  #incoming: Uint8Array[] = []
  #opening = false
  /** Opened, and not taken: at most what one piece of the stream held. */
  #held: Uint8Array[] = []
  #state: 'handshake' | 'open' | 'over' = 'handshake'
  #paused = false
  #flushing = false
  #endTold = false
  #closeTold = false
  #streamOver: { readonly error: MixnetError | undefined } | undefined
  #failure: MixnetError | undefined
  #writing: Promise<void> = Promise.resolve()

  private constructor(stream: ByteStream, options: TlsOptions) {
    this.#stream = stream
    this.#options = options
  }

  /** Takes the stream over. Resolves when the server has proved who it is; throws TLS_FAILED, or what ended the stream. */
  static async over(stream: ByteStream, options: TlsOptions): Promise<TlsStream> {
    const tls = new TlsStream(stream, options)
    try {
      await tls.#shakeHands()
      return tls
    } catch (error) {
      tls.#fail(error)
      throw tls.#failure ?? error
    }
  }

  attach(handlers: ByteStreamHandlers): void {
    this.#handlers = handlers
    this.#flush()
    this.#tellClose()
    this.#goOn()
  }

  write(data: Uint8Array): Promise<void> {
    const written = this.#writing.then(async () => {
      if (this.#state !== 'open' || this.#watch.isClosed) throw new MixnetError('CONNECTION_CLOSED')
      await this.#client?.write(data)
    })
    this.#writing = written.catch(nothing)
    return written.catch((error: unknown) => {
      throw this.#failure ?? (isMixnetError(error) ? error : new MixnetError('CONNECTION_CLOSED', {}, { cause: error }))
    })
  }

  /** Without a farewell, which the library cannot send: a request says itself where it ends. */
  end(): void {
    void this.#writing.then(() => this.#stream.end())
  }

  destroy(error: MixnetError = new MixnetError('ABORTED')): void {
    this.#fail(error)
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#flush()
    this.#goOn()
  }

  async #shakeHands(): Promise<void> {
    const { random } = this.#options
    if (globalThis.crypto?.subtle === undefined) {
      const nextStep = 'Serve the page over https or from localhost: elsewhere browsers offer no cryptography.'
      throw new MixnetError('TLS_FAILED', { why: 'no WebCrypto' }, { nextStep })
    }
    const client = makeTLSClient(await this.#clientOptions())
    this.#client = client
    // Read again while nothing else can run: the session's number is drawn from it before the first wait.
    setCryptoImplementation(tlsCrypto(random))
    const sent = client.startHandshake({ random: random.bytes(32) })
    this.#stream.attach({
      data: (chunk) => {
        this.#stream.pause()
        this.#incoming.push(chunk)
        void this.#open()
      },
      end: () => this.#streamEnded(undefined),
      close: (error) => this.#streamEnded(error),
    })
    await Promise.all([sent, this.#proved.promise])
  }

  async #clientOptions(): Promise<TlsClientOptions> {
    const { host } = this.#options
    const log = nothing
    return {
      // The library cannot leave the name out for an address (RFC 6066 3 says to); servers do not mind.
      host: host.replace(/\.$/, ''),
      verifyServerCertificate: false,
      fetchCertificateBytes: () => Promise.reject(new MixnetError('TLS_FAILED', { why: 'a certificate is missing' })),
      supportedProtocolVersions: ['TLS1_3', 'TLS1_2'],
      cipherSuites: [...SUITES.values()].map(({ name }) => name) as NonNullable<TlsClientOptions['cipherSuites']>,
      namedCurves: (await hasX25519()) ? ['X25519', 'SECP256R1', 'SECP384R1'] : ['SECP256R1', 'SECP384R1'],
      applicationLayerProtocols: [PROTOCOL],
      // What it complains of is the first that is heard of a check that failed; it goes on with what is queued.
      logger: { trace: log, debug: log, info: log, warn: log, error: (error: unknown) => this.#fail(causeOf(error)) },
      write: ({ header, content }, { type }) => {
        if (type === 'plaintext' && header[0] === 22 && content[0] === 1) this.#watch.sent(content)
        return this.#stream.write(concat(header, content))
      },
      onRead: ({ header, content }, context) => this.#record(header[0] as number, content, context),
      onHandshake: () => {
        this.#prove().catch((error: unknown) => this.#fail(error))
      },
      onTlsEnd: (error) => {
        if (error !== undefined) this.#fail(error)
      },
    }
  }

  /** Opens what came, piece by piece. */
  async #open(): Promise<void> {
    if (this.#opening) return
    this.#opening = true
    try {
      for (let next = this.#incoming.shift(); next !== undefined; next = this.#incoming.shift()) {
        this.#watch.arrived(next)
        await this.#client?.handleReceivedBytes(next)
      }
      if (this.#watch.takeUpdateWanted()) this.#updateKeys()
    } catch (error) {
      this.#fail(error)
    }
    this.#opening = false
    this.#flush()
    if (this.#streamOver !== undefined) this.#cutOff(this.#streamOver.error)
    this.#goOn()
  }

  /** RFC 8446 4.6.3: the server has new keys and wants us to have some too. */
  #updateKeys(): void {
    this.#writing = this.#writing
      .then(() => (this.#state === 'open' ? this.#client?.updateTrafficKeys() : undefined))
      .catch((error: unknown) => this.#fail(error))
  }

  /** Before the library does anything with it; what this throws keeps it from doing so. */
  #record(type: number, content: Uint8Array, context: { type: string; plaintext?: Uint8Array }): void {
    if (this.#state === 'over') throw this.#failure ?? new MixnetError('CONNECTION_CLOSED')
    try {
      const sealed = context.type === 'ciphertext'
      const data = this.#watch.received({ type, sealed, plaintext: context.plaintext ?? content })
      if (data !== undefined && data.length > 0) this.#held.push(data)
    } catch (error) {
      this.#fail(error)
      throw error
    }
  }

  async #prove(): Promise<void> {
    const { clock, host, anchors } = this.#options
    const { proof } = this.#watch
    if (proof === undefined) throw new MixnetError('TLS_FAILED', { why: 'no proof' })
    const { certificates, scheme, signature, transcript } = proof
    const { publicKey } = await trustedCertificate({
      certificates,
      host,
      anchors: await anchors(),
      now: clock.now(),
    })
    const signed =
      transcript === undefined ? proof.signed : concat(proof.signed, await hashOf(transcript.hash, transcript.bytes))
    if (!(await signatureHolds(scheme, { publicKey, signature, signed }))) {
      throw new MixnetError('TLS_FAILED', { why: 'the certificate belongs to somebody else' })
    }
    if (this.#state !== 'handshake') return
    this.#state = 'open'
    this.#proved.resolve()
    this.#flush()
  }

  #streamEnded(error: MixnetError | undefined): void {
    this.#streamOver ??= { error }
    if (!this.#opening) this.#cutOff(error)
  }

  /** The stream is at its end. Without the server's farewell anybody may have cut it there (RFC 8446 6.1). */
  #cutOff(error: MixnetError | undefined): void {
    if (!this.#watch.isClosed || error !== undefined) {
      this.#fail(error ?? new MixnetError('CONNECTION_CLOSED', { why: 'TLS was cut off' }))
    }
  }

  #flush(): void {
    // As in ExitStream: a reader that resumes while it is given a chunk gets the next one, or the end, after it.
    if (this.#handlers === undefined || this.#state === 'handshake' || this.#flushing) return
    this.#flushing = true
    try {
      while (!this.#paused && this.#state === 'open' && this.#held.length > 0) {
        this.#handlers.data(this.#held.shift() as Uint8Array)
      }
    } finally {
      this.#flushing = false
    }
    if (this.#held.length > 0 || this.#state !== 'open' || !this.#watch.isClosed || this.#endTold) return
    this.#endTold = true
    this.#handlers.end()
  }

  /** Lets the stream bring more, where what it brought is dealt with. */
  #goOn(): void {
    const idle = !this.#opening && this.#incoming.length === 0
    if (idle && this.#state !== 'over' && !this.#paused && this.#held.length === 0) this.#stream.resume()
  }

  #fail(error: unknown): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#failure = failureOf(error)
    this.#incoming = []
    this.#held = []
    this.#proved.reject(this.#failure)
    this.#proved.promise.catch(nothing)
    this.#stream.destroy(this.#failure)
    this.#tellClose()
  }

  #tellClose(): void {
    if (this.#state !== 'over' || this.#handlers === undefined || this.#closeTold) return
    this.#closeTold = true
    this.#handlers.close(this.#failure)
  }
}

/** What the library logs is `{ err }`, or an alert. */
function causeOf(logged: unknown): unknown {
  return typeof logged === 'object' && logged !== null && 'err' in logged ? logged.err : logged
}

function failureOf(error: unknown): MixnetError {
  if (isMixnetError(error) && error.code !== 'MALFORMED') return error
  return new MixnetError('TLS_FAILED', { why: isMixnetError(error) ? error.message : 'handshake' }, { cause: error })
}

async function hashOf(hash: string, bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await globalThis.crypto.subtle.digest(hash, new Uint8Array(bytes)))
}

let x25519: Promise<boolean> | undefined
/** Chromium before 133, Firefox before 130 and Safari before 17 have none. */
function hasX25519(): Promise<boolean> {
  x25519 ??= globalThis.crypto.subtle.generateKey({ name: 'X25519' }, false, ['deriveBits']).then(
    () => true,
    () => false,
  )
  return x25519
}

function nothing(): void {}
