import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { toHex, utf8 } from '../../foundation/base/bytes.ts'
import { Meter, silentLog } from '../../foundation/base/observe.ts'
import { hours, type Millis, millis, minutes, seconds } from '../../foundation/base/units.ts'
import { nullProvider } from '../../foundation/crypto/nullProvider.ts'
import { Simulation } from '../../foundation/platform/simulated/simulation.ts'
import type { World } from '../../foundation/platform/world.ts'
import { DirectoryClient } from '../../network/topology/directoryClient.ts'
import { encodeKeyRotationInfo, keyRotationInfo } from '../../protocol/wire/directory/epochs.ts'
import { ReplayGuard } from '../../roles/mixing/replayGuard.ts'
import { EpochMemory } from './epochMemory.ts'
import { KeyRotation } from './keyRotation.ts'

const EPOCH = hours(1)
const VALIDITY = 3
const DIRECTORY = { host: '10.0.0.1', port: 80 }
const TAG = new Uint8Array(16).fill(7)

/** A directory that tells the epoch and nothing else, and a node that has keys and nothing else, whose wall clock can be moved. */
class Stage {
  readonly sim = new Simulation({ seed: 'rotation', crypto: nullProvider })
  readonly #begin = this.sim.clock.now()
  #world: World
  #replay: ReplayGuard | undefined
  readonly told: string[] = []
  ahead: Millis = millis(0)
  changes = 0

  constructor() {
    this.#world = this.sim.host('node', { ips: ['10.0.0.2'] })
    this.sim.host('directory', { ips: [DIRECTORY.host] })
  }

  get files(): World['files'] {
    return this.#world.files
  }

  /** By the directory. */
  get epoch(): number {
    return VALIDITY + Math.floor((this.sim.clock.now() - this.#begin) / EPOCH)
  }

  async openDirectory(): Promise<void> {
    const { net } = this.sim.restart('directory')
    const limits = { maxBodyBytes: 100, requestTimeout: seconds(1) }
    const serving = net.serveHttp({ ...DIRECTORY, ...limits }, () => {
      const absoluteId = this.epoch
      const start = millis(this.#begin + (absoluteId - VALIDITY) * EPOCH)
      const rotation = { validityEpochs: VALIDITY, initialEpochId: 0 }
      return Response.json(encodeKeyRotationInfo(keyRotationInfo(rotation, { absoluteId, start, duration: EPOCH })))
    })
    await this.sim.complete(serving)
  }

  closeDirectory(): void {
    this.sim.crash('directory')
  }

  async start(): Promise<KeyRotation> {
    return this.sim.complete(this.starting(), minutes(1))
  }

  starting(): Promise<KeyRotation> {
    const real = this.sim.restart('node')
    this.#world = { ...real, clock: { ...real.clock, now: () => millis(real.clock.now() + this.ahead) } }
    const { files, net } = this.#world
    const directories = [`http://${DIRECTORY.host}:${DIRECTORY.port}`]
    const options = { folder: 'data', falsePositiveRate: 1e-5, maxBytes: 1 << 20, meter: new Meter(), log: silentLog }
    this.#replay = new ReplayGuard({ files, ...options })
    return KeyRotation.start(
      this.#world,
      {
        directory: new DirectoryClient(net, { baseUrls: directories }),
        memory: new EpochMemory({ files, path: 'data/heard-epoch.txt', directories, log: silentLog }),
        folder: 'data',
        replay: this.#replay,
        log: { ...silentLog, info: (code) => this.told.push(code) },
        retry: seconds(5),
        onChange: () => this.changes++,
      },
      new AbortController().signal,
    )
  }

  /** Whether a packet with this tag may pass; from then on it may not. */
  passes(rotationId: number, tag: Uint8Array): boolean {
    const isNew = this.#replay?.seen(rotationId, tag) === false
    this.#replay?.flush()
    return isNew
  }

  async names(): Promise<readonly string[]> {
    const names = await this.sim.complete(this.files.list('data'))
    return names.filter((name) => /^(?:sphinx|replay)-/.test(name))
  }
}

const primary = ({ keys }: KeyRotation) => [keys.primary.rotationId, toHex(keys.primary.publicKey)]

describe('key rotation without a directory', () => {
  it('a node that never heard of an epoch waits, and starts when the directory is there', async () => {
    const stage = new Stage()
    const starting = stage.starting()
    await stage.sim.runFor(minutes(10))
    const times = stage.told.filter((code) => code === 'directory.waiting').length
    assert.ok(times >= 9 && times <= 11, `${times} times, not once for each of its attempts`)
    await stage.openDirectory()
    assert.equal((await stage.sim.complete(starting, seconds(20))).keys.primary.rotationId, 1)
  })

  it('a node that restarts meanwhile has its keys, and knows the packets it has seen', async () => {
    const stage = new Stage()
    await stage.openDirectory()
    const before = primary(await stage.start())
    assert.ok(stage.passes(1, TAG))
    stage.closeDirectory()
    const again = await stage.start()
    assert.deepEqual(primary(again), before)
    assert.equal(stage.passes(1, TAG), false)
    await stage.openDirectory()
    await stage.sim.runFor(seconds(6))
    assert.deepEqual(primary(again), before)
    assert.equal(stage.changes, 1, 'it says that it is there')
  })

  it('it changes its keys in time, and lets go of the old ones when their time is over for certain', async () => {
    const stage = new Stage()
    await stage.openDirectory()
    const node = await stage.start()
    stage.closeDirectory()
    await stage.sim.runFor(millis(3 * EPOCH + seconds(10)))
    assert.equal(node.keys.primary.rotationId, 2)
    assert.ok(node.keys.rotationIds.includes(1), 'the old key opens packets that are under way')
    await stage.sim.runFor(millis(1.5 * EPOCH))
    assert.deepEqual(node.keys.rotationIds, [2])
    assert.deepEqual(await stage.names(), ['replay-2.tags', 'sphinx-2.pem'])
    assert.deepEqual(primary(await stage.start()), primary(node))
  })

  it('a wall clock that is a month ahead costs no key and no log, and is set right by the directory', async () => {
    const stage = new Stage()
    await stage.openDirectory()
    const before = primary(await stage.start())
    assert.ok(stage.passes(1, TAG))
    stage.closeDirectory()
    stage.ahead = hours(30 * 24)
    const again = await stage.start()
    assert.ok(again.keys.primary.rotationId > 200)
    assert.equal(stage.passes(1, TAG), false)
    await stage.openDirectory()
    await stage.sim.runFor(seconds(6))
    assert.deepEqual(primary(again), before)
    assert.equal(stage.passes(1, TAG), false)
    assert.deepEqual(await stage.names(), ['replay-1.tags', 'sphinx-1.pem'])
  })

  it('nor does one that jumps while the node runs, whether the directory is there or not', async () => {
    const stage = new Stage()
    await stage.openDirectory()
    const node = await stage.start()
    const before = primary(node)
    stage.ahead = hours(30 * 24)
    await stage.sim.runFor(hours(1))
    assert.deepEqual(primary(node), before)
    stage.closeDirectory()
    await stage.sim.runFor(minutes(30))
    assert.ok(node.keys.rotationIds.includes(1))
    assert.ok((await stage.names()).includes('sphinx-1.pem'))
  })

  it('an answer about another network is none, and neither is a damaged one', async () => {
    const stage = new Stage()
    await stage.openDirectory()
    await stage.start()
    stage.closeDirectory()
    const text = new TextDecoder().decode(await stage.sim.complete(stage.files.read('data/heard-epoch.txt')))
    for (const wrong of [text.replace('10.0.0.1', '10.0.0.9'), text.slice(0, -20), '', 'x\n']) {
      await stage.sim.complete(stage.files.write('data/heard-epoch.txt', utf8(wrong)))
      await assert.rejects(stage.start(), /TIMEOUT|simulated work/)
    }
  })

  it('whatever restarts, goes away or jumps: a key that senders may still use is there, and its log with it', async () => {
    const step = fc.record({
      minutes: fc.integer({ min: 1, max: 100 }),
      restarts: fc.boolean(),
      directory: fc.boolean(),
      ahead: fc.constantFrom(0, 0, -hours(2), minutes(20), hours(30 * 24)),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 20 }), async (steps) => {
        const stage = new Stage()
        await stage.openDirectory()
        let isOpen = true
        let node = await stage.start()
        /** By rotation: what the directory may have told senders. */
        const told = new Map<number, string>()
        for (const { minutes: time, restarts, directory, ahead } of steps) {
          stage.ahead = millis(ahead)
          if (directory !== isOpen) {
            isOpen = directory
            if (isOpen) await stage.openDirectory()
            else stage.closeDirectory()
          }
          if (restarts) node = await stage.start()
          await stage.sim.runFor(minutes(time))
          const keyOf = (id: number) =>
            node.keys.candidates(0).find(({ rotationId }) => rotationId === id)?.publicKey ?? new Uint8Array(0)
          const { epoch } = stage
          const rotation = Math.floor(epoch / VALIDITY)
          for (const id of epoch % VALIDITY === 0 ? [rotation, rotation - 1] : [rotation]) {
            const known = told.get(id)
            if (known === undefined) continue
            assert.equal(toHex(keyOf(id)), known, `rotation ${id} in epoch ${epoch}`)
            assert.equal(stage.passes(id, TAG), false, `its log in epoch ${epoch}`)
          }
          if (!isOpen) continue
          for (const key of [node.keys.primary, node.keys.preAnnounced]) {
            if (key === undefined || told.has(key.rotationId)) continue
            told.set(key.rotationId, toHex(key.publicKey))
            stage.passes(key.rotationId, TAG)
          }
        }
        await stage.sim.complete(node.stop(), minutes(1))
      }),
      { numRuns: 25 },
    )
  })

  it('a log whose key is gone is removed', async () => {
    const stage = new Stage()
    await stage.openDirectory()
    await stage.sim.complete(stage.files.write('data/replay-9.tags', new Uint8Array(16)))
    await stage.start()
    assert.deepEqual(await stage.names(), ['replay-1.tags', 'sphinx-1.pem'])
  })

  it('stopped in the middle of a question, it asks no more', async () => {
    const stage = new Stage()
    await stage.openDirectory()
    const node = await stage.start()
    stage.closeDirectory()
    stage.sim.partition(['node'], ['directory'])
    await stage.sim.runFor(millis(EPOCH + seconds(1)))
    await stage.sim.complete(node.stop(), seconds(1))
    await stage.sim.runFor(hours(12))
    assert.deepEqual(node.keys.rotationIds, [1])
  })
})
