/** Somebody who listens in on a node's links, and keeps what was said. @module */
import { concat } from '../../src/foundation/base/bytes.ts'
import type { Connection, ConnectionHandlers } from '../../src/foundation/platform/net.ts'
import type { World } from '../../src/foundation/platform/world.ts'
import { MixFrameDecoder } from '../../src/protocol/wire/mixFrame.ts'

/** What came over the links of a node, connection by connection. */
export class Tap {
  readonly links: Uint8Array[][] = []
  #running = true

  stop(): void {
    this.#running = false
  }

  listenIn(world: World): World {
    const listen: World['net']['listen'] = (options, accept) =>
      world.net.listen(options, (connection) => accept(this.#tapped(connection)))
    return { ...world, net: { ...world.net, listen } }
  }

  #tapped(connection: Connection): Connection {
    const link: Uint8Array[] = []
    if (this.#running) this.links.push(link)
    const attach = (handlers: ConnectionHandlers) =>
      connection.attach({
        ...handlers,
        data: (chunk) => {
          if (this.#running) link.push(chunk.slice())
          handlers.data(chunk)
        },
      })
    return new Proxy(connection, {
      get(target, name) {
        if (name === 'attach') return attach
        const value = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }
}

export function framesIn(links: readonly (readonly Uint8Array[])[]): number {
  let frames = 0
  for (const link of links) {
    const decoder = new MixFrameDecoder()
    decoder.push(concat(...link))
    for (let frame = decoder.next(); frame !== undefined && !('refused' in frame); frame = decoder.next()) frames++
  }
  return frames
}
