/** The mixnet as an application sees it in a page, a worker, Deno or Bun: `Mixnet` without what only Node has. @module */
import type { ClientWorld } from '../../foundation/platform/world.ts'
import { MixnetCore } from '../mixnetCore.ts'
import { type MixnetOptions, type OpenClient, openClient } from '../openClient.ts'

export class WebMixnet extends MixnetCore {
  private constructor(world: ClientWorld, opened: OpenClient) {
    super(world, opened)
  }

  /** Resolves when packets can be sent. Throws as `openClient`. */
  static async connect(world: ClientWorld, options: MixnetOptions): Promise<WebMixnet> {
    return new WebMixnet(world, await openClient(world, options))
  }
}
