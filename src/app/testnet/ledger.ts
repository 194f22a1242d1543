/**
 * The ledger of a network on one machine: who owns its nodes, what they pay their fees from, who drives its epochs, and what becomes of
 * the time in which the network slept. @module
 */
import type { Deposits } from '../../client/credentials/issuerCalls.ts'
import { ledgerDeposits } from '../../client/credentials/ledgerDeposits.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { type Log, Meter } from '../../foundation/base/observe.ts'
import { millis, seconds } from '../../foundation/base/units.ts'
import { awaited, sleep } from '../../foundation/platform/clock.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { Address } from '../../network/ledger/chain.ts'
import type { Ledger, LedgerAccount } from '../../network/ledger/ledger.ts'
import type { Keccak256 } from '../../protocol/economy/abiWords.ts'
import { EpochDriver, type EpochDriverParams } from '../../roles/directory/epochDriver.ts'
import { LedgerNetwork, type LedgerNetworkParams } from '../../roles/directory/ledgerNetwork.ts'
import type { Redeemer } from '../../roles/gateway/redeemer.ts'
import type { MonitorLedger } from '../../roles/monitor/monitorLedger.ts'
import { epochsOf, readLedgerEpoch } from '../node/ledgerPlan.ts'
import { ledgerRedeemer } from '../node/ledgerRedeemer.ts'
import { bytesOfHex, epochLedger, hexOfBytes, ledgerSource } from '../node/ledgerSources.ts'
import type { NodeOptions, RunningNode } from '../node/node.ts'
import { performanceLedger } from '../node/performanceLedger.ts'
import { accountKey, TestnetAccounts, type TestnetAccountsOptions } from './accounts.ts'
import type { IssuingLedger } from './issuers.ts'
import type { NodePlan } from './layout.ts'

export interface LedgerPlan extends Omit<TestnetAccountsOptions, 'world' | 'folder'> {
  readonly keccak256: Keccak256
  /** Resolves when what was written until now stays, also where everything is killed. Default: it does at once. */
  readonly durable?: () => Promise<void>
  readonly drivers?: number
  readonly directory?: Partial<LedgerNetworkParams>
  readonly driver?: Partial<EpochDriverParams>
  /**
   * How many epochs that nobody ended while the network slept are gone through one by one; where they are more, the one that it fell
   * asleep in is made as long as the sleep. Takes the timelock's delay to be 0.
   */
  readonly catchUpEpochs?: number
  /** One epoch was made longer: seconds. */
  readonly onLongEpoch?: (epochId: number, length: number) => void
  /** A gateway was paid for tickets, by their issuers' votes. In unym. */
  readonly onEarned?: (gateway: string, unym: bigint, tickets: number) => void
}

export interface TestnetLedgerOptions extends LedgerPlan {
  readonly folder: string
  readonly world: World
  readonly logOf: (name: string) => Log
  readonly signal?: AbortSignal | undefined
}

/** A hundred-thousandth of all NYM. In unym. */
const PLEDGE = 10_000_000_000n
/** Of the faucet: a million NYM, in unym. */
const FOR_BOOKS = 1_000_000_000_000n
/** Of the first client, which is a person's: some hundred books. In unym. */
const OF_THE_CLIENT = 10_000_000_000n
/** Of a monitor: a hundred of them. In unym. */
const FOR_TICKETS = 7_500_000_000n
const COSTS = { profitMargin: 2n * 10n ** 17n, intervalOperatingCost: 1_000_000n }
const CATCH_UP_EPOCHS = 10
/** Seconds: what the contract allows. */
const LONGEST_EPOCH = 366 * 86_400
const LOOK_AGAIN = millis(25)
/** A few blocks of any chain. */
const LONGEST_LEAD_SECONDS = 60

/** Steps follow each other at once: nobody else drives the epochs of this machine. */
export const LOCAL_DRIVER: Partial<EpochDriverParams> = {
  stagger: millis(250),
  patience: seconds(2),
  blockLag: seconds(3),
  poll: seconds(10),
}
/** A chain of our own takes no block back. */
export const LOCAL_LEDGER: Partial<LedgerNetworkParams> = { confirmations: 0, poll: seconds(1) }

export class TestnetLedger {
  readonly ledger: Ledger
  readonly #options: TestnetLedgerOptions
  readonly #accounts: TestnetAccounts
  readonly #drivers: EpochDriver[] = []
  /** Of the account that announces, by node. */
  readonly #announcers = new Map<string, Address>()
  readonly #meter = new Meter()

  constructor(options: TestnetLedgerOptions) {
    this.#options = options
    this.#accounts = new TestnetAccounts(options)
    this.ledger = this.#accounts.ledger
  }

  /** As a directory sees it. */
  network(world: World): Promise<LedgerNetwork> {
    const { open, keccak256, directory, logOf } = this.#options
    return LedgerNetwork.open({
      world,
      source: ledgerSource(open(world), keccak256),
      params: directory,
      meter: this.#meter,
      log: logOf('directory').child('ledger'),
    })
  }

  /** A node's side of it: an account of its own, beside its keys, announces it and brings issuers' votes to the contract, which pays it. */
  async forNode({ name }: NodePlan, world: World): Promise<Pick<NodeOptions, 'ledger' | 'redeemer'>> {
    const { open, keccak256, folder, durable, onEarned } = this.#options
    const ledger = open(world)
    const account = await this.#accounts.at(hotKeyPath(folder, name), world)
    this.#announcers.set(name, account.address)
    const redeemer = (gateway: Uint8Array): Redeemer => {
      const paying = ledgerRedeemer({ ledger, account, gateway, confirmations: this.#confirmations })
      return {
        ...paying,
        async redeem(batch, signal) {
          const outcome = await paying.redeem(batch, signal)
          if (outcome.kind !== 'paid') return outcome
          // What the chain forgot would never be asked for again.
          await durable?.()
          if (outcome.unym !== undefined) onEarned?.(name, outcome.unym, batch.count)
          return outcome
        },
      }
    }
    return { ledger: { ledger, account, keccak256 }, redeemer }
  }

  /** A monitor's side of it, with an account of its own and one that pays for its tickets; `join` puts its stake in, once. */
  async monitor(number: number): Promise<{
    readonly reports: MonitorLedger
    readonly deposits: Deposits
    join(url: string): Promise<void>
  }> {
    const { world, keccak256 } = this.#options
    const account = await this.#accounts.named(`monitor-${number}`)
    const paying = await this.#accounts.named(`monitor-${number}-tickets`)
    await this.#accounts.stock(paying, FOR_TICKETS, FOR_TICKETS / 10n)
    const deposits = this.#keptDeposits(world, paying)
    return {
      reports: performanceLedger(this.ledger, account, keccak256),
      deposits,
      join: async (url) => {
        const { stake: joined } = await this.ledger.read('performance', 'participantOf', [account.address])
        if (joined > 0n) return
        const stake = this.ledger.deployment.params.participantStake
        await this.#accounts.stock(account, stake)
        await account.allow('performance', stake)
        await account.write('performance', 'join', [stake, true, url])
      },
    }
  }

  /** For the issuers, and for the faucet: from an account that has NYM for thousands of books. */
  async issuing(): Promise<IssuingLedger> {
    const { world, open, durable } = this.#options
    const account = await this.#accounts.named('faucet')
    await this.#accounts.stock(account, FOR_BOOKS, FOR_BOOKS / 10n)
    // Once for all: it is this account's purpose, and every book would wait for it.
    const { ecash } = this.ledger.deployment.addresses
    if ((await this.ledger.read('token', 'allowance', [account.address, ecash])) < FOR_BOOKS / 10n) {
      await account.allow('ecash', FOR_BOOKS)
    }
    const confirmations = this.#confirmations
    const paying = this.#keptDeposits(world, account)
    return {
      pay: (identityKey) => paying.deposit(identityKey),
      issuer: async (keyPath, where) => ({
        ledger: open(where),
        account: await this.#accounts.at(keyPath, where),
        confirmations,
        durable,
      }),
      agreed: async () => {
        const { agreed } = await epochsOf(this.ledger)
        return agreed === 0 ? undefined : readLedgerEpoch(this.ledger, agreed)
      },
      plan: (members, threshold, phaseSeconds) => this.#planIssuers([members, threshold], phaseSeconds),
    }
  }

  /** Numbers count deposits: one that the chain forgot would be another's. */
  #keptDeposits({ clock }: World, account: LedgerAccount): Deposits {
    const { signal } = this.#options
    const paying = ledgerDeposits({ clock, ledger: this.ledger, account, confirmations: this.#confirmations, signal })
    return {
      ...paying,
      deposit: async (identityKey, stopped) => {
        const id = await paying.deposit(identityKey, stopped)
        await this.#options.durable?.()
        return id
      },
    }
  }

  /** A plan must not begin before the block that it is made in, and people wait for it: as soon as this chain can. */
  async #planIssuers(who: readonly [members: readonly unknown[], threshold: number], phaseSeconds: number) {
    const { clock } = this.#options.world
    for (let lead = 1; ; lead *= 2) {
      const { time } = await this.ledger.block()
      const startsAt = BigInt(Math.max(time, Math.floor(clock.now() / 1000)) + lead)
      try {
        return await this.#accounts.govern({ contract: 'issuers', fn: 'plan', args: [...who, startsAt, phaseSeconds] })
      } catch (error) {
        const isLate = isMixnetError(error) && error.details.reason === 'BadPlan'
        if (!isLate || lead > LONGEST_LEAD_SECONDS) throw error
      }
    }
  }

  /** Path of the key of the first client's own account, which has NYM for books and does nothing else. */
  async clientKey(): Promise<string> {
    await this.#accounts.stock(await this.#accounts.named('client'), OF_THE_CLIENT, OF_THE_CLIENT / 10n)
    return accountKey(this.#options.folder, 'client')
  }

  get #confirmations(): number {
    return this.#options.directory?.confirmations ?? 0
  }

  /** Every node has an owner of its own: the ledger allows one bond each. In the order of the plans, which is that of their ids. */
  async bondAll(nodes: readonly { readonly plan: NodePlan; readonly running: RunningNode }[]): Promise<void> {
    const owners = await Promise.all(nodes.map(({ plan }) => this.#ownerOf(plan)))
    for (const [i, node] of nodes.entries()) await this.#bond(owners[i] as LedgerAccount, node)
    await Promise.all(nodes.map((node, i) => this.#allowAnnouncing(owners[i] as LedgerAccount, node)))
  }

  /** Resolves when the ledger is in an epoch that runs, with a set. Throws ABORTED. */
  async drive(): Promise<void> {
    const { world, signal, logOf, keccak256, open, drivers = 1, driver: params } = this.#options
    for (let number = 1; number <= drivers; number++) {
      const ledger = open(world)
      const account = await this.#accounts.named(`driver-${number}`)
      const driver = new EpochDriver({
        world,
        ledger: epochLedger(ledger, account, keccak256),
        params: params ?? LOCAL_DRIVER,
        meter: this.#meter,
        log: logOf(`driver-${number}`),
      })
      this.#drivers.push(driver)
      driver.start()
    }
    for (;;) {
      const [interval, setEpochId] = await this.#now()
      const end = Number(interval.currentEpochStart) + interval.epochLength
      if (setEpochId === interval.totalElapsedEpochs && end * 1000 > world.clock.now()) return
      await awaited(world.clock, sleep(world.clock, LOOK_AGAIN, signal))
    }
  }

  async #now() {
    const { results } = await this.ledger.readAll([
      { contract: 'mixnet', fn: 'interval', args: [] },
      { contract: 'rewardedSet', fn: 'epochId', args: [] },
      { contract: 'mixnet', fn: 'epochState', args: [] },
    ])
    return results
  }

  /** The epoch that now runs, as the ledger has it: ids are absolute, times Unix seconds. */
  async epoch(): Promise<{ readonly epochId: number; readonly endsAt: number }> {
    const [{ totalElapsedEpochs, currentEpochStart, epochLength }] = await this.#now()
    return { epochId: totalElapsedEpochs, endsAt: Number(currentEpochStart) + epochLength }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#drivers.splice(0).map((driver) => driver.stop()))
  }

  /**
   * Nobody ended epochs while the network slept, and a day has 1,440 of a minute. Nothing happened in them, so the one in which it fell
   * asleep is made as long as the sleep, by governance as any change of its length; the next has its usual length again. Before anybody
   * hears of the epoch: nodes reckon by its length.
   */
  async wake(): Promise<void> {
    const { world, catchUpEpochs = CATCH_UP_EPOCHS, onLongEpoch } = this.#options
    const { epochSeconds, epochsInInterval } = this.ledger.deployment.params
    const [interval, , [state]] = await this.#now()
    const sinceStart = Math.min(
      LONGEST_EPOCH,
      Math.floor(world.clock.now() / 1000) - Number(interval.currentEpochStart),
    )
    const missed = Math.floor(sinceStart / interval.epochLength) - 1
    if (state === IN_PROGRESS && missed > catchUpEpochs) {
      await this.#govern('updateIntervalConfig', [epochsInInterval, sinceStart, true])
      onLongEpoch?.(interval.totalElapsedEpochs, sinceStart)
      await this.#endEpoch(interval.totalElapsedEpochs)
      await this.#govern('updateIntervalConfig', [epochsInInterval, epochSeconds, true])
      return
    }
    // A kill may have come between the two.
    if (interval.epochLength !== epochSeconds && state === IN_PROGRESS && sinceStart < interval.epochLength) {
      await this.#govern('updateIntervalConfig', [epochsInInterval, epochSeconds, true])
    }
  }

  async #endEpoch(epochId: number): Promise<void> {
    const { world, keccak256, logOf } = this.#options
    const driver = new EpochDriver({
      world,
      ledger: epochLedger(this.ledger, this.#accounts.treasury, keccak256),
      params: { ...LOCAL_DRIVER, stagger: millis(0) },
      meter: new Meter(),
      log: logOf('driver'),
    })
    driver.start()
    try {
      while ((await this.epoch()).epochId === epochId) await awaited(world.clock, sleep(world.clock, LOOK_AGAIN))
    } finally {
      await driver.stop()
    }
  }

  #govern(fn: 'updateIntervalConfig', args: readonly [number, number, boolean]): Promise<void> {
    return this.#accounts.govern({ contract: 'mixnet', fn, args })
  }

  async #ownerOf({ name }: NodePlan): Promise<LedgerAccount> {
    const owner = await this.#accounts.named(name)
    if ((await this.ledger.read('mixnet', 'nodeIdOf', [owner.address])) !== 0) return owner
    await this.#accounts.stock(owner, PLEDGE)
    await owner.allow('mixnet', PLEDGE)
    return owner
  }

  async #bond(owner: LedgerAccount, { plan, running }: { plan: NodePlan; running: RunningNode }): Promise<void> {
    const identity = hexOfBytes(running.identity)
    const { port } = running.endpoints.http
    const nodeId = await this.ledger.read('mixnet', 'nodeIdOfKey', [identity])
    if (nodeId !== 0) {
      const { host, httpPort } = await this.ledger.read('mixnet', 'bondOf', [nodeId])
      if (host !== plan.host || httpPort !== port) await owner.write('mixnet', 'updateHost', [plan.host, port])
      return
    }
    const about = [identity, plan.host, port, COSTS, PLEDGE] as const
    const payload = await this.ledger.read('mixnet', 'bondingPayload', [owner.address, ...about])
    const signature = running.sign(bytesOfHex(payload))
    const [r, s] = [hexOfBytes(signature.subarray(0, 32)), hexOfBytes(signature.subarray(32))]
    await owner.write('mixnet', 'bond', [...about, r, s])
  }

  async #allowAnnouncing(
    owner: LedgerAccount,
    { plan, running }: { plan: NodePlan; running: RunningNode },
  ): Promise<void> {
    const announcer = this.#announcers.get(plan.name)
    if (announcer === undefined) return
    const nodeId = await this.ledger.read('mixnet', 'nodeIdOfKey', [hexOfBytes(running.identity)])
    const known = await this.ledger.read('announcements', 'announcerOf', [nodeId])
    if (known.toLowerCase() !== announcer.toLowerCase()) {
      await owner.write('announcements', 'setAnnouncer', [nodeId, announcer])
    }
  }
}

const IN_PROGRESS = 0
const hotKeyPath = (folder: string, name: string): string => `${folder}/nodes/${name}/ledger.key`
