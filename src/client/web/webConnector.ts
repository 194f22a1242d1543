/** Connections through the exit where there is no TLS of Node's: what `ExitConnector` is on Node. @module */
import type { ClientWorld } from '../../foundation/platform/world.ts'
import type { Dialer } from '../dialer.ts'
import type { Line } from '../line.ts'
import type { ByteStream } from './byteStream.ts'
import type { Purpose } from './http1Pool.ts'
import type { LateParts } from './lateParts.ts'
import type { Opening } from './origin.ts'
import type { TlsOptions } from './tlsStream.ts'
import { anchorsOf } from './trustAnchors.ts'

export interface WebConnectorOptions {
  readonly dialer: Dialer
  /** PEM of the only authorities to trust. Default: Mozilla's. */
  readonly ca?: string | undefined
  readonly parts: LateParts
}

export class WebConnector {
  readonly #world: Pick<ClientWorld, 'clock' | 'random'>
  readonly #options: WebConnectorOptions
  readonly #anchors: TlsOptions['anchors']

  /** Throws BAD_ARGUMENT for authorities that cannot be read. */
  constructor(world: Pick<ClientWorld, 'clock' | 'random'>, options: WebConnectorOptions) {
    this.#world = world
    this.#options = options
    const given = options.ca === undefined ? undefined : anchorsOf(options.ca)
    this.#anchors = async () => given ?? (await options.parts.anchors())
  }

  /** Throws what the dialer throws. Does not wait for the exit: what is written first goes right behind the connect message. */
  open({ origin: { secure, host, port }, isolation }: Purpose, line: Line): Opening {
    const stream = this.#options.dialer.open({ host, port }, isolation)
    line.opened(stream)
    const secured = async (): Promise<ByteStream> => {
      // Not needed before the server's certificate is there: time enough to load the list. What fails now fails again then.
      this.#anchors().catch(() => {})
      const { TlsStream } = await this.#options.parts.tls()
      const { clock, random } = this.#world
      const tls = await TlsStream.over(stream, { clock, random: random.stream('tls'), host, anchors: this.#anchors })
      line.secured(stream)
      return tls
    }
    return { ready: secure ? secured() : Promise.resolve(stream), abandon: (error) => stream.destroy(error) }
  }
}
