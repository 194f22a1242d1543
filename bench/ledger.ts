/**
 * `npm run bench:ledger`: the end of an epoch of a network as large as the official one, 300 bonded nodes of which 240 are rewarded and three
 * monitors, on the embedded chain, by the driver that `starling up` runs: settle, begin, reward, reconcile, draw.
 *
 *     npm run bench:ledger -- [--quick]
 *
 * Wall time is from the look at the ledger that finds the epoch over to the one that finds the next; the part of a second that a driver
 * waits so that others may be first is not in it. Exits with 1 where an epoch was not what it should be: a goal that is missed is a result.
 *
 * @module
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { epochLedger } from '../src/app/node/ledgerSources.ts'
import { performanceLedger } from '../src/app/node/performanceLedger.ts'
import { LOCAL_DRIVER } from '../src/app/testnet/ledger.ts'
import { isMixnetError } from '../src/foundation/base/errors.ts'
import { Meter, silentLog } from '../src/foundation/base/observe.ts'
import { millis } from '../src/foundation/base/units.ts'
import { nodeProvider } from '../src/foundation/crypto/nodeProvider.ts'
import { sleep } from '../src/foundation/platform/clock.ts'
import { nodeProcesses } from '../src/foundation/platform/node/nodeProcesses.ts'
import { nodeWorld } from '../src/foundation/platform/node/nodeWorld.ts'
import { CONTRACT_ARTEFACTS } from '../src/network/ledger/contractArtefacts.ts'
import { deployLedger } from '../src/network/ledger/deploy.ts'
import { mainnetLike } from '../src/network/ledger/deploymentParams.ts'
import { type EmbeddedChain, startEmbeddedChain } from '../src/network/ledger/embeddedChain.ts'
import type { Ledger, LedgerAccount, LedgerReceipt } from '../src/network/ledger/ledger.ts'
import { openLedger } from '../src/network/ledger/rpcLedger.ts'
import { keySigner } from '../src/network/ledger/signers.ts'
import { EpochDriver, type EpochLedger } from '../src/roles/directory/epochDriver.ts'
import { keccak, LedgerParties, reportOf } from '../test/support/ledgerParties.ts'
import { type BenchOptions, exactly, type Figure, type Report, runSubjects, spread } from './figures.ts'

const NODES = 300
const REWARDED = 240
const MONITORS = 3
const EPOCH_SECONDS = 40
const GOAL_SECONDS = 3
const GOAL_GAS = 25_000
/** As `starling up` has it. */
const POLL_EVERY = millis(8)
const AT_ONCE = 20
const STAKE = 1_000_000_000n

const world = nodeWorld(nodeProvider)

interface Step {
  readonly step: string
  readonly ms: number
  readonly gas: bigint
}

interface Epoch {
  readonly epochId: number
  readonly seconds: number
  readonly cpuSeconds: number
  readonly steps: readonly Step[]
  readonly rewarded: number
}

/** What the driver did to each epoch; it does not know that it is watched. */
class Watch {
  readonly epochs: Epoch[] = []
  #began = 0
  #cpu = process.cpuUsage()
  #steps: Step[] = []
  #rewarded = 0
  #gas = 0n
  #epochId: number | undefined

  account(account: LedgerAccount): LedgerAccount {
    const write = async (...args: Parameters<LedgerAccount['write']>): Promise<LedgerReceipt> => {
      const receipt = await account.write(...args)
      this.#gas = receipt.gasUsed
      this.#rewarded += receipt.events.filter(({ event }) => event === 'NodeRewarded').length
      return receipt
    }
    return Object.assign(Object.create(account), { address: account.address, write }) as LedgerAccount
  }

  ledger(inner: EpochLedger): EpochLedger {
    const timed = async (step: string, work: () => Promise<void>): Promise<void> => {
      const began = performance.now()
      this.#gas = 0n
      await work()
      this.#steps.push({ step, ms: performance.now() - began, gas: this.#gas })
    }
    return {
      read: async () => {
        if (this.#steps.length === 0) [this.#began, this.#cpu] = [performance.now(), process.cpuUsage()]
        const reading = await inner.read()
        if (this.#epochId !== undefined && reading.epochId !== this.#epochId) this.#end(this.#epochId)
        this.#epochId = reading.epochId
        return reading
      },
      plan: async (epochId) => {
        const began = performance.now()
        const plan = await inner.plan(epochId)
        this.#steps.push({ step: 'plan', ms: performance.now() - began, gas: 0n })
        return plan
      },
      settle: (...args) => timed('settle', () => inner.settle(...args)),
      begin: () => timed('begin', () => inner.begin()),
      reward: (...args) => timed('reward', () => inner.reward(...args)),
      reconcile: (...args) => timed('reconcile', () => inner.reconcile(...args)),
      draw: (...args) => timed('draw', () => inner.draw(...args)),
      restart: () => timed('restart', () => inner.restart()),
    }
  }

  #end(epochId: number): void {
    const { user, system } = process.cpuUsage(this.#cpu)
    const seconds = (performance.now() - this.#began) / 1000
    const cpuSeconds = (user + system) / 1e6
    this.epochs.push({ epochId, seconds, cpuSeconds, steps: this.#steps, rewarded: this.#rewarded })
    ;[this.#steps, this.#rewarded] = [[], 0]
  }
}

async function inTurns<T, R>(list: readonly T[], work: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (let from = 0; from < list.length; from += AT_ONCE) {
    results.push(...(await Promise.all(list.slice(from, from + AT_ONCE).map(work))))
  }
  return results
}

async function found(chain: EmbeddedChain, folder: string, say: BenchOptions['say']): Promise<LedgerParties> {
  const treasury = keySigner(chain.key)
  await chain.fund(treasury.address, 10n ** 24n)
  const rpc = { urls: [chain.url], chainId: chain.chainId, pollEvery: POLL_EVERY }
  const params = { ...mainnetLike(Math.floor(world.clock.now() / 1000)), epochSeconds: EPOCH_SECONDS }
  const artefacts = CONTRACT_ARTEFACTS
  const wanted = { ...rpc, signer: treasury, params, artefacts, path: join(folder, 'deployment.json') }
  const deployment = await deployLedger(world, wanted)
  const ledger = openLedger(world, { ...rpc, deployment })
  const parties = new LedgerParties(ledger, ledger.account(treasury), (address, wei) => chain.fund(address, wei))
  const numbers = Array.from({ length: NODES }, (_, i) => i + 1)
  const owners = await inTurns(numbers, (n) => parties.owner(n))
  say(`${owners.length} owners have what they pledge`)
  await inTurns(owners, (owner) => parties.bond(owner))
  say('all are bonded')
  await inTurns(owners, async (owner) => {
    const nodeId = await ledger.read('mixnet', 'nodeIdOf', [owner.account.address])
    await parties.announce(owner, nodeId, 1n)
  })
  say('all have announced themselves')
  return parties
}

/** Commits and reveals what it thinks of all nodes, in each epoch. */
async function monitor(ledger: Ledger, account: LedgerAccount, signal: AbortSignal): Promise<void> {
  const own = performanceLedger(ledger, account, keccak)
  const scores = new Map(Array.from({ length: NODES }, (_, i) => [i + 1, 90 + ((i * 7) % 11)]))
  while (!signal.aborted) {
    try {
      const { epochId, now, revealFrom, endsAt } = await own.epoch()
      const { secret, evidenceHash } = reportOf(epochId, scores)
      const report = { epochId, secret, evidenceHash, scores }
      const { isMonitor, committed, isOurs, revealed } = await own.standing(epochId, report)
      if (now < revealFrom && isMonitor && !committed) await own.commit(report)
      else if (now >= revealFrom && now < endsAt && isOurs && !revealed) await own.reveal(report)
    } catch (error) {
      if (!isMixnetError(error)) throw error
    }
    await sleep(world.clock, millis(500), signal).catch(() => {})
  }
}

async function epochs({ quick, say }: BenchOptions): Promise<Report> {
  const folder = await mkdtemp(join(tmpdir(), 'starling-bench-'))
  const chain = await startEmbeddedChain(world, nodeProcesses, { folder: join(folder, 'chain') })
  const stop = new AbortController()
  const watch = new Watch()
  try {
    const parties = await found(chain, folder, say)
    const { ledger } = parties
    const accounts = await Promise.all(Array.from({ length: MONITORS }, (_, i) => parties.party(2000 + i, STAKE)))
    for (const account of accounts) {
      await account.allow('performance', STAKE)
      await account.write('performance', 'join', [STAKE, true, ''])
    }
    const monitors = accounts.map((account) => monitor(ledger, account, stop.signal))
    const account = watch.account(await parties.party(3000, 0n))
    const driver = new EpochDriver({
      world,
      ledger: watch.ledger(epochLedger(ledger, account, keccak)),
      params: LOCAL_DRIVER,
      meter: new Meter(),
      log: silentLog,
    })
    driver.start()
    const full = () => watch.epochs.filter(({ rewarded }) => rewarded === REWARDED)
    const wanted = quick ? 1 : 3
    const until = world.clock.monotonic() + 1000 * EPOCH_SECONDS * (wanted + 5)
    for (let told = 0; full().length < wanted && world.clock.monotonic() < until; ) {
      await sleep(world.clock, millis(200))
      for (; told < watch.epochs.length; told++) {
        const { epochId, seconds, rewarded } = watch.epochs[told]!
        say(`epoch ${epochId} ended in ${seconds.toFixed(2)} s, ${rewarded} were rewarded`)
      }
    }
    stop.abort()
    await Promise.all([driver.stop(), ...monitors])
    return reportOn(full(), wanted)
  } finally {
    stop.abort()
    await chain.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

function reportOn(full: readonly Epoch[], wanted: number): Report {
  const gasOf = (epoch: Epoch, step?: string): number =>
    Number(epoch.steps.filter((one) => step === undefined || one.step === step).reduce((sum, { gas }) => sum + gas, 0n))
  const figure = (name: string, unit: string, of: (epoch: Epoch) => number): Figure => ({
    name,
    unit,
    measured: full.length === 0 ? exactly(Number.NaN) : spread(full.map(of)),
  })
  const per = (step: string, count: number, what: string): Figure =>
    figure(`gas of ${step}, ${what}`, 'gas', (epoch) => Math.round(gasOf(epoch, step) / count))
  const steps = ['settle', 'begin', 'reward', 'reconcile', 'plan', 'draw']
  return {
    figures: [
      { ...figure('an epoch', 's', ({ seconds }) => seconds), goal: { of: 'measured', atMost: GOAL_SECONDS } },
      figure('of it, CPU of the driver', 's', ({ cpuSeconds }) => cpuSeconds),
      figure('transactions', '', (epoch) => epoch.steps.filter(({ gas }) => gas > 0n).length),
      figure('gas', 'gas', (epoch) => gasOf(epoch)),
      { ...per('reward', REWARDED, 'a node'), goal: { of: 'measured', atMost: GOAL_GAS } },
      per('settle', Math.ceil((NODES + 1) / 32), 'a word'),
      per('draw', NODES, 'a candidate'),
      ...steps.map((step) =>
        figure(`time of ${step}`, 'ms', (epoch) =>
          epoch.steps.filter((one) => one.step === step).reduce((sum, { ms }) => sum + ms, 0),
        ),
      ),
    ],
    notes: [`${NODES} bonded nodes, ${REWARDED} rewarded, ${MONITORS} monitors, on anvil.`],
    failures: full.length < wanted ? [`only ${full.length} of ${wanted} epochs rewarded ${REWARDED} nodes`] : [],
  }
}

const { quick } = new Command('npm run bench:ledger --')
  .description('How long the end of an epoch takes on the embedded chain, and what it costs.')
  .option('--quick', 'one epoch: for a look, not for a record', false)
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .parse()
  .opts<{ readonly quick: boolean }>()

await runSubjects([{ name: 'epochs', title: 'The end of an epoch on the embedded chain', run: epochs }], {
  only: undefined,
  quick,
})
