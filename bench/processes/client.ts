/** A client with a SOCKS proxy in a process of its own. @module */
import { Mixnet } from '../../src/client/mixnet.ts'
import { Meter } from '../../src/foundation/base/observe.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import type { Endpoint } from '../../src/foundation/platform/net.ts'
import { nodeWorld } from '../../src/foundation/platform/node/nodeWorld.ts'
import { answer } from './rpc.ts'

export interface StartClient {
  readonly directory: string
  readonly anonymous: boolean
}

const meter = new Meter()
let mixnet: Mixnet | undefined

answer({
  async start({ directory, anonymous }: StartClient): Promise<Endpoint> {
    mixnet = await Mixnet.connect(nodeWorld(nodeProvider), { directories: [directory], anonymous, meter })
    const proxy = await mixnet.proxy({ host: '127.0.0.1', port: 0 })
    return proxy.endpoint
  },
  counters: () => meter.snapshot(),
  stop: () => mixnet?.close(),
})
