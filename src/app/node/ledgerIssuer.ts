/**
 * An issuer whose plans are on the ledger. It follows the contract: makes keys when there is a plan that names it, says so, and issues with
 * them once a threshold of members have said the same; hands them on when there is another plan, without being started again. Deposits are
 * the contract's as well. @module
 */
import { equalBytes } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { type Millis, millis, seconds } from '../../foundation/base/units.ts'
import { awaited, sleep } from '../../foundation/platform/clock.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { Ledger, LedgerAccount } from '../../network/ledger/ledger.ts'
import { masterKeyHash } from '../../network/ledger/masterKeyHash.ts'
import type { AgreedKeys } from '../../roles/issuer/agreedKeys.ts'
import { agreeOnKeys, type DkgOutcome } from '../../roles/issuer/dkg/dkgParticipant.ts'
import { loadAgreedKeys } from '../../roles/issuer/dkg/keyFile.ts'
import { LedgerBoard } from '../../roles/issuer/dkg/ledgerBoard.ts'
import type { Issuer } from '../../roles/issuer/issuer.ts'
import { LedgerDeposits } from '../../roles/issuer/ledgerDeposits.ts'
import { EPOCHS_KEPT } from '../../roles/issuer/publicSignatures.ts'
import type { IssuerKey } from './issuerKey.ts'
import { type IssuerParts, type KeyWork, type RunningIssuer, serveIssuer } from './issuerService.ts'
import { dkgPlanOf, epochsOf, type LedgerEpoch, readLedgerEpoch } from './ledgerPlan.ts'

export interface LedgerIssuerOptions extends IssuerParts {
  readonly ledger: Ledger
  /** That the plan names as the owner of this issuer. */
  readonly account: LedgerAccount
  /** Blocks on top of a deposit or of what is said on the board before it counts. The same for all issuers. */
  readonly confirmations: number
  /**
   * Resolves when what the chain has now will stay, where blocks on top say nothing of that: a chain on this machine may be killed, and
   * come back as it was seconds ago. Default: blocks on top say it.
   */
  readonly durable?: (() => Promise<void>) | undefined
  /** Of a local network: who pays deposits for nothing. */
  readonly faucetUrl?: string | undefined
  /** How often the contract is looked at where nothing happens. Default: 10 s. */
  readonly lookEvery?: Millis
}

const LOOK_EVERY = seconds(10)
/** A look at the board is a question over the net; blocks take a second at least. */
const POLL_BOARD = seconds(1)
/** What another try would end with as well. */
const FOR_GOOD = ['ISSUERS_UNAVAILABLE', 'CONFIG_INVALID', 'KEY_FILE_UNREADABLE'] as const
const KEYS_FILE = /^keys-(\d+)\.json$/

/** Serves when it resolves. `agreed` resolves when it first issues, or knows that it has no part in it. Throws as `startIssuer`. */
export function startLedgerIssuer(world: World, options: LedgerIssuerOptions): Promise<RunningIssuer> {
  const { config, ledger, confirmations, durable, faucetUrl, log } = options
  return serveIssuer(world, options, async () => {
    const deposits = new LedgerDeposits({ clock: world.clock, ledger, confirmations, durable })
    const work = (issuer: Issuer, key: IssuerKey, signal: AbortSignal): KeyWork => {
      const follower = new Follower(world, options, key, issuer, signal)
      const ended = follower.run().catch((error: unknown) => {
        if (!signal.aborted) log.error('issuer.stopped-following', { code: codeOf(error) })
        follower.fail(error)
      })
      return { agreed: follower.first, ended }
    }
    return { deposits, faucetUrl, olderKeys: await storedKeys(world, config.data), work }
  })
}

class Follower {
  readonly #world: World
  readonly #options: LedgerIssuerOptions
  readonly #key: IssuerKey
  readonly #issuer: Issuer
  readonly #signal: AbortSignal
  readonly first: Promise<DkgOutcome>
  readonly #told: PromiseWithResolvers<DkgOutcome> = Promise.withResolvers()
  #adopted = 0
  #hasKeys = false
  /** Of the newest plan that came to an end here. */
  #ended: { readonly epochId: number; readonly outcome: DkgOutcome | undefined } = { epochId: 0, outcome: undefined }

  constructor(world: World, options: LedgerIssuerOptions, key: IssuerKey, issuer: Issuer, signal: AbortSignal) {
    this.#world = world
    this.#options = options
    this.#key = key
    this.#issuer = issuer
    this.#signal = signal
    this.first = this.#told.promise
  }

  fail(error: unknown): void {
    this.#told.reject(error)
  }

  async run(): Promise<void> {
    const { clock } = this.#world
    const { log, lookEvery = LOOK_EVERY } = this.#options
    let wait = this.#soon
    for (;;) {
      try {
        const isMoving = await this.#look()
        wait = isMoving ? this.#soon : millis(Math.min(2 * wait, lookEvery))
      } catch (error) {
        if (this.#signal.aborted || !isMixnetError(error)) throw error
        // The ledger or the others are away: what was done is on the disk and on the chain.
        log.warn('issuer.plan-not-followed', { code: error.code, reason: String(error.details.reason ?? '') })
        wait = lookEvery
      }
      await awaited(clock, sleep(clock, wait, this.#signal))
    }
  }

  get #soon(): Millis {
    return this.#options.dkg?.pollEvery ?? POLL_BOARD
  }

  /** Whether something happened, or is about to. */
  async #look(): Promise<boolean> {
    const { ledger, lookEvery = LOOK_EVERY } = this.#options
    const { agreed, planned } = await epochsOf(ledger)
    const isNew = agreed !== this.#adopted
    if (isNew) await this.#adopt(agreed)
    // Killed when the others had agreed already it has no keys, but all that makes them is on the board.
    if ((planned === agreed && this.#hasKeys) || planned === this.#ended.epochId || planned === 0) return isNew
    const epoch = await readLedgerEpoch(ledger, planned)
    const block = await ledger.block()
    // The board opens with the first block of that time.
    if (block.time < epoch.startsAt) return epoch.startsAt * 1000 < this.#world.clock.now() + lookEvery
    const outcome = await this.#makeKeys(epoch)
    if (outcome?.kind === 'member') await this.#confirm(outcome.keys)
    this.#ended = { epochId: planned, outcome }
    if (outcome !== undefined && outcome.kind !== 'member') this.#told.resolve(outcome)
    if (outcome?.kind === 'member' && planned === agreed) await this.#adopt(agreed)
    return true
  }

  /** undefined where we have no part in it, or governance gave the plan up meanwhile. */
  async #makeKeys(epoch: LedgerEpoch): Promise<DkgOutcome | undefined> {
    const { ledger, account, confirmations, durable, config, engine, dkgEngine, log, meter } = this.#options
    const { epochId, startsAt } = epoch
    const plan = await dkgPlanOf({ world: this.#world, ledger, engine, folder: config.data }, epoch)
    const isOurs = [...plan.members, ...(plan.previous?.members ?? [])].some(({ identity }) =>
      equalBytes(identity, this.#key.identity),
    )
    if (!isOurs) return undefined
    const previous = plan.previous && (await loadAgreedKeys(this.#world.files, config.data, plan.previous.epochId))
    const given = new AbortController()
    const stop = () => given.abort()
    this.#signal.addEventListener('abort', stop, { once: true })
    const watching = this.#untilGivenUp(epochId, given.signal).then(stop, () => {})
    const { clock } = this.#world
    const board = new LedgerBoard({
      clock,
      ledger,
      account,
      epochId: BigInt(epochId),
      startsAt,
      confirmations,
      durable,
      signal: given.signal,
    })
    try {
      return await agreeOnKeys(this.#world, {
        plan,
        identitySeed: this.#key.seed,
        board,
        engine: dkgEngine,
        previousKey: previous?.own.secretKey,
        folder: config.data,
        log: log.child('dkg'),
        meter,
        signal: given.signal,
        params: { pollEvery: this.#soon },
      })
    } catch (error) {
      if (given.signal.aborted && !this.#signal.aborted) return undefined
      if (FOR_GOOD.some((code) => isMixnetError(error, code))) {
        log.error('issuer.no-keys', { epoch: epochId, code: codeOf(error) })
        this.#ended = { epochId, outcome: undefined }
        this.#told.reject(error)
      }
      throw error
    } finally {
      stop()
      this.#signal.removeEventListener('abort', stop)
      await watching
    }
  }

  /** Resolves when that is not the newest plan any more. Rejects when `signal` is aborted. */
  async #untilGivenUp(epochId: number, signal: AbortSignal): Promise<void> {
    const { ledger, lookEvery = LOOK_EVERY } = this.#options
    for (;;) {
      await sleep(this.#world.clock, lookEvery, signal)
      const planned = await epochsOf(ledger).then(
        (epochs) => epochs.planned,
        () => epochId,
      )
      if (planned !== epochId) return
    }
  }

  async #confirm({ epochId, masterKey }: AgreedKeys): Promise<void> {
    const { account, log } = this.#options
    const hash = masterKeyHash(this.#world.crypto, masterKey)
    try {
      await account.write('issuers', 'confirm', [BigInt(epochId), hash], { signal: this.#signal })
      log.info('issuer.confirmed', { epoch: epochId })
    } catch (error) {
      const reason = isMixnetError(error) ? error.details.reason : undefined
      // By an earlier life of ours; or governance planned something else meanwhile.
      if (reason !== 'AlreadyConfirmed' && reason !== 'BadPlan') throw error
    }
  }

  /** Issues with the keys of that epoch, if we have some: what t members said is what counts. */
  async #adopt(agreed: number): Promise<void> {
    const { ledger, config, log } = this.#options
    const keys = agreed === 0 ? undefined : await loadAgreedKeys(this.#world.files, config.data, agreed)
    if (keys !== undefined) {
      const epoch = await readLedgerEpoch(ledger, agreed)
      if (masterKeyHash(this.#world.crypto, keys.masterKey) !== epoch.masterKeyHash) {
        throw new MixnetError('CONFIG_INVALID', { what: 'keys of an epoch', why: 'the ledger has the hash of others' })
      }
    }
    this.#issuer.adopt(keys)
    this.#adopted = agreed
    this.#hasKeys = keys !== undefined
    if (keys === undefined) return
    log.info('issuer.keys', { epoch: keys.epochId, threshold: keys.threshold, issuers: keys.members.length })
    const { outcome } = this.#ended
    this.#told.resolve(outcome?.kind === 'member' ? outcome : { kind: 'member', keys, culprits: [] })
  }
}

async function storedKeys({ files }: World, folder: string): Promise<readonly AgreedKeys[]> {
  const epochs = (await files.list(folder))
    .flatMap((name) => KEYS_FILE.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b)
  const keys = await Promise.all(epochs.slice(-EPOCHS_KEPT).map((epoch) => loadAgreedKeys(files, folder, epoch)))
  return keys.filter((one) => one !== undefined)
}

const codeOf = (error: unknown): string => (isMixnetError(error) ? error.code : 'INTERNAL')
