/** The tunnels of one client: opens them at an exit that the directory lists, and hands each the messages that are its own. @module */
import { isMixnetError, MixnetError, tryDecode } from '../../foundation/base/errors.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import type { ClientWorld } from '../../foundation/platform/world.ts'
import type { DirectoryClient } from '../../network/topology/directoryClient.ts'
import { parseRecipient, type Recipient } from '../../protocol/packet/recipient.ts'
import { decodeDescribedNodes } from '../../protocol/wire/directory/describedNodes.ts'
import { anotherExit } from '../exitSelection.ts'
import type { ReceivedMessage } from '../mixnetClient.ts'
import { IpTunnel, type IpTunnelOptions } from './ipTunnel.ts'

/** The gateway in use, and those that might be: identities. */
export interface Entries {
  readonly entry: Uint8Array
  readonly guards: readonly Uint8Array[]
}

export interface OpenTunnelOptions extends Omit<IpTunnelOptions, 'router'> {
  readonly directory: DirectoryClient
  /** Address of the only router to use. Default: a random one that the directory lists, not at our entry nor, where there is a choice, at another guard of ours. */
  readonly router?: Recipient | undefined
  readonly entries: Entries
}

export class IpTunnels {
  readonly #world: ClientWorld
  readonly #open = new Set<IpTunnel>()

  constructor(world: ClientWorld) {
    this.#world = world
  }

  /** Throws EXIT_UNREACHABLE where the directory lists no router, and as `IpTunnel.open`. */
  async open({ directory, router, entries, ...options }: OpenTunnelOptions): Promise<IpTunnel> {
    const found = router ?? (await this.#choose(directory, entries))
    let opened: IpTunnel | undefined
    try {
      return await IpTunnel.open(this.#world, { ...options, router: found }, (tunnel) => {
        opened = tunnel
        this.#open.add(tunnel)
      })
    } catch (error) {
      if (opened !== undefined) this.#open.delete(opened)
      throw error
    }
  }

  async #choose(directory: DirectoryClient, entries: Entries): Promise<Recipient> {
    const { crypto, random } = this.#world
    const routers = await listRouters(crypto, directory)
    // One that is both would know who asks and for what.
    const found = anotherExit(random.stream('ip-router-choice'), routers, entries)
    if (found !== undefined) return found
    const why =
      routers.length === 0 ? 'the directory lists no IP packet router' : 'the only IP packet router is at our entry'
    throw new MixnetError('EXIT_UNREACHABLE', { why }, { nextStep: 'Use another directory, or another entry gateway.' })
  }

  /** True where a tunnel took it. */
  take(message: ReceivedMessage): boolean {
    for (const tunnel of this.#open) {
      if (!tunnel.isOpen) this.#open.delete(tunnel)
      else if (tunnel.take(message)) return true
    }
    return false
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open].map((tunnel) => tunnel.close()))
    this.#open.clear()
  }
}

async function listRouters(crypto: CryptoProvider, directory: DirectoryClient): Promise<readonly Recipient[]> {
  const page = await directory.ask((reader) => reader.get('/v1/nym-nodes/described', decodeDescribedNodes))
  return page.items.flatMap(({ declaredRole, ipPacketRouter }) => {
    if (!declaredRole.exitIpr || ipPacketRouter === undefined) return []
    const address = tryDecode(() => parseRecipient(crypto, ipPacketRouter.address))
    return isMixnetError(address) ? [] : [address]
  })
}
