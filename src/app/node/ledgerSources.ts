/** What directories and epoch drivers read of the ledger and do to it, from the contracts. docs/spec/ledger.md has their rules. @module */
import { fromHex, toHex } from '../../foundation/base/bytes.ts'
import type { Block, Hex } from '../../network/ledger/chain.ts'
import type { Ledger, LedgerAccount } from '../../network/ledger/ledger.ts'
import type { Keccak256 } from '../../protocol/economy/abiWords.ts'
import { type DrawNode, drawSet, ROLE } from '../../protocol/economy/draw.ts'
import type { EpochRole } from '../../protocol/wire/directory/skimmedNodes.ts'
import type { EpochLedger, EpochPhase } from '../../roles/directory/epochDriver.ts'
import type { LedgerNode, LedgerSnapshot, LedgerSource } from '../../roles/directory/ledgerSnapshot.ts'
import { readBondedIds } from './bondedIds.ts'
import { BundleReader } from './ledgerBundles.ts'

/** Of 18 fractional digits. */
const ONE = 10 ** 18
/** What `bondedBefore` says where nothing is too late. */
const UNBOUNDED = 2n ** 64n - 1n
/** As `EpochState` of the contracts. */
const PHASES: readonly EpochPhase[] = ['inProgress', 'rewarding', 'reconciling', 'roleAssignment']
const ROLES: readonly (readonly [number, EpochRole])[] = [
  [ROLE.entryGateway, 'entryGateway'],
  [ROLE.layer1, 'layer1'],
  [ROLE.layer2, 'layer2'],
  [ROLE.layer3, 'layer3'],
  [ROLE.exitGateway, 'exitGateway'],
  [ROLE.standby, 'standby'],
]

export const bytesOfHex = (hex: Hex): Uint8Array => fromHex(hex.slice(2).toLowerCase(), 'word of the ledger')
export const hexOfBytes = (bytes: Uint8Array): Hex => `0x${toHex(bytes)}`

/** Remembers announcements between questions, so that each is read once. */
export function ledgerSource(ledger: Ledger, keccak256: Keccak256): LedgerSource {
  const bundles = new BundleReader(ledger, keccak256)
  return {
    snapshot: (confirmations) => readSnapshot(ledger, confirmations),
    topology: (epochId) => bundles.read(epochId),
  }
}

async function readSnapshot(ledger: Ledger, confirmations: number): Promise<LedgerSnapshot> {
  const block = await ledger.block({ behind: confirmations })
  const { results } = await ledger.readAll(
    [
      { contract: 'mixnet', fn: 'interval', args: [] },
      { contract: 'mixnet', fn: 'keyRotation', args: [] },
      { contract: 'mixnet', fn: 'rewardingParams', args: [] },
      { contract: 'mixnet', fn: 'lastNodeId', args: [] },
      { contract: 'rewardedSet', fn: 'epochId', args: [] },
    ],
    { block },
  )
  const [interval, [validityEpochs, initialEpochId], params, lastNodeId, setEpochId] = results
  const { totalElapsedEpochs: epochId, currentEpochStart, epochLength } = interval
  // No set is in force before the first draw.
  const roles = setEpochId === 0 ? new Map<number, EpochRole>() : await readRoles(ledger, block)
  const nodes = await readNodes(ledger, block, { lastNodeId, epochId, roles })
  return {
    block,
    epochId,
    epochStart: Number(currentEpochStart),
    epochLength,
    interval: {
      id: interval.id,
      epochsInInterval: interval.epochsInInterval,
      currentEpochId: interval.currentEpochId,
    },
    keyRotation: { validityEpochs, initialEpochId },
    params,
    nodes,
  }
}

async function readRoles(ledger: Ledger, block: Block): Promise<ReadonlyMap<number, EpochRole>> {
  const { results } = await ledger.readAll(
    ROLES.map(([role]) => ({ contract: 'rewardedSet' as const, fn: 'nodesOf' as const, args: [role] as const })),
    { block },
  )
  return new Map(
    (results as readonly (readonly number[])[]).flatMap((ids, i) => ids.map((id) => [id, ROLES[i]![1]] as const)),
  )
}

/** All of one contract's function, in as few questions as they take. */
async function readNodes(
  ledger: Ledger,
  block: Block,
  { lastNodeId, epochId, roles }: { lastNodeId: number; epochId: number; roles: ReadonlyMap<number, EpochRole> },
): Promise<readonly LedgerNode[]> {
  const ids = await readBondedIds(ledger, block, lastNodeId)
  const bonds = ids.map((id) => ({ contract: 'mixnet', fn: 'bondOf', args: [id] }) as const)
  const accounts = ids.map((id) => ({ contract: 'mixnet', fn: 'rewardingOf', args: [id] }) as const)
  const [{ results: bonded }, { results: rewarding }, scores] = await Promise.all([
    ledger.readAll(bonds, { block }),
    ledger.readAll(accounts, { block }),
    readScores(ledger, block, epochId, ids),
  ])
  return ids.map((nodeId, i): LedgerNode => {
    const bond = bonded[i]!
    const { operator, delegates, totalUnitReward, profitMargin, intervalOperatingCost, ...account } = rewarding[i]!
    return {
      nodeId,
      identity: bytesOfHex(bond.identityKey),
      owner: bytesOfHex(bond.owner),
      host: bond.host,
      httpPort: bond.httpPort === 0 ? undefined : bond.httpPort,
      isUnbonding: bond.isUnbonding,
      bondedInEpoch: bond.bondedInEpoch,
      bondedAt: Number(bond.bondedAt),
      originalPledge: bond.originalPledge,
      operator,
      delegates,
      totalUnitReward,
      profitMargin,
      intervalOperatingCost,
      lastRewardedEpoch: account.lastRewardedEpoch,
      uniqueDelegations: account.uniqueDelegations,
      role: roles.get(nodeId) ?? 'inactive',
      score: Number(scores[i] ?? 0n) / ONE,
    }
  })
}

/** Decimals, of the newest epoch that is settled; none before the first is. */
async function readScores(
  ledger: Ledger,
  block: Block,
  epochId: number,
  ids: readonly number[],
): Promise<readonly bigint[]> {
  if (epochId === 0) return []
  const isSettled = await ledger.read('performance', 'isSettled', [epochId - 1], { block })
  return isSettled ? ledger.read('performance', 'scoresOf', [epochId - 1, ids], { block }) : []
}

/** `account` pays for the steps; anybody may. */
export function epochLedger(ledger: Ledger, account: LedgerAccount, keccak256: Keccak256): EpochLedger {
  /** The epoch seen last: asked for with the rest, for it is most probably this one. */
  let lastEpochId = 0
  return {
    async read() {
      const { block, results } = await ledger.readAll([
        { contract: 'performance', fn: 'isSettled', args: [lastEpochId] },
        { contract: 'mixnet', fn: 'interval', args: [] },
        { contract: 'mixnet', fn: 'epochState', args: [] },
        { contract: 'mixnet', fn: 'isIntervalOver', args: [] },
        { contract: 'mixnet', fn: 'pendingEvents', args: [] },
        { contract: 'performance', fn: 'settlingState', args: [] },
        { contract: 'rewardedSet', fn: 'attemptOf', args: [account.address] },
      ])
      const [isLastSettled, interval, [state, rewarded], isIntervalOver, pending, settling, attempt] = results
      const { totalElapsedEpochs: epochId, currentEpochStart, epochLength } = interval
      const isKnown = epochId === lastEpochId
      lastEpochId = epochId
      const [epochEvents, intervalEvents] = pending
      const [settlingEpoch, nextWord] = settling
      const [attemptEpoch, drawFrom] = attempt
      return {
        blockTime: block.time,
        epochId,
        epochEnd: Number(currentEpochStart) + epochLength,
        epochLength,
        phase: PHASES[state] ?? 'inProgress',
        isSettled: isKnown ? isLastSettled : await ledger.read('performance', 'isSettled', [epochId], { block }),
        settledWords: settlingEpoch === epochId ? nextWord : 0,
        rewarded,
        pendingEvents: Number(epochEvents + (isIntervalOver ? intervalEvents : 0n)),
        drawFrom: attemptEpoch === epochId + 1 ? drawFrom : undefined,
      }
    },
    async settle(epochId, words) {
      await account.write('performance', 'settle', [epochId, words])
    },
    async begin() {
      await account.write('mixnet', 'beginEpochTransition', [])
    },
    async reward(nodes) {
      await account.write('mixnet', 'rewardNodes', [nodes])
    },
    async reconcile(events) {
      await account.write('mixnet', 'reconcileEpochEvents', [events])
    },
    plan: (epochId) => planDraw(ledger, epochId, keccak256),
    async draw(choices) {
      await account.write('rewardedSet', 'draw', [hexOfBytes(choices)])
    },
    async restart() {
      await account.write('rewardedSet', 'restart', [])
    },
  }
}

async function planDraw(
  ledger: Ledger,
  epochId: number,
  keccak256: Keccak256,
): Promise<{ readonly nodeIds: readonly number[]; readonly choices: Uint8Array }> {
  const { block, results } = await ledger.readAll([
    { contract: 'mixnet', fn: 'lastNodeId', args: [] },
    { contract: 'mixnet', fn: 'rewardingParams', args: [] },
    { contract: 'performance', fn: 'seedOf', args: [epochId] },
    { contract: 'rewardedSet', fn: 'bondedBefore', args: [] },
  ])
  const [lastNodeId, { stakeSaturationPoint, rewardedSet }, seed, bondedBefore] = results
  const ids = await readBondedIds(ledger, block, lastNodeId)
  const { results: known } = await ledger.readAll(
    [
      { contract: 'mixnet', fn: 'stakesOf', args: [ids] },
      { contract: 'performance', fn: 'scoresOf', args: [epochId, ids] },
      // As the contract reads them.
      { contract: 'announcements', fn: bondedBefore === UNBOUNDED ? 'entriesOf' : 'entriesForDraw', args: [ids] },
    ],
    { block },
  )
  const [stakes, scores, [leaves, capabilities]] = known
  const nodes = ids.map((nodeId, i): DrawNode => {
    const { operator, delegates, eligible, bondedAt } = stakes[i]!
    return {
      nodeId,
      stake: operator + delegates,
      performance: scores[i]!,
      capabilities: BigInt(leaves[i]!) === 0n ? 0 : capabilities[i]!,
      eligible,
      bondedAt,
    }
  })
  const { roles, choices } = drawSet({
    seed: bytesOfHex(seed),
    nodes,
    ...(bondedBefore === UNBOUNDED ? {} : { bondedBefore }),
    saturationPoint: stakeSaturationPoint,
    wanted: rewardedSet,
    keccak256,
  })
  return { nodeIds: [...roles.keys()], choices }
}
