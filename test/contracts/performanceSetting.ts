/** Scores over a mock of the mixnet, with monitors that commit and reveal. @module */
import { commitmentHash, packReport, reportHash } from '../../src/protocol/economy/reports.ts'
import { type AddressHex, Evm, type Outcome, Reverted } from '../support/evm.ts'
import { bytesOf, hex, keccak256, LENGTH, START, seedOf } from './drawSetting.ts'

export const FIRST_EPOCH = 10
export const STAKE = 1_000n
export const COOLING_OFF = 6
export const EXCLUSION = 4
export const TOLERANCE = 20
export const EVIDENCE: Uint8Array = seedOf(99)

export const refused =
  (name: string): ((error: unknown) => boolean) =>
  (error) =>
    error instanceof Reverted && error.errorName === name

export interface Monitor {
  readonly address: AddressHex
  readonly secret: Uint8Array
  readonly report: ReadonlyMap<number, number>
}

export const report = (...scores: readonly (number | undefined)[]): ReadonlyMap<number, number> =>
  new Map(scores.flatMap((score, i) => (score === undefined ? [] : [[i + 1, score] as const])))

export class PerformanceSetting {
  readonly evm: Evm
  readonly token: AddressHex
  readonly mixnet: AddressHex
  readonly performance: AddressHex
  readonly governance: AddressHex = Evm.address(999)
  epochId: number = FIRST_EPOCH
  #secrets = 0

  private constructor(evm: Evm, [token, mixnet, performance]: readonly [AddressHex, AddressHex, AddressHex]) {
    this.evm = evm
    this.token = token
    this.mixnet = mixnet
    this.performance = performance
  }

  static async create({
    nodes = 3,
    chainRandomness = false,
  }: {
    nodes?: number
    chainRandomness?: boolean
  } = {}): Promise<PerformanceSetting> {
    const evm = await Evm.create()
    evm.now = START
    const token = await evm.deploy('TokenMock')
    const mixnet = await evm.deploy('MixnetStakesMock', [FIRST_EPOCH, Number(LENGTH), START])
    const performance = await evm.deploy('Performance', [
      token,
      mixnet,
      Evm.address(999),
      { minimumStake: STAKE, coolingOff: COOLING_OFF, exclusion: EXCLUSION, tolerance: TOLERANCE },
      chainRandomness,
    ])
    await evm.send(mixnet, 'setLastNodeId', [nodes])
    return new PerformanceSetting(evm, [token, mixnet, performance])
  }

  send(fn: string, args: readonly unknown[] = [], from?: AddressHex): Promise<Outcome> {
    return this.evm.send(this.performance, fn, args, from)
  }

  async read<T>(fn: string, args: readonly unknown[] = []): Promise<T> {
    return (await this.evm.read(this.performance, fn, args)) as T
  }

  async join(address: AddressHex, stake: bigint = STAKE, measures = true): Promise<void> {
    await this.evm.send(this.token, 'mint', [address, stake])
    await this.evm.send(this.token, 'approve', [this.performance, stake], address)
    await this.send('join', [stake, measures, 'https://monitor.example'], address)
  }

  /** A few that joined in the first epoch, and are now in the one behind it. */
  async joined(stakes: readonly bigint[]): Promise<AddressHex[]> {
    const addresses = stakes.map((_, i) => Evm.address(100 + i))
    for (const [i, address] of addresses.entries()) await this.join(address, stakes[i])
    await this.settleAndAdvance()
    return addresses
  }

  monitor(address: AddressHex, scores: ReadonlyMap<number, number>): Monitor {
    this.#secrets += 1
    return { address, secret: seedOf(1000 + this.#secrets), report: scores }
  }

  commitment({ address, secret, report }: Monitor): `0x${string}` {
    const parts = {
      epochId: this.epochId,
      participant: bytesOf(address),
      secret,
      reportHash: reportHash(packReport(report), keccak256),
      evidenceHash: EVIDENCE,
    }
    return hex(commitmentHash(parts, keccak256))
  }

  start(): bigint {
    return START + BigInt(this.epochId - FIRST_EPOCH) * LENGTH
  }

  toCommits(): void {
    this.evm.now = this.start()
  }

  toReveals(): void {
    this.evm.now = this.start() + (LENGTH * 3n) / 4n
  }

  toEnd(): void {
    this.evm.now = this.start() + LENGTH
  }

  commit(monitor: Monitor): Promise<Outcome> {
    return this.send('commit', [this.epochId, this.commitment(monitor)], monitor.address)
  }

  reveal({ address, secret, report }: Monitor): Promise<Outcome> {
    const { words, scores } = packReport(report)
    return this.send('reveal', [this.epochId, hex(secret), hex(EVIDENCE), words, scores], address)
  }

  settle(limit = 1000): Promise<Outcome> {
    return this.send('settle', [this.epochId, limit])
  }

  async settleAndAdvance(): Promise<Outcome> {
    if (this.evm.now < this.start() + LENGTH) this.toEnd()
    const outcome = await this.settle()
    await this.advance()
    return outcome
  }

  async advance(): Promise<void> {
    await this.evm.send(this.mixnet, 'advance')
    this.epochId += 1
  }

  /** A whole epoch: all commit, those of `revealing` reveal. Stops before the epoch advances. */
  async round(monitors: readonly Monitor[], revealing: readonly Monitor[] = monitors): Promise<Outcome> {
    this.toCommits()
    for (const monitor of monitors) await this.commit(monitor)
    this.toReveals()
    for (const monitor of revealing) await this.reveal(monitor)
    this.toEnd()
    return this.settle()
  }

  async scores(nodeIds: readonly number[], epochId: number = this.epochId): Promise<number[]> {
    const decimals = await this.read<readonly bigint[]>('scoresOf', [epochId, nodeIds])
    return decimals.map((decimal) => Number(decimal / 10n ** 16n))
  }

  async excludedUntil(who: AddressHex): Promise<number> {
    return (await this.read<{ excludedUntilEpoch: number }>('participantOf', [who])).excludedUntilEpoch
  }
}
