/** A rewarded set over mocks that say what a test wants, and the same world for the model. @module */
import { keccak256 as viemKeccak } from 'viem'
import { fromHex, toHex } from '../../src/foundation/base/bytes.ts'
import { CAPABILITY, type Draw, type DrawNode, drawSet, ROLE, type SetSizes } from '../../src/protocol/economy/draw.ts'
import { topologyRoot } from '../../src/protocol/economy/topologyRoot.ts'
import { type AddressHex, Evm } from '../support/evm.ts'

export const keccak256 = (bytes: Uint8Array): Uint8Array => viemKeccak(bytes, 'bytes')
export const hex = (bytes: Uint8Array): `0x${string}` => `0x${toHex(bytes)}`
export const bytesOf = (text: string): Uint8Array => fromHex(text.slice(2))

export const STATE: { readonly inProgress: 0; readonly roleAssignment: 3 } = { inProgress: 0, roleAssignment: 3 }
export const ONE: bigint = 10n ** 18n
export const EPOCH = 7
export const LENGTH = 3600n
export const START = 1_700_000_000n
export const REVEAL_FROM: bigint = START + (LENGTH * 3n) / 4n

export interface World {
  readonly seed: Uint8Array
  readonly nodes: readonly DrawNode[]
  readonly wanted: SetSizes
  readonly saturationPoint: bigint
  /** Whether no set is in force: all nodes take part. */
  readonly bootstrap: boolean
}

export const identityOf = (nodeId: number): Uint8Array => new Uint8Array(32).fill(nodeId & 0xff).fill(nodeId >> 8, 16)
export const leafOf = ({ nodeId, capabilities }: DrawNode): Uint8Array =>
  capabilities === 0 ? new Uint8Array(32) : identityOf(nodeId + 1)

export const modelDraw = (world: World): Draw =>
  drawSet({
    ...world,
    ...(world.bootstrap ? {} : { bondedBefore: REVEAL_FROM }),
    keccak256,
  })

export function modelRoot(world: World, epochId: number): Uint8Array {
  const { roles } = modelDraw(world)
  const nodes = world.nodes
    .filter(({ nodeId }) => roles.has(nodeId))
    .map((node) => ({
      nodeId: node.nodeId,
      identityKey: identityOf(node.nodeId),
      leaf: leafOf(node),
      role: roles.get(node.nodeId) ?? ROLE.none,
    }))
  return topologyRoot({ epochId, seed: world.seed, nodes }, keccak256)
}

/** Nodes as tests mostly want them: everything, half saturated, all well. */
export const plainNode = (nodeId: number, change: Partial<DrawNode> = {}): DrawNode => ({
  nodeId,
  stake: 500n * ONE,
  performance: ONE,
  capabilities: CAPABILITY.mix | CAPABILITY.entry | CAPABILITY.exitRequester,
  eligible: true,
  bondedAt: START - 1n,
  ...change,
})

export const seedOf = (n: number): Uint8Array =>
  keccak256(new Uint8Array([n & 0xff, (n >> 8) & 0xff, (n >> 16) & 0xff]))

export class DrawSetting {
  readonly evm: Evm
  readonly mixnet: AddressHex
  readonly scores: AddressHex
  readonly announcements: AddressHex
  readonly set: AddressHex

  private constructor(evm: Evm, addresses: Record<'mixnet' | 'scores' | 'announcements' | 'set', AddressHex>) {
    this.evm = evm
    this.mixnet = addresses.mixnet
    this.scores = addresses.scores
    this.announcements = addresses.announcements
    this.set = addresses.set
  }

  static async create(): Promise<DrawSetting> {
    const evm = await Evm.create()
    evm.now = START
    const mixnet = await evm.deploy('MixnetStakesMock', [EPOCH, Number(LENGTH), START])
    const scores = await evm.deploy('SettledScoresMock')
    const announcements = await evm.deploy('AnnouncementsMock')
    const set = await evm.deploy('RewardedSet', [mixnet, scores, announcements])
    await evm.send(mixnet, 'setRewardedSet', [set])
    return new DrawSetting(evm, { mixnet, scores, announcements, set })
  }

  /** Into role assignment, with these nodes and no others. */
  async prepare(world: World): Promise<void> {
    const { evm, mixnet } = this
    const known = Number(await evm.read(mixnet, 'lastNodeId'))
    const last = Math.max(known, world.nodes.at(-1)?.nodeId ?? 0)
    const byId = new Map(world.nodes.map((node) => [node.nodeId, node]))
    for (let first = 1; first <= last; first += 200) {
      const ids = Array.from({ length: Math.min(200, last - first + 1) }, (_, i) => first + i)
      const stakes = ids.map((id) => {
        const node = byId.get(id)
        return {
          operator: (node?.stake ?? 0n) / 3n,
          delegates: (node?.stake ?? 0n) - (node?.stake ?? 0n) / 3n,
          identityKey: hex(node === undefined ? new Uint8Array(32) : identityOf(id)),
          eligible: node?.eligible ?? false,
          bondedAt: node?.bondedAt ?? 0n,
        }
      })
      await evm.send(mixnet, 'set', [first, stakes])
      await evm.send(this.scores, 'setScores', [first, ids.map((id) => byId.get(id)?.performance ?? 0n)])
      const nodes = ids.map((id) => byId.get(id) ?? plainNode(id, { capabilities: 0 }))
      await evm.send(this.announcements, 'set', [
        first,
        nodes.map((node) => hex(leafOf(node))),
        nodes.map(({ capabilities }) => capabilities),
      ])
    }
    await evm.send(mixnet, 'setParams', [world.saturationPoint, world.wanted])
    await evm.send(this.scores, 'set', [hex(world.seed), world.bootstrap ? 0n : REVEAL_FROM])
    await evm.send(mixnet, 'setState', [STATE.roleAssignment])
  }

  /** So that a set is in force since before the reveals, and times of bonding matter. */
  async pastBootstrap(): Promise<void> {
    const world: World = {
      seed: seedOf(1),
      nodes: [plainNode(1, { stake: ONE })],
      wanted: { entryGateways: 1, exitGateways: 1, mixnodes: 3, standby: 0 },
      saturationPoint: ONE,
      bootstrap: true,
    }
    await this.prepare(world)
    await this.draw(modelDraw(world).choices)
    this.evm.now = START + LENGTH
  }

  draw(choices: Uint8Array, from?: AddressHex): ReturnType<Evm['send']> {
    return this.evm.send(this.set, 'draw', [hex(choices)], from)
  }

  async rolesInForce(): Promise<Map<number, number>> {
    const roles = new Map<number, number>()
    for (const role of [0, 1, 2, 3, 4, 5]) {
      const ids = (await this.evm.read(this.set, 'nodesOf', [role])) as readonly number[]
      for (const [i, id] of ids.entries()) {
        if (roles.has(id)) throw new Error(`node ${id} has two roles`)
        if (i > 0 && id <= ids[i - 1]!) throw new Error('not ascending')
        roles.set(id, role)
      }
    }
    return roles
  }
}
