/**
 * Every action of the ledger once, as a real transaction on a chain with all contracts, and what its receipt says: whole transactions, with
 * what any transaction costs and its calldata. Figures per node, word, event or vote are the difference of two that differ in their number
 * alone. Deterministic: keys, times and choices are given. @module
 */
import { toBytes, toHex } from 'viem'
import { epochLedger } from '../../src/app/node/ledgerSources.ts'
import { seconds } from '../../src/foundation/base/units.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { Simulation } from '../../src/foundation/platform/simulated/simulation.ts'
import { encodeCall } from '../../src/network/ledger/calls.ts'
import type { Hex } from '../../src/network/ledger/chain.ts'
import { CONTRACT_ARTEFACTS } from '../../src/network/ledger/contractArtefacts.ts'
import { deployLedger } from '../../src/network/ledger/deploy.ts'
import { localNetwork } from '../../src/network/ledger/deploymentParams.ts'
import type { LedgerAccount, LedgerReceipt } from '../../src/network/ledger/ledger.ts'
import { openLedger } from '../../src/network/ledger/rpcLedger.ts'
import { keySigner } from '../../src/network/ledger/signers.ts'
import { signVote } from '../../src/protocol/wire/issuer/redemption.ts'
import { commit, identitySeed, keccak, LedgerParties, partyKey, reportOf, reveal } from '../support/ledgerParties.ts'
import { SimulatedChain } from '../support/simulatedChain.ts'

/** Gas by action, in the order of the page. */
export type GasRecord = Readonly<Record<string, number>>

const NYM = 1_000_000n
const CHAIN_IP = '10.0.0.1'
const DAY = 86_400
const REVEALS_FROM = (3 * DAY) / 4
/** Two words of scores, the first of them full. */
const NODES = 34
const NODES_IN_WORD = 32
/** The others are of no use or leave, so that who is rewarded is known: the nodes 1 to 30, from the second draw on. */
const REWARDED = 30
const SET = { entryGateways: 6, exitGateways: 6, mixnodes: 9, standby: 9 }
const DELEGATORS = 12
const ALL = 0xffff_ffff
const NO_OPERATION: Hex = `0x${'00'.repeat(32)}`

export async function playGas(): Promise<GasRecord> {
  const play = await GasPlay.start()
  await play.firstEpoch()
  await play.secondEpoch()
  await play.thirdEpoch()
  await play.fourthEpoch()
  await play.fifthEpoch()
  await play.sixthEpoch()
  return play.record
}

class GasPlay {
  readonly record: Record<string, number> = {}
  readonly #simulation: Simulation
  readonly #chain: SimulatedChain
  readonly #parties: LedgerParties
  #owners: LedgerAccount[] = []
  #monitors: LedgerAccount[] = []
  #issuers: LedgerAccount[] = []
  #delegators: LedgerAccount[] = []
  #leaving!: LedgerAccount
  #number = 0

  private constructor(simulation: Simulation, chain: SimulatedChain, parties: LedgerParties) {
    this.#simulation = simulation
    this.#chain = chain
    this.#parties = parties
  }

  static async start(): Promise<GasPlay> {
    const simulation = new Simulation({ seed: 'gas', crypto: nodeProvider })
    const chain = await SimulatedChain.create(simulation.host('chain', { ips: [CHAIN_IP] }), { host: CHAIN_IP })
    const url = await simulation.complete(chain.serve({ host: CHAIN_IP }))
    const world = simulation.host('people', { ips: ['10.0.0.2'] })
    const signer = keySigner(partyKey(1))
    await chain.fund(signer.address, 10n ** 21n)
    const params = {
      ...localNetwork(0),
      firstEpochStart: Math.floor(world.clock.now() / 1000),
      epochsInInterval: 5,
      epochSeconds: DAY,
      rewardedSet: SET,
      governanceDelaySeconds: 0,
    }
    const wanted = {
      urls: [url],
      chainId: undefined,
      signer,
      params,
      artefacts: CONTRACT_ARTEFACTS,
      path: 'deployment',
    }
    const deployment = await simulation.complete(deployLedger(world, wanted))
    const ledger = openLedger(world, { urls: [url], deployment })
    const fund = (address: Hex, wei: bigint) => chain.fund(address, wei)
    const play = new GasPlay(simulation, chain, new LedgerParties(ledger, ledger.account(signer), fund))
    const made = { ...deployment.addresses, multicall: deployment.multicall, ...deployment.libraries }
    for (const [name, address] of Object.entries(made)) {
      const receipt = chain.receipts.find(({ contractAddress }) => contractAddress === address)
      play.#note(`deploy ${name}`, Number(receipt?.gasUsed))
    }
    return play
  }

  // ---- epochs

  /** Everything that needs no rewards; nobody is in a set. */
  async firstEpoch(): Promise<void> {
    const { treasury } = this.#parties
    const someone = keySigner(partyKey(99)).address
    await this.#do('token.transfer, to a new holder', treasury.write('token', 'transfer', [someone, NYM]))
    await this.#do('token.transfer', treasury.write('token', 'transfer', [someone, NYM]))
    await this.#bondAll()
    await this.#join()
    const pool = await this.#run(this.#parties.party(98, 100n * NYM))
    await this.#do('token.approve', pool.allow('mixnet', 100n * NYM))
    await this.#do('mixnet.fundPool', pool.write('mixnet', 'fundPool', [100n * NYM]))
    await this.#payForTickets()
    const [first] = this.#delegators as [LedgerAccount]
    await this.#do('mixnet.delegate', first.write('mixnet', 'delegate', [1, 100n * NYM]))
    await this.#do('mixnet.delegate, to the same node again', first.write('mixnet', 'delegate', [1, 100n * NYM]))

    await this.#until(DAY)
    await this.#do(
      'performance.settle, without reports',
      this.#driver.write('performance', 'settle', [this.#epoch, ALL]),
    )
    await this.#do(
      'mixnet.beginEpochTransition, without a set',
      this.#driver.write('mixnet', 'beginEpochTransition', []),
    )
    await this.#reconcileOne('reconcile, a first delegation')
    await this.#reconcileOne('reconcile, a delegation to the same node again')
    await this.#draw('first')
  }

  async secondEpoch(): Promise<void> {
    const [, ...others] = this.#delegators
    await this.#write(others.map((one) => one.write('mixnet', 'delegate', [2, 50n * NYM])))
    await this.#do('mixnet.pledgeMore', this.#owner(5).write('mixnet', 'pledgeMore', [100n * NYM]))
    await this.#do('mixnet.decreasePledge', this.#owner(6).write('mixnet', 'decreasePledge', [100n * NYM]))
    const costs = { profitMargin: 10n ** 17n, intervalOperatingCost: 30n * NYM }
    await this.#do('mixnet.updateCostParams', this.#owner(7).write('mixnet', 'updateCostParams', [costs]))
    await this.#do('mixnet.updateHost', this.#owner(8).write('mixnet', 'updateHost', ['host-8.example', 8081]))
    await this.#do('mixnet.unbond', this.#owner(NODES).write('mixnet', 'unbond', []))
    await this.#do('performance.depart', this.#leaving.write('performance', 'depart', []))
    await this.#report('first')

    await this.#until(DAY)
    await this.#settle(3)
    await this.#do('mixnet.beginEpochTransition', this.#driver.write('mixnet', 'beginEpochTransition', []))
    await this.#reward('first')
    for (let i = 1; i < others.length; i++) await this.#reconcile(1)
    await this.#reconcileOne('reconcile, a delegation')
    await this.#reconcileOne('reconcile, a larger pledge')
    await this.#reconcileOne('reconcile, a smaller pledge')
    await this.#reconcileOne('reconcile, a node that leaves')
    await this.#driveOn()
  }

  /** The first in which the set is the one that we know. */
  async thirdEpoch(): Promise<void> {
    await this.#report(undefined)
    await this.#until(DAY)
    await this.#run(this.#driver.write('performance', 'settle', [this.#epoch, ALL]))
    await this.#run(this.#driver.write('mixnet', 'beginEpochTransition', []))
    await this.#run(this.#driver.write('mixnet', 'rewardNodes', [ALL]))
    await this.#reconcileOne('mixnet.reconcileEpochEvents, of nothing')
    await this.#driveOn()
  }

  /** What was written once is written again: the costs of every later epoch. */
  async fourthEpoch(): Promise<void> {
    const [first, second] = this.#delegators as [LedgerAccount, LedgerAccount]
    await this.#do('mixnet.withdrawOperatorReward', this.#owner(3).write('mixnet', 'withdrawOperatorReward', []))
    await this.#do('mixnet.withdrawDelegatorReward', first.write('mixnet', 'withdrawDelegatorReward', [1]))
    await this.#do('mixnet.undelegate', second.write('mixnet', 'undelegate', [2]))
    await this.#report('again', 2)
    await this.#until(DAY)
    await this.#settle(2)
    await this.#run(this.#driver.write('mixnet', 'beginEpochTransition', []))
    await this.#reward('again')
    await this.#reconcileOne('reconcile, an undelegation')
    await this.#draw('again')
    await this.#do('mixnet.claim', second.write('mixnet', 'claim', []))
  }

  /** The last of the interval. */
  async fifthEpoch(): Promise<void> {
    await this.#report('short')
    await this.#until(DAY)
    await this.#run(this.#driver.write('performance', 'settle', [this.#epoch, ALL]))
    await this.#run(this.#driver.write('mixnet', 'beginEpochTransition', []))
    await this.#run(this.#driver.write('mixnet', 'rewardNodes', [ALL]))
    await this.#reconcileOne('reconcile, costs at the end of an interval')
    await this.#driveOn()
  }

  async sixthEpoch(): Promise<void> {
    await this.#do('performance.withdrawStake', this.#leaving.write('performance', 'withdrawStake', []))
  }

  // ---- parts of them

  async #bondAll(): Promise<void> {
    const numbers = Array.from({ length: NODES }, (_, i) => i + 1)
    const owners = await this.#run(Promise.all(numbers.map((n) => this.#parties.owner(n))))
    this.#owners = owners.map(({ account }) => account)
    // One after the other, for their ids.
    const bonds: LedgerReceipt[] = []
    for (const owner of owners) bonds.push(await this.#run(this.#parties.bond(owner)))
    this.#note('mixnet.bond', gasOf(bonds[9]))
    const said = await this.#run(Promise.all(owners.map((owner, i) => this.#parties.announce(owner, i + 1, 1n))))
    this.#note('announcements.announce, the first', gasOf(said[9]))
    await this.#do('announcements.announce', this.#parties.announce(owners[9]!, 10, 2n))
    const hot = keySigner(partyKey(97)).address
    await this.#do('announcements.setAnnouncer', this.#owner(1).write('announcements', 'setAnnouncer', [1, hot]))
    const people = Array.from({ length: DELEGATORS }, (_, i) => 3000 + i)
    this.#delegators = await this.#run(Promise.all(people.map((n) => this.#parties.party(n, 1000n * NYM))))
    await this.#write(this.#delegators.map((one) => one.allow('mixnet', 1000n * NYM)))
  }

  async #join(): Promise<void> {
    const accounts = await this.#run(
      Promise.all([2000, 2001, 2002, 2003].map((n) => this.#parties.party(n, 100n * NYM))),
    )
    for (const account of accounts) {
      await this.#run(account.allow('performance', 100n * NYM))
      const joined = account.write('performance', 'join', [100n * NYM, true, 'https://monitor.example'])
      await this.#do('performance.join', joined)
    }
    this.#leaving = accounts.pop()!
    this.#monitors = accounts
  }

  async #payForTickets(): Promise<void> {
    const client = await this.#run(this.#parties.party(96, 1000n * NYM))
    const key = (n: number): Hex => toHex(n, { size: 32 })
    await this.#run(client.allow('ecash', 1000n * NYM))
    await this.#run(client.write('ecash', 'deposit', [key(1)]))
    await this.#do('ecash.deposit', client.write('ecash', 'deposit', [key(2)]))
    this.#issuers = await this.#run(Promise.all([2100, 2101, 2102].map((n) => this.#parties.party(n, 0n))))
    await this.#plan(2, true)
    const two = await this.#redeem(1, 2)
    this.#note('ecash.redeem, two votes', two)
    await this.#plan(3, false)
    this.#note('ecash.redeem, each further vote', (await this.#redeem(2, 3)) - two)
    const gateway = toHex(nodeProvider.ed25519PublicKey(identitySeed(1)))
    await this.#do('ecash.withdrawEarnings', this.#owner(1).write('ecash', 'withdrawEarnings', [gateway]))
    await this.#do('ecash.releaseSurplus', client.write('ecash', 'releaseSurplus', []))
  }

  /** Of three issuers, which agree. */
  async #plan(threshold: number, noted: boolean): Promise<void> {
    const members = this.#issuers.map(({ address: owner }, i) => {
      const identityKey = toHex(nodeProvider.ed25519PublicKey(identitySeed(500 + i)))
      return { owner, identityKey, url: `https://issuer-${i + 1}.example` }
    })
    const startsAt = BigInt(this.#chain.head.time + 20)
    const args = [members, threshold, startsAt, 600] as const
    const data = encodeCall({ contract: 'issuers', fn: 'plan', args })
    const { treasury, ledger } = this.#parties
    const { issuers } = ledger.deployment.addresses
    const salt: Hex = toHex(threshold, { size: 32 })
    const name = (text: string) => (noted ? text : undefined)
    const scheduled = treasury.write('timelock', 'schedule', [issuers, 0n, data, NO_OPERATION, salt, 0n])
    await this.#do(name('timelock.schedule, a plan of 3 issuers'), scheduled)
    const executed = treasury.write('timelock', 'execute', [issuers, 0n, data, NO_OPERATION, salt])
    await this.#do(name('timelock.execute, issuers.plan of 3'), executed)
    await this.#simulation.runFor(seconds(20))
    const [, epochId] = await this.#run(ledger.read('issuers', 'epochs', []))
    const [first] = this.#issuers as [LedgerAccount]
    const message = (bytes: number): Hex => `0x${'ab'.repeat(bytes)}`
    if (noted) {
      await this.#do('issuers.append, 1 KiB', first.write('issuers', 'append', [epochId, message(1024), true]))
      await this.#do('issuers.append, 24 KiB', first.write('issuers', 'append', [epochId, message(24_576), true]))
    }
    for (const [i, issuer] of this.#issuers.slice(0, threshold).entries()) {
      const what = i === 0 ? 'issuers.confirm' : i === 1 ? 'issuers.confirm, the one that makes it agreed' : undefined
      await this.#do(noted ? what : undefined, issuer.write('issuers', 'confirm', [epochId, toHex(7, { size: 32 })]))
    }
  }

  /** Tickets of node 1, by somebody. */
  async #redeem(number: number, voters: number): Promise<number> {
    const [, epochId] = await this.#run(this.#parties.ledger.read('issuers', 'epochs', []))
    const gateway = nodeProvider.ed25519PublicKey(identitySeed(1))
    const digest = new Uint8Array(32).fill(number)
    const { chainId, addresses } = this.#parties.ledger.deployment
    const payer = { chainId, contract: toBytes(addresses.ecash) }
    const votes = Array.from({ length: voters }, (_, i) => {
      const vote = { payer, epochId: Number(epochId), index: i + 1, gateway, digest, count: 10 }
      const signature = signVote(nodeProvider, identitySeed(500 + i), vote)
      const [signatureR, signatureS] = [toHex(signature.subarray(0, 32)), toHex(signature.subarray(32))]
      return { epochId, index: i + 1, signatureR, signatureS }
    })
    const args = [toHex(gateway), toHex(digest), 10, votes] as const
    return gasOf(await this.#run(this.#driver.write('ecash', 'redeem', args)))
  }

  /**
   * Of so many monitors; the time is then that of reveals. Opinions are others each epoch, or slots would be written as they are. What the first
   * of them writes for all is not in the figures; the last says nothing of the second word in every other epoch, which have slots of their own.
   */
  async #report(name: string | undefined, monitors = this.#monitors.length): Promise<void> {
    const scores = Array.from(
      { length: NODES },
      (_, i) => [i + 1, i < REWARDED || i === NODES - 1 ? 100 - this.#number : 0] as const,
    )
    const full = reportOf(this.#epoch, new Map(scores))
    const short = reportOf(this.#epoch, new Map(scores.filter(([nodeId]) => nodeId < NODES_IN_WORD)))
    const reporting = this.#monitors.slice(0, monitors)
    const said = reporting.map((_, i) => (i === 2 && this.#number % 2 === 0 ? short : full))
    const committed: number[] = []
    for (const [i, account] of reporting.entries()) committed.push(gasOf(await this.#run(commit(account, said[i]!))))
    await this.#until(REVEALS_FROM)
    const revealed: number[] = []
    for (const [i, account] of reporting.entries()) revealed.push(gasOf(await this.#run(reveal(account, said[i]!))))
    if (name === 'short') this.#note('reveal, each word, again', revealed[1]! - revealed[2]!)
    else if (name !== undefined) {
      this.#note(`performance.commit, ${name}`, committed[1]!)
      this.#note(`performance.reveal, two words, ${name}`, revealed[1]!)
    }
  }

  /** A word by itself: behind a call that opens, and before those that do nothing and that close. */
  async #settle(reports: number): Promise<void> {
    const settle = (limit: number) => this.#run(this.#driver.write('performance', 'settle', [this.#epoch, limit]))
    await settle(0)
    const nothing = gasOf(await settle(0))
    const word = gasOf(await settle(1)) - nothing
    const last = gasOf(await settle(ALL))
    if (reports === 3) {
      this.#note('performance.settle, the last call, 3 reports', last)
      this.#note('settle, each word of 3 reports', word)
    } else this.#note('settle, each further report of a word', this.record['settle, each word of 3 reports']! - word)
  }

  async #reward(name: string): Promise<void> {
    const reward = (nodes: number) => this.#run(this.#driver.write('mixnet', 'rewardNodes', [nodes]))
    const gas = async (nodes: number) => gasOf(await reward(nodes))
    const [few, one, many] = [await gas(1), await gas(1), await gas(11)]
    await reward(ALL)
    this.#note(`mixnet.rewardNodes of 1, ${name}`, one)
    this.#note(`reward, each node, ${name}`, Math.round((many - one) / 10))
    if (name !== 'again') return
    // Nodes 1 and 2: of one delegator, and of a dozen.
    this.#note('mixnet.rewardNodes of 1, which has one delegator', few)
    this.#note('mixnet.rewardNodes of 1, which has a dozen', one)
  }

  async #draw(name: string): Promise<void> {
    const { choices } = await this.#run(this.#steps.plan(this.#epoch))
    const draw = (from: number, to: number) =>
      this.#run(this.#driver.write('rewardedSet', 'draw', [toHex(choices.subarray(from, to))]))
    await draw(0, 1)
    const one = gasOf(await draw(1, 2))
    const many = gasOf(await draw(2, 13))
    await draw(13, choices.length - 1)
    const last = gasOf(await draw(choices.length - 1, choices.length))
    this.#note(`rewardedSet.draw of 1, ${name}`, one)
    this.#note(`draw, each candidate, ${name}`, Math.round((many - one) / 10))
    this.#note(`rewardedSet.draw, the last call, a set of ${REWARDED}, ${name}`, last)
    this.#number++
  }

  async #reconcileOne(name: string): Promise<void> {
    this.#note(name, gasOf(await this.#reconcile(1)))
  }

  #reconcile(limit: number): Promise<LedgerReceipt> {
    return this.#run(this.#driver.write('mixnet', 'reconcileEpochEvents', [limit]))
  }

  /** Whatever is left of the epoch's end. */
  async #driveOn(): Promise<void> {
    const { epochId } = await this.#run(this.#steps.read())
    for (;;) {
      const { epochId: now, phase, isSettled } = await this.#run(this.#steps.read())
      if (now !== epochId) break
      if (phase === 'rewarding') await this.#run(this.#steps.reward(ALL))
      else if (phase === 'reconciling') await this.#run(this.#steps.reconcile(ALL))
      else if (phase === 'roleAssignment')
        await this.#run(this.#steps.draw((await this.#run(this.#steps.plan(now))).choices))
      else await this.#run(isSettled ? this.#steps.begin() : this.#steps.settle(now, ALL))
    }
    this.#number++
  }

  // ---- tools

  get #epoch(): number {
    return this.#parties.ledger.deployment.params.firstEpochId + this.#number
  }

  get #driver(): LedgerAccount {
    return this.#parties.treasury
  }

  get #steps() {
    return epochLedger(this.#parties.ledger, this.#driver, keccak)
  }

  #owner(nodeId: number): LedgerAccount {
    return this.#owners[nodeId - 1]!
  }

  /** So many seconds into the epoch; nobody makes the blocks between. */
  async #until(sinceStart: number): Promise<void> {
    const { firstEpochStart } = this.#parties.ledger.deployment.params
    const at = firstEpochStart + this.#number * DAY + sinceStart
    this.#chain.stalled = true
    await this.#simulation.runFor(seconds(at + 1 - Math.floor(this.#simulation.clock.now() / 1000)))
    this.#chain.stalled = false
    await this.#chain.mine()
  }

  #run<T>(work: Promise<T>): Promise<T> {
    return this.#simulation.complete(work)
  }

  async #write(works: readonly Promise<unknown>[]): Promise<void> {
    await this.#run(Promise.all(works))
  }

  async #do(name: string | undefined, work: Promise<LedgerReceipt | undefined>): Promise<void> {
    const receipt = await this.#run(work)
    if (name !== undefined) this.#note(name, gasOf(receipt))
  }

  #note(name: string, gas: number): void {
    if (!(gas > 0)) throw new Error(`no gas of ${name}`)
    this.record[name] = gas
  }
}

const gasOf = (receipt: LedgerReceipt | undefined): number => Number(receipt?.gasUsed)
