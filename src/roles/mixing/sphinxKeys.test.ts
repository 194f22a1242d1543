import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { toHex } from '../../foundation/base/bytes.ts'
import { hours, type Millis, millis } from '../../foundation/base/units.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { Simulation } from '../../foundation/platform/simulated/simulation.ts'
import type { World } from '../../foundation/platform/world.ts'
import { type EpochClock, epochAt, untilNextEpoch, wantedKeys } from './rotationSchedule.ts'
import { decodeKeyFile, encodeKeyFile, SphinxKeys, type WantedKeys } from './sphinxKeys.ts'

const EPOCH = hours(1)
const utc = (text: string): Millis => millis(Date.parse(text))

function loadOn(sim: Simulation, world: World, wanted: WantedKeys): Promise<SphinxKeys> {
  const { files, crypto, random } = world
  return sim.complete(SphinxKeys.load({ files, folder: 'keys', crypto, random: random.stream('keys') }, wanted))
}

const plain = (current: number): WantedKeys => ({ current, announceNext: false, keepPrevious: false })

function start(): { sim: Simulation; world: World } {
  const sim = new Simulation({ seed: 'keys', crypto: nodeProvider })
  return { sim, world: sim.host('node', { ips: ['10.0.0.1'] }) }
}

describe('rotation schedule', () => {
  const clock: EpochClock = {
    currentEpoch: 100,
    currentEpochStart: utc('2025-06-30T12:00:00Z'),
    epochLength: EPOCH,
    initialEpoch: 80,
    validityEpochs: 10,
  }

  it('agrees with the official cases', () => {
    for (const [time, rotation] of [
      ['12:00', 2],
      ['12:30', 2],
      ['13:01', 2],
      ['22:02', 3],
    ] as const) {
      assert.equal(wantedKeys(clock, utc(`2025-06-30T${time}:00Z`)).current, rotation, time)
    }
    assert.equal(epochAt(clock, utc('2025-06-30T22:02:00Z')), 110)
    assert.equal(untilNextEpoch(clock, utc('2025-06-30T12:45:00Z')), 15 * 60_000)
    const rotation = (epoch: number, validityEpochs: number, initialEpoch: number) =>
      wantedKeys({ ...clock, currentEpoch: epoch, validityEpochs, initialEpoch }, clock.currentEpochStart).current
    assert.deepEqual(
      [0, 23, 24, 47, 48].map((epoch) => rotation(epoch, 24, 0)),
      [0, 0, 1, 1, 2],
    )
    assert.deepEqual(
      [0, 11, 12, 23, 24].map((epoch) => rotation(epoch, 12, 0)),
      [0, 0, 1, 1, 2],
    )
    assert.deepEqual(
      [123, 10_000, 10_023, 10_024, 10_047, 10_048, 10_060].map((epoch) => rotation(epoch, 24, 10_000)),
      [0, 0, 0, 1, 1, 2, 2],
    )
  })

  it('announces in the last epoch of a rotation and keeps the old key in the first of the next', () => {
    const at = (epoch: number) => wantedKeys({ ...clock, currentEpoch: epoch }, clock.currentEpochStart)
    assert.deepEqual(at(108), { current: 2, announceNext: false, keepPrevious: false })
    assert.deepEqual(at(109), { current: 2, announceNext: true, keepPrevious: false })
    assert.deepEqual(at(110), { current: 3, announceNext: false, keepPrevious: true })
    assert.deepEqual(at(111), { current: 3, announceNext: false, keepPrevious: false })
    assert.deepEqual(at(80), { current: 0, announceNext: false, keepPrevious: false })
    assert.deepEqual(at(0), { current: 0, announceNext: false, keepPrevious: false })
  })

  it('does not go back where the clock is behind the directory', () => {
    assert.equal(epochAt(clock, utc('2025-06-30T11:00:00Z')), 100)
    assert.equal(untilNextEpoch(clock, utc('2025-06-30T11:00:00Z')), 2 * EPOCH)
  })
})

describe('sphinx keys', () => {
  it('lives through a rotation as all other nodes do', async () => {
    const { sim, world } = start()
    const keys = await loadOn(sim, world, plain(1))
    const [first] = keys.candidates(0)
    assert.equal(first?.rotationId, 1)
    assert.deepEqual(keys.rotationIds, [1])
    assert.deepEqual([keys.candidates(1).length, keys.candidates(2).length], [1, 0])

    assert.equal(await sim.complete(keys.apply({ ...plain(1), announceNext: true })), true)
    const next = keys.preAnnounced
    assert.equal(next?.rotationId, 2)
    assert.deepEqual(
      keys.candidates(0).map((key) => key.rotationId),
      [1, 2],
    )
    assert.deepEqual(keys.candidates(2), [next])
    assert.equal(await sim.complete(keys.apply({ ...plain(1), announceNext: true })), false)

    assert.equal(await sim.complete(keys.apply({ ...plain(2), keepPrevious: true })), true)
    assert.equal(keys.primary, next)
    assert.deepEqual(
      keys.candidates(0).map((key) => key.rotationId),
      [2, 1],
    )
    assert.deepEqual(keys.candidates(1), [first])

    assert.equal(await sim.complete(keys.apply(plain(2))), true)
    assert.deepEqual(keys.rotationIds, [2])
    assert.deepEqual(keys.candidates(1), [])
    assert.deepEqual(await sim.complete(world.files.list('keys')), ['sphinx-2.pem'])
  })

  it('finds its keys again after a restart, also one that was already announced', async () => {
    const { sim, world } = start()
    const keys = await loadOn(sim, world, { ...plain(5), announceNext: true })
    const announced = toHex(keys.preAnnounced?.publicKey as Uint8Array)
    const again = await loadOn(sim, sim.restart('node'), { ...plain(6), keepPrevious: true })
    assert.equal(toHex(again.primary.publicKey), announced)
    assert.deepEqual(
      again.candidates(1).map((key) => toHex(key.publicKey)),
      [toHex(keys.primary.publicKey)],
    )
  })

  it('makes a key where it slept through the announcement, but never an old one', async () => {
    const { sim, world } = start()
    await loadOn(sim, world, plain(1))
    const keys = await loadOn(sim, sim.restart('node'), { ...plain(9), keepPrevious: true })
    assert.deepEqual(keys.rotationIds, [9])
  })

  it('uses the new key while the old file is being deleted', async () => {
    const { sim, world } = start()
    const keys = await loadOn(sim, world, { ...plain(1), announceNext: true })
    const applying = keys.apply(plain(2))
    assert.deepEqual(
      keys.candidates(0).map((key) => key.rotationId),
      [2],
    )
    await sim.complete(applying)
  })

  it('tries every key for the first rotation, whose packets carry no flag', async () => {
    const { sim, world } = start()
    const keys = await loadOn(sim, world, { ...plain(0), announceNext: true })
    assert.deepEqual(
      keys.candidates(0).map((key) => key.rotationId),
      [0, 1],
    )
    assert.deepEqual(
      keys.candidates(1).map((key) => key.rotationId),
      [0, 1],
    )
  })

  it('writes key files as nym-node does, and refuses damaged ones', async () => {
    const file = encodeKeyFile(42, new Uint8Array(32).fill(7))
    const key = decodeKeyFile(nodeProvider, file)
    assert.equal(key.rotationId, 42)
    assert.deepEqual(key.secret.expose(), new Uint8Array(32).fill(7))
    assert.match(new TextDecoder().decode(file), /^-----BEGIN X25519 SPHINX PRIVATE KEY-----\nAAAAKgcH/)
    assert.throws(() => decodeKeyFile(nodeProvider, file.subarray(0, 60)), { code: 'KEY_FILE_UNREADABLE' })
    const { sim, world } = start()
    await sim.complete(world.files.write('keys/sphinx-1.pem', new Uint8Array(9)))
    await assert.rejects(loadOn(sim, world, plain(1)), { code: 'KEY_FILE_UNREADABLE' })
  })
})
