/** A chain of our own with the real contracts, nodes and monitors on it, whose epochs end when a test says so. @module */
import assert from 'node:assert/strict'
import { toEventSelector } from 'viem'
import { keccak256 } from 'viem/utils'
import { epochLedger } from '../../src/app/node/ledgerSources.ts'
import { performanceLedger } from '../../src/app/node/performanceLedger.ts'
import type { Secret } from '../../src/foundation/base/secret.ts'
import { millis } from '../../src/foundation/base/units.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { nodeProcesses } from '../../src/foundation/platform/node/nodeProcesses.ts'
import { nodeWorld } from '../../src/foundation/platform/node/nodeWorld.ts'
import { ABIS } from '../../src/network/ledger/abis.ts'
import { encodeCall } from '../../src/network/ledger/calls.ts'
import type { Hex } from '../../src/network/ledger/chain.ts'
import { hexOf } from '../../src/network/ledger/chainCalls.ts'
import { readDeployment } from '../../src/network/ledger/deployment.ts'
import { type EmbeddedChain, startEmbeddedChain } from '../../src/network/ledger/embeddedChain.ts'
import { JsonRpc } from '../../src/network/ledger/jsonRpc.ts'
import type { Ledger, LedgerAccount } from '../../src/network/ledger/ledger.ts'
import { openLedger } from '../../src/network/ledger/rpcLedger.ts'
import { keySigner, newKey } from '../../src/network/ledger/signers.ts'
import { bondingPayload } from '../../src/protocol/economy/bondingPayload.ts'
import { CAPABILITY } from '../../src/protocol/economy/draw.ts'

export const NYM = 1_000_000n
const hash = (bytes: Uint8Array): Uint8Array => keccak256(bytes, 'bytes')
const hex = (bytes: Uint8Array): Hex => `0x${Buffer.from(bytes).toString('hex')}`
const KINDS = [
  CAPABILITY.entry,
  CAPABILITY.entry | CAPABILITY.exitRequester,
  CAPABILITY.mix,
  CAPABILITY.mix,
  CAPABILITY.mix,
  CAPABILITY.mix,
]
const NO_WORD: Hex = `0x${'00'.repeat(32)}`
/** Steps of an epoch's end, and then it goes on for ever. */
const MOST_STEPS = 30

export class TestLedger {
  readonly chain: EmbeddedChain
  readonly #world = nodeWorld(nodeProvider)
  #ledger: Ledger | undefined
  #deployer: LedgerAccount | undefined
  #monitors: LedgerAccount[] = []

  private constructor(chain: EmbeddedChain) {
    this.chain = chain
  }

  static async start(folder: string): Promise<TestLedger> {
    const chain = await startEmbeddedChain(nodeWorld(nodeProvider), nodeProcesses, { folder })
    await chain.fund(keySigner(chain.key).address, 10n ** 21n)
    return new TestLedger(chain)
  }

  get url(): string {
    return this.chain.url
  }

  get ledger(): Ledger {
    assert.ok(this.#ledger)
    return this.#ledger
  }

  async open(deploymentFile: string): Promise<void> {
    const deployment = await readDeployment(this.#world.files, deploymentFile)
    assert.ok(deployment)
    this.#ledger = openLedger(this.#world, { urls: [this.url], deployment, pollEvery: millis(20) })
    this.#deployer = this.#ledger.account(keySigner(this.chain.key))
  }

  /** Six nodes more, of every kind, and three monitors. */
  async populate(): Promise<void> {
    const owners = await Promise.all(KINDS.map(() => this.#account(1000n * NYM)))
    for (const [i, owner] of owners.entries()) await this.#bond(owner, i)
    this.#monitors = await Promise.all([100n, 200n, 300n].map((stake) => this.#account(stake * NYM)))
    for (const [i, monitor] of this.#monitors.entries()) {
      const stake = BigInt(100 * (i + 1)) * NYM
      await monitor.allow('performance', stake)
      await monitor.write('performance', 'join', [stake, true, 'http://127.0.0.1:9/'])
    }
  }

  /** Of a node that mixes, in its owner's name. */
  async announce(nodeId: number, key: Secret): Promise<void> {
    const owner = this.ledger.account(keySigner(key))
    await owner.write('announcements', 'announce', [nodeId, 1n, CAPABILITY.mix, '0x00', hex(new Uint8Array(64))])
  }

  async #account(tokens: bigint): Promise<LedgerAccount> {
    const account = this.ledger.account(keySigner(newKey(this.#world.random)))
    await this.chain.fund(account.address, 10n ** 19n)
    assert.ok(this.#deployer)
    await this.#deployer.write('token', 'transfer', [account.address, tokens])
    return account
  }

  async #bond(owner: LedgerAccount, i: number): Promise<void> {
    const seed = this.#world.random.stream('test node').bytes(32)
    const identityKey = nodeProvider.ed25519PublicKey(seed)
    const host = `192.0.2.${100 + i}`
    const pledge = BigInt(100 * (i + 1)) * NYM
    const costs = { profitMargin: 10n ** 17n * BigInt(i + 1), intervalOperatingCost: BigInt(10 * i) * NYM }
    const { chainId, addresses } = this.ledger.deployment
    const place = { chainId, mixnet: addresses.mixnet, owner: owner.address, nonce: 0 }
    const text = bondingPayload({ ...place, identityKey, host, httpPort: 8080, ...costs, pledge })
    const signature = nodeProvider.ed25519Sign(seed, text)
    await owner.allow('mixnet', pledge)
    await owner.write('mixnet', 'bond', [
      hex(identityKey),
      host,
      8080,
      costs,
      pledge,
      hex(signature.subarray(0, 32)),
      hex(signature.subarray(32)),
    ])
    const nodeId = await this.ledger.read('mixnet', 'nodeIdOf', [owner.address])
    await owner.write('announcements', 'announce', [
      nodeId,
      1n,
      KINDS[i] as number,
      hex(new Uint8Array([i])),
      hex(new Uint8Array(64)),
    ])
  }

  /** All steps of its end, with reports of the monitors before; the first `silent` of them commit and say no more. */
  async endEpoch({ reports = false, silent = 0 }: { reports?: boolean; silent?: number } = {}): Promise<void> {
    const { totalElapsedEpochs, currentEpochStart, epochLength } = await this.ledger.read('mixnet', 'interval', [])
    if (reports) await this.#report(totalElapsedEpochs, silent)
    await this.#jumpTo(Number(currentEpochStart) + epochLength)
    assert.ok(this.#deployer)
    const driven = epochLedger(this.ledger, this.#deployer, hash)
    for (let step = 0; step < MOST_STEPS; step++) {
      const { epochId, phase, isSettled } = await driven.read()
      if (epochId > totalElapsedEpochs) return
      if (phase === 'inProgress' && !isSettled) await driven.settle(epochId, 8)
      else if (phase === 'inProgress') await driven.begin()
      else if (phase === 'rewarding') await driven.reward(2)
      else if (phase === 'reconciling') await driven.reconcile(1)
      else await driven.draw((await driven.plan(epochId)).choices)
    }
    assert.fail('the epoch does not end')
  }

  /** Through the timelock, whose delay passes in no time. */
  async govern(fn: string, ...args: readonly unknown[]): Promise<void> {
    const data = encodeCall({ contract: 'mixnet', fn, args })
    const { deployment } = this.ledger
    const call = [deployment.addresses.mixnet, 0n, data, NO_WORD, NO_WORD] as const
    assert.ok(this.#deployer)
    const delay = BigInt(deployment.params.governanceDelaySeconds)
    await this.#deployer.write('timelock', 'schedule', [...call, delay])
    await this.#jumpTo((await this.ledger.block()).time + Number(delay))
    await this.#deployer.write('timelock', 'execute', call)
  }

  /** The chain's clock goes on by so much. */
  async pass(duration: number): Promise<void> {
    await this.#jumpTo((await this.ledger.block()).time + duration)
  }

  async #report(epochId: number, silent: number): Promise<void> {
    const lastNodeId = await this.ledger.read('mixnet', 'lastNodeId', [])
    const standing = await Promise.all(
      this.#monitors.map((one) => this.ledger.read('performance', 'participantOf', [one.address])),
    )
    const able = this.#monitors.filter((_, i) => (standing[i]?.excludedUntilEpoch ?? 0) <= epochId)
    const sealed = able.map((monitor, i) => ({
      monitor: performanceLedger(this.ledger, monitor, hash),
      report: {
        epochId,
        secret: this.#world.random.stream('test secret').bytes(32),
        evidenceHash: new Uint8Array(32),
        scores: new Map(Array.from({ length: lastNodeId }, (_, node) => [node + 1, 90 + 2 * i + (node % 4)])),
      },
    }))
    for (const { monitor, report } of sealed) await monitor.commit(report)
    await this.#jumpTo(Number(await this.ledger.read('performance', 'revealFrom', [])))
    for (const { monitor, report } of sealed.slice(silent)) await monitor.reveal(report)
  }

  /** Unix seconds, of blocks. */
  async #jumpTo(time: number): Promise<void> {
    const rpc = new JsonRpc(this.#world, { urls: [this.url], chainId: undefined })
    const { time: now } = await this.ledger.block()
    if (now < time) await rpc.ask({ method: 'evm_increaseTime', params: [hexOf(time - now)], decode: () => undefined })
    await rpc.ask({ method: 'evm_mine', params: [], decode: () => undefined })
  }

  /** Of an event of whichever contract. */
  topicOf(event: string): string {
    for (const abi of Object.values(ABIS)) {
      const found = (abi as readonly { readonly type: string; readonly name?: string }[]).find(
        (item) => item.type === 'event' && item.name === event,
      )
      if (found !== undefined) return toEventSelector(found as Parameters<typeof toEventSelector>[0])
    }
    throw new Error(`no event ${event}`)
  }

  stop(): Promise<void> {
    return this.chain.stop()
  }
}
