/** The mixnet as an application sees it in a page, a worker, Deno or Bun: `Mixnet` without what only Node has. @module */
import type { ClientWorld } from '../../foundation/platform/world.ts'
import { MixnetCore } from '../mixnetCore.ts'
import { type MixnetOptions, type OpenClient, openClient } from '../openClient.ts'
import type { LateParts } from './lateParts.ts'
import { createWebFetch, type WebFetch } from './webFetch.ts'

export interface WebMixnetOptions extends MixnetOptions {
  /** PEM of the only authorities that `fetch` trusts. Default: Mozilla's. */
  readonly ca?: string | undefined
  /** Default: loaded when first needed. */
  readonly parts?: LateParts | undefined
}

export class WebMixnet extends MixnetCore {
  /**
   * As the global one, through the mixnet, with a deadline that always fires. Rejects with MixnetErrors (EXIT_REFUSED,
   * HOST_UNKNOWN, TIMEOUT …), or with the reason of the caller's signal where that was aborted.
   */
  readonly fetch: WebFetch['fetch']
  /**
   * As the global one: `new mixnet.WebSocket(url, protocols, options)`, with a deadline for connecting that always fires. Every end
   * that is not peaceful is told by an `error` event, whose `error` is a MixnetError.
   */
  readonly WebSocket: WebFetch['WebSocket']
  readonly #fetch: WebFetch

  private constructor(world: ClientWorld, opened: OpenClient, { ca, parts }: Pick<WebMixnetOptions, 'ca' | 'parts'>) {
    super(world, opened)
    this.#fetch = createWebFetch(world, { dialer: opened.connections, ca, log: this.log, parts })
    this.fetch = this.#fetch.fetch
    this.WebSocket = this.#fetch.WebSocket
  }

  /** Resolves when packets can be sent. Throws as `openClient`. */
  static async connect(world: ClientWorld, { ca, parts, ...options }: WebMixnetOptions): Promise<WebMixnet> {
    return new WebMixnet(world, await openClient(world, options), { ca, parts })
  }

  override async close(): Promise<void> {
    await this.#fetch.close()
    await super.close()
  }
}
