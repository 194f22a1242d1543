/**
 * What a node says of itself on the ledger: said again whenever it is not what the ledger has, which is twice a key rotation and when
 * the node moves. docs/spec/announcements.md. @module
 */
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import type { Log } from '../../foundation/base/observe.ts'
import { type Millis, millis, minutes } from '../../foundation/base/units.ts'
import { sleep } from '../../foundation/platform/clock.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { Ledger, LedgerAccount } from '../../network/ledger/ledger.ts'
import type { Keccak256 } from '../../protocol/economy/abiWords.ts'
import { announcementLeaf } from '../../protocol/economy/announcementLeaf.ts'
import { CAPABILITY } from '../../protocol/economy/draw.ts'
import { type Announcement, encodeAnnouncement, signAnnouncement } from '../../protocol/wire/directory/announcement.ts'
import { bytesOfHex, hexOfBytes } from './ledgerSources.ts'
import type { NodeRole } from './nodeConfig.ts'

/** What there is to be said now. */
export interface NodeAnnouncement {
  readonly announcement: Announcement
  /** Bits of a byte. */
  readonly capabilities: number
}

/** How a node reaches the ledger. The account is one that runs about with the node: it need not be the bond's owner, and holds fees only. */
export interface AnnouncingLedger {
  readonly ledger: Pick<Ledger, 'deployment' | 'read'>
  readonly account: Pick<LedgerAccount, 'write'>
  readonly keccak256: Keccak256
}

export interface AnnouncerOptions extends AnnouncingLedger {
  readonly world: Pick<World, 'clock' | 'crypto'>
  readonly identity: Uint8Array
  readonly identitySeed: Uint8Array
  readonly said: () => NodeAnnouncement
  readonly log: Log
}

/** A node that starts is bonded a moment later. */
const FIRST_RETRY = millis(100)
const LONGEST_RETRY = minutes(5)

/**
 * As the contracts know them. An exit's service is the network requester, and where something carries packets the router too. Entries are drawn before exits, so an exit that would be either
 * may be taken for an entry, and where there are few gateways the epoch is left without an exit: one that does not say `entry` too is not
 * offered as one, though clients may come in through it.
 */
export function capabilitiesOf(
  roles: readonly NodeRole[],
  { routesPackets = false }: { readonly routesPackets?: boolean } = {},
): number {
  const can = (role: NodeRole, bit: number): number => (roles.includes(role) ? bit : 0)
  const exit = CAPABILITY.exitRequester | (routesPackets ? CAPABILITY.exitRouter : 0)
  return can('mix', CAPABILITY.mix) | can('entry', CAPABILITY.entry) | can('exit', exit)
}

/**
 * Says it once now, unless the ledger has it already. Whether something was said; undefined where the node is not bonded. Rejects with what
 * writes reject with.
 */
export async function announceOnce(options: AnnouncerOptions): Promise<boolean | undefined> {
  const { ledger, account, world, identity, identitySeed, keccak256 } = options
  const nodeId = await ledger.read('mixnet', 'nodeIdOfKey', [hexOfBytes(identity)])
  if (nodeId === 0) return undefined
  const { announcement, capabilities } = options.said()
  const data = encodeAnnouncement(announcement)
  const { chainId, addresses } = ledger.deployment
  const contract = bytesOfHex(addresses.announcements)
  const sign = (sequence: bigint): Uint8Array =>
    signAnnouncement(world.crypto, identitySeed, { chainId, contract, nodeId, sequence, capabilities }, data)
  const sequence = await ledger.read('announcements', 'sequenceOf', [nodeId])
  if (sequence > 0n) {
    // Signatures are deterministic: the same words with the same number are the same bytes.
    const leaf = announcementLeaf({ nodeId, sequence, capabilities }, data, sign(sequence), keccak256)
    if (hexOfBytes(leaf) === (await ledger.read('announcements', 'leafOf', [nodeId]))) return false
  }
  const next = sequence + 1n
  await account.write('announcements', 'announce', [
    nodeId,
    next,
    capabilities,
    hexOfBytes(data),
    hexOfBytes(sign(next)),
  ])
  return true
}

/** Keeps at it until the ledger has what the node says; one at a time, the newest wins. */
export class Announcer {
  readonly #options: AnnouncerOptions
  readonly #stopping = new AbortController()
  readonly #said = Promise.withResolvers<void>()
  #wanted = false
  #waking = new AbortController()
  #running: Promise<void> | undefined

  constructor(options: AnnouncerOptions) {
    this.#options = options
    this.#said.promise.catch(() => {})
  }

  /** What the node says may be another now. */
  announce(): void {
    this.#wanted = true
    // Whoever asks knows why it may be otherwise now.
    this.#waking.abort()
    this.#waking = new AbortController()
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
  }

  /** Resolves when the ledger has had it once; rejects with STOPPED. */
  said(): Promise<void> {
    return this.#said.promise
  }

  stop(): Promise<void> {
    this.#stopping.abort()
    this.#said.reject(new MixnetError('STOPPED', { what: 'announcer' }))
    return this.#running ?? Promise.resolve()
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    let retry: Millis = FIRST_RETRY
    while (this.#wanted && !signal.aborted) {
      this.#wanted = false
      try {
        const said = await announceOnce(this.#options)
        if (said === true) this.#options.log.info('ledger.announced')
        if (said !== undefined) {
          this.#said.resolve()
          retry = FIRST_RETRY
          continue
        }
      } catch (error) {
        const fields = { code: isMixnetError(error) ? error.code : 'INTERNAL', retryMs: retry }
        this.#options.log.warn('ledger.not-announced', fields)
      }
      // Not bonded yet, or the ledger is away: both end.
      this.#wanted = true
      const woken = AbortSignal.any([signal, this.#waking.signal])
      await sleep(this.#options.world.clock, retry, woken).catch(() => {})
      retry = Math.min(2 * retry, LONGEST_RETRY) as Millis
    }
  }
}
