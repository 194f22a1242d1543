/** The tunnels of one client: opens them at an exit that the directory lists, and hands each the messages that are its own. @module */
import { isMixnetError, MixnetError, tryDecode } from '../../foundation/base/errors.ts'
import { millis, seconds } from '../../foundation/base/units.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import { withDeadline } from '../../foundation/platform/clock.ts'
import type { ClientWorld } from '../../foundation/platform/world.ts'
import type { DirectoryClient } from '../../network/topology/directoryClient.ts'
import { parseRecipient, type Recipient } from '../../protocol/packet/recipient.ts'
import { decodeDescribedNodes } from '../../protocol/wire/directory/describedNodes.ts'
import type { ReceivedMessage } from '../mixnetClient.ts'
import { IpTunnel, type IpTunnelOptions } from './ipTunnel.ts'
import { type Entries, RouterChoice } from './routerChoice.ts'
import { CONNECT_SLOTS, CONNECT_TIMEOUT } from './tunnelOpening.ts'

export interface OpenTunnelOptions extends Omit<IpTunnelOptions, 'router' | 'onSilent'> {
  readonly directory: DirectoryClient
  /** Address of the only router to use. Default: a random one that the directory lists, not at our entry nor, where there is a choice, at another guard of ours. */
  readonly router?: Recipient | undefined
  readonly entries: Entries
}

/** A round trip takes a second or two, and a question that was lost is sent again: by then there has been time for two. */
const ANSWER_WITHIN = seconds(10)
/** Routers that one caller waits for: then he is told, and what he is told of is looked at by somebody. */
const TRIES = 3
const LIST_LIMIT = seconds(10)

export class IpTunnels {
  readonly #world: ClientWorld
  readonly #open = new Set<IpTunnel>()
  readonly #choice: RouterChoice
  /** Those that the directory listed when it was last asked. */
  #known: readonly Recipient[] = []

  constructor(world: ClientWorld) {
    this.#world = world
    this.#choice = new RouterChoice(world.clock, world.random.stream('ip-router-choice'))
  }

  /**
   * Where no router is named, one that does not answer within ten seconds, or takes nobody, is left for another. Throws EXIT_UNREACHABLE where the
   * directory lists none, EXIT_REFUSED where those that may be asked are full, and as `IpTunnel.open`.
   */
  async open({ directory, router, entries, ...options }: OpenTunnelOptions): Promise<IpTunnel> {
    if (router !== undefined) return await this.#openAt({ ...options, router })
    const { clock } = this.#world
    const { timeout = CONNECT_TIMEOUT, slot = 0, signal } = options
    const end = clock.monotonic() + timeout
    let refusal: MixnetError | undefined
    for (let tries = 1; ; tries++) {
      const found = await this.#choose(directory, entries, signal)
      if (found === undefined) throw allRefuse(refusal)
      const within = Math.min(ANSWER_WITHIN + CONNECT_SLOTS * slot, Math.max(0, end - clock.monotonic()))
      try {
        const onSilent = () => this.#choice.silent(found)
        const tunnel = await this.#openAt({ ...options, router: found, timeout: millis(within), onSilent })
        this.#choice.took(found)
        return tunnel
      } catch (error) {
        const isOver = tries === TRIES || clock.monotonic() >= end
        if (isMixnetError(error, 'EXIT_REFUSED')) {
          this.#choice.refused(found)
          if (isOver) throw allRefuse(error)
          refusal = error
        } else if (!isMixnetError(error, 'EXIT_UNREACHABLE') || isOver) throw error
      }
    }
  }

  async #openAt(options: IpTunnelOptions): Promise<IpTunnel> {
    let opened: IpTunnel | undefined
    try {
      return await IpTunnel.open(this.#world, options, (tunnel) => {
        opened = tunnel
        this.#open.add(tunnel)
      })
    } catch (error) {
      if (opened !== undefined) this.#open.delete(opened)
      throw error
    }
  }

  /**
   * The directory is asked again only where none is left, since it learns by that that our exit is gone. It may be gone itself. undefined: all that
   * are left have refused, and are not asked again yet.
   */
  async #choose(
    directory: DirectoryClient,
    entries: Entries,
    signal: AbortSignal | undefined,
  ): Promise<Recipient | undefined> {
    const choice = this.#choice
    const known = choice.next(this.#known, entries)
    if (known !== undefined) return known
    // Who comes here meanwhile, for every packet of a program perhaps, asks the directory nothing either.
    if (choice.hasResting && choice.again(this.#known, entries) === undefined) return undefined
    const listing = withDeadline(
      this.#world.clock,
      LIST_LIMIT,
      'IP packet routers',
      listRouters(this.#world.crypto, directory, signal),
    )
    this.#known = this.#known.length === 0 ? await listing : await listing.catch(() => this.#known)
    // One that is both would know who asks and for what.
    const found = choice.next(this.#known, entries) ?? choice.again(this.#known, entries)
    if (found !== undefined || choice.hasResting) return found
    if (this.#known.length === 0) {
      const nextStep =
        'Whoever runs an exit lets it: docs/guides/programs.md (on this machine: apt install passt, and start anew).'
      throw new MixnetError('EXIT_UNREACHABLE', {}, { message: 'no exit of this network carries IP packets', nextStep })
    }
    const why = 'the only IP packet router is at our entry'
    throw new MixnetError('EXIT_UNREACHABLE', { why }, { nextStep: 'Use another entry gateway.' })
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

/** `last`: what was heard just now; undefined where nobody was asked. */
function allRefuse(last: MixnetError | undefined): MixnetError {
  const why = last?.details.why ?? 'they said so a short while ago'
  const message = 'the IP packet routers that may be asked take nobody now'
  return new MixnetError('EXIT_REFUSED', { why }, { message, nextStep: 'Try again in a minute.', cause: last })
}

async function listRouters(
  crypto: CryptoProvider,
  directory: DirectoryClient,
  signal: AbortSignal | undefined,
): Promise<readonly Recipient[]> {
  const page = await directory.ask((reader) => reader.get('/v1/nym-nodes/described', decodeDescribedNodes), signal)
  return page.items.flatMap(({ declaredRole, ipPacketRouter }) => {
    if (!declaredRole.exitIpr || ipPacketRouter === undefined) return []
    const address = tryDecode(() => parseRecipient(crypto, ipPacketRouter.address))
    return isMixnetError(address) ? [] : [address]
  })
}
