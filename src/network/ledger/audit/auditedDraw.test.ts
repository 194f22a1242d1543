/** What a draw in several calls goes by: announcements as they stood when each node was taken. docs/spec/ledger.md, "The root". @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keccak256 } from 'viem/utils'
import { fromHex, toHex } from '../../../foundation/base/bytes.ts'
import { announcementLeaf } from '../../../protocol/economy/announcementLeaf.ts'
import { CAPABILITY, ROLE } from '../../../protocol/economy/draw.ts'
import { epochSeed, firstSeed } from '../../../protocol/economy/epochSeed.ts'
import { type MixnetState, newMixnet } from '../../../protocol/economy/mixnetState.ts'
import { bond } from '../../../protocol/economy/operations.ts'
import { topologyRoot } from '../../../protocol/economy/topologyRoot.ts'
import type { Address, Hex } from '../chain.ts'
import { AuditedDraw } from './auditedDraw.ts'
import { AuditedScores } from './auditedScores.ts'
import { Difference } from './difference.ts'

const hash = (bytes: Uint8Array): Uint8Array => keccak256(bytes, 'bytes')
const hex = (bytes: Uint8Array): Hex => `0x${toHex(bytes)}`
const CONTRACT: Address = '0x00000000000000000000000000000000000000cc'
const DRIVER: Address = '0x00000000000000000000000000000000000000dd'
const OTHER: Address = '0x00000000000000000000000000000000000000ee'
const EPOCH = 24
const START = 1_000_000n
const ONE = 10n ** 18n
const keyOf = (nodeId: number): Hex => `0x${String(nodeId).repeat(64)}`

function network(): MixnetState {
  const costs = { profitMargin: 0n, intervalOperatingCost: 0n }
  const state = newMixnet({
    firstEpochId: EPOCH,
    firstEpochStart: START,
    epochsInInterval: 4,
    epochLength: 3600,
    params: {
      rewardPool: 10n ** 12n * ONE,
      stakingSupply: 10n ** 12n * ONE,
      stakingSupplyScaleFactor: 0n,
      sybilResistance: 0n,
      activeSetWorkFactor: ONE,
      intervalPoolEmission: 0n,
      rewardedSet: { entryGateways: 1, exitGateways: 1, mixnodes: 3, standby: 0 },
    },
    operatorsParams: {
      minimumPledge: 1n,
      minimumDelegation: 0n,
      minimumProfitMargin: 0n,
      maximumProfitMargin: ONE,
      minimumOperatingCost: 0n,
      maximumOperatingCost: 1n,
    },
  })
  for (const nodeId of [1, 2])
    bond(state, START, {
      owner: `owner ${nodeId}`,
      identityKey: keyOf(nodeId),
      host: 'host',
      httpPort: 0,
      costs,
      pledge: 100n,
      signed: true,
    })
  return state
}

class Told {
  readonly state: MixnetState = network()
  readonly draw: AuditedDraw = new AuditedDraw(hash)
  readonly #scores = new AuditedScores({ chainId: 1, contract: CONTRACT }, { exclusion: 6, tolerance: 20 }, hash)
  readonly #seed = epochSeed(
    { previous: firstSeed(1, fromHex(CONTRACT.slice(2)), hash), epochId: EPOCH, secrets: [] },
    hash,
  )

  constructor() {
    this.#scores.take({
      contract: 'performance',
      event: 'Settled',
      args: { epochId: EPOCH, seed: hex(this.#seed) },
    } as never)
  }

  /** Returns the leaf. */
  announce(nodeId: number, sequence: bigint): Uint8Array {
    const said = { nodeId, sequence, capabilities: CAPABILITY.mix }
    const args = { ...said, data: '0x01' as Hex, signature: '0x02' as Hex }
    this.draw.announce({ args } as never, this.state.interval, START + 4000n + sequence)
    return announcementLeaf(said, Uint8Array.of(1), Uint8Array.of(2), hash)
  }

  take(driver: Address, from: number, nextNodeId: number): void {
    this.draw.taken({ args: { epochId: EPOCH + 1, driver, from, nextNodeId } } as never)
  }

  /** Of a set in which both mix. */
  drawn(...leaves: readonly Uint8Array[]): void {
    const nodes = leaves.map((leaf, i) => ({
      nodeId: i + 1,
      identityKey: fromHex(keyOf(i + 1).slice(2)),
      leaf,
      role: ROLE.layer1,
    }))
    const root = hex(topologyRoot({ epochId: EPOCH + 1, seed: this.#seed, nodes }, hash))
    const args = { epochId: EPOCH + 1, root, seed: hex(this.#seed) }
    this.draw.draw({ args } as never, { state: this.state, lateStakeOf: () => 0n, time: START }, this.#scores)
  }
}

test('an announcement between two calls counts for nodes that were not taken yet', () => {
  const told = new Told()
  const [first, second] = [told.announce(1, 1n), told.announce(2, 1n)]
  told.take(DRIVER, 1, 2)
  told.announce(1, 2n)
  const later = told.announce(2, 2n)
  told.take(DRIVER, 2, 3)
  told.drawn(first, later)
  assert.equal(told.draw.set.candidates, 2)

  const atOnce = new Told()
  for (const nodeId of [1, 2]) atOnce.announce(nodeId, 1n)
  atOnce.take(DRIVER, 1, 3)
  for (const nodeId of [1, 2]) atOnce.announce(nodeId, 2n)
  atOnce.drawn(first, second)
  // It can fail.
  const wrong = new Told()
  for (const nodeId of [1, 2]) wrong.announce(nodeId, 1n)
  wrong.take(DRIVER, 1, 3)
  assert.throws(() => wrong.drawn(first, later), Difference)
})

test("each driver's attempt is its own, and begins anew at node 1", () => {
  const told = new Told()
  const [first, second] = [told.announce(1, 1n), told.announce(2, 1n)]
  told.take(DRIVER, 1, 3)
  told.take(OTHER, 1, 2)
  const later = told.announce(1, 2n)
  told.take(DRIVER, 1, 2)
  told.take(OTHER, 2, 3)
  told.take(DRIVER, 2, 3)
  told.drawn(later, second)
  assert.notDeepEqual(first, later)
})
