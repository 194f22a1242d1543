/**
 * The ledger of a network on one machine: who owns its nodes, what they pay their fees from, who drives its epochs, and what becomes of
 * the time in which the network slept. @module
 */
import type { Deposits } from '../../client/credentials/issuerCalls.ts'
import { ledgerDeposits } from '../../client/credentials/ledgerDeposits.ts'
import { type Log, Meter } from '../../foundation/base/observe.ts'
import { millis, seconds } from '../../foundation/base/units.ts'
import { awaited, sleep } from '../../foundation/platform/clock.ts'
import type { World } from '../../foundation/platform/world.ts'
import { encodeCall } from '../../network/ledger/calls.ts'
import type { Address, Hex } from '../../network/ledger/chain.ts'
import type { Ledger, LedgerAccount, Signer } from '../../network/ledger/ledger.ts'
import type { Keccak256 } from '../../protocol/economy/abiWords.ts'
import { EpochDriver, type EpochDriverParams } from '../../roles/directory/epochDriver.ts'
import { LedgerNetwork, type LedgerNetworkParams } from '../../roles/directory/ledgerNetwork.ts'
import { LedgerDeposits } from '../../roles/issuer/ledgerDeposits.ts'
import type { MonitorLedger } from '../../roles/monitor/monitorLedger.ts'
import type { AnnouncingLedger } from '../node/ledgerAnnouncing.ts'
import { loadOrCreateLedgerKey } from '../node/ledgerKeys.ts'
import { bytesOfHex, epochLedger, hexOfBytes, ledgerSource } from '../node/ledgerSources.ts'
import type { RunningNode } from '../node/node.ts'
import { performanceLedger } from '../node/performanceLedger.ts'
import type { LedgerSale } from './issuers.ts'
import type { NodePlan } from './layout.ts'

export interface LedgerPlan {
  /** The deployed ledger as a host reaches it: in a simulation each has a way of its own. */
  readonly open: (world: World) => Ledger
  readonly keccak256: Keccak256
  /** Has all tokens, and is who may propose to the timelock. */
  readonly treasury: Signer
  /** Gives an account what it pays fees with. */
  readonly fund: (address: Address, wei: bigint) => Promise<void>
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
}

export interface TestnetLedgerOptions extends LedgerPlan {
  readonly folder: string
  readonly world: World
  readonly logOf: (name: string) => Log
  readonly signal?: AbortSignal | undefined
}

/** A hundred-thousandth of all NYM. In unym. */
const PLEDGE = 10_000_000_000n
/** A million NYM, in unym. */
const FOR_BOOKS = 1_000_000_000_000n
/** Of a monitor: a hundred of them. In unym. */
const FOR_TICKETS = 7_500_000_000n
/** Wei: a year of an embedded chain's fees. */
const COINS = 10n ** 21n
const COSTS = { profitMargin: 2n * 10n ** 17n, intervalOperatingCost: 1_000_000n }
const CATCH_UP_EPOCHS = 10
/** Seconds: what the contract allows. */
const LONGEST_EPOCH = 366 * 86_400
const LOOK_AGAIN = millis(25)
const NO_OPERATION: Hex = `0x${'00'.repeat(32)}`

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
  readonly #treasury: LedgerAccount
  readonly #drivers: EpochDriver[] = []
  /** Of the account that announces, by node. */
  readonly #announcers = new Map<string, Address>()
  readonly #meter = new Meter()

  constructor(options: TestnetLedgerOptions) {
    this.#options = options
    this.ledger = options.open(options.world)
    this.#treasury = this.ledger.account(options.treasury)
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

  /** With what a node announces itself: an account of its own, beside its keys. */
  async announcing({ name }: NodePlan, world: World): Promise<AnnouncingLedger> {
    const { open, keccak256, folder } = this.#options
    const ledger = open(world)
    const account = ledger.account(await loadOrCreateLedgerKey(world, hotKeyPath(folder, name)))
    await this.#haveCoins(account)
    this.#announcers.set(name, account.address)
    return { ledger, account, keccak256 }
  }

  /** A monitor's side of it, with an account of its own and one that pays for its tickets; `join` puts its stake in, once. */
  async monitor(number: number): Promise<{
    readonly reports: MonitorLedger
    readonly deposits: Deposits
    join(url: string): Promise<void>
  }> {
    const { world, folder, keccak256, directory, durable } = this.#options
    const accountOf = async (what: string): Promise<LedgerAccount> => {
      const path = `${folder}/accounts/monitor-${number}${what}.key`
      const one = this.ledger.account(await loadOrCreateLedgerKey(world, path))
      await this.#haveCoins(one)
      return one
    }
    const account = await accountOf('')
    const paying = await accountOf('-tickets')
    if ((await paying.tokens()) < FOR_TICKETS / 10n) {
      await this.#treasury.write('token', 'transfer', [paying.address, FOR_TICKETS])
    }
    const confirmations = directory?.confirmations ?? 0
    const deposits = ledgerDeposits({ clock: world.clock, ledger: this.ledger, account: paying, confirmations })
    return {
      reports: performanceLedger(this.ledger, account, keccak256),
      deposits: {
        ...deposits,
        // Numbers count deposits: as with `sale`.
        async deposit(identityKey) {
          const id = await deposits.deposit(identityKey)
          await durable?.()
          return id
        },
      },
      join: async (url) => {
        const { stake: joined } = await this.ledger.read('performance', 'participantOf', [account.address])
        if (joined > 0n) return
        const stake = this.ledger.deployment.params.participantStake
        await this.#treasury.write('token', 'transfer', [account.address, stake])
        await account.allow('performance', stake)
        await account.write('performance', 'join', [stake, true, url])
      },
    }
  }

  /** Of ticket books: from an account that has NYM for thousands of them. */
  async sale(): Promise<LedgerSale> {
    const { world, folder, open, directory } = this.#options
    const { clock } = world
    const account = this.ledger.account(await loadOrCreateLedgerKey(world, `${folder}/accounts/faucet.key`))
    await this.#haveCoins(account)
    if ((await account.tokens()) < FOR_BOOKS / 10n) {
      await this.#treasury.write('token', 'transfer', [account.address, FOR_BOOKS])
    }
    // Once for all: it is this account's purpose, and every book would wait for it.
    if (
      (await this.ledger.read('token', 'allowance', [account.address, this.ledger.deployment.addresses.ecash])) <
      FOR_BOOKS / 10n
    ) {
      await account.allow('ecash', FOR_BOOKS)
    }
    const confirmations = directory?.confirmations ?? 0
    const paying = ledgerDeposits({ clock, ledger: this.ledger, account, confirmations })
    return {
      // Numbers count deposits: one that were forgotten would be another's, and issuers remember theirs for ever.
      pay: async (identityKey) => {
        const id = await paying.deposit(identityKey)
        await this.#options.durable?.()
        return id
      },
      deposits: (where) => new LedgerDeposits({ clock: where.clock, ledger: open(where), confirmations }),
    }
  }

  /** Every node has an owner of its own: the ledger allows one bond each. In the order of the plans, which is that of their ids. */
  async bondAll(nodes: readonly { readonly plan: NodePlan; readonly running: RunningNode }[]): Promise<void> {
    const owners = await Promise.all(nodes.map(({ plan }) => this.#ownerOf(plan)))
    for (const [i, node] of nodes.entries()) await this.#bond(owners[i] as LedgerAccount, node)
    await Promise.all(nodes.map((node, i) => this.#allowAnnouncing(owners[i] as LedgerAccount, node)))
  }

  /** Resolves when the ledger is in an epoch that runs, with a set. Throws ABORTED. */
  async drive(): Promise<void> {
    const { world, signal, logOf, keccak256, open, folder, drivers = 1, driver: params } = this.#options
    for (let number = 1; number <= drivers; number++) {
      const ledger = open(world)
      const account = ledger.account(await loadOrCreateLedgerKey(world, `${folder}/accounts/driver-${number}.key`))
      await this.#haveCoins(account)
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
      signal?.throwIfAborted()
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
      ledger: epochLedger(this.ledger, this.#treasury, keccak256),
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

  async #govern(fn: 'updateIntervalConfig', args: readonly [number, number, boolean]): Promise<void> {
    const { mixnet } = this.ledger.deployment.addresses
    const data = encodeCall({ contract: 'mixnet', fn, args })
    const salt = hexOfBytes(this.#options.world.random.stream('proposal').bytes(32))
    await this.#treasury.write('timelock', 'schedule', [mixnet, 0n, data, NO_OPERATION, salt, 0n])
    await this.#treasury.write('timelock', 'execute', [mixnet, 0n, data, NO_OPERATION, salt])
  }

  async #haveCoins(account: LedgerAccount): Promise<void> {
    if ((await account.coins()) < COINS / 2n) await this.#options.fund(account.address, COINS)
  }

  async #ownerOf({ name }: NodePlan): Promise<LedgerAccount> {
    const { world, folder } = this.#options
    const owner = this.ledger.account(await loadOrCreateLedgerKey(world, `${folder}/accounts/${name}.key`))
    await this.#haveCoins(owner)
    if ((await this.ledger.read('mixnet', 'nodeIdOf', [owner.address])) !== 0) return owner
    if ((await owner.tokens()) < PLEDGE) await this.#treasury.write('token', 'transfer', [owner.address, PLEDGE])
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
