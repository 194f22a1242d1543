import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Meter, silentLog } from '../../foundation/base/observe.ts'
import { millis } from '../../foundation/base/units.ts'
import { nullProvider } from '../../foundation/crypto/nullProvider.ts'
import type { Files } from '../../foundation/platform/files.ts'
import { Simulation } from '../../foundation/platform/simulated/simulation.ts'
import { ReplayGuard } from './replayGuard.ts'

const tag = (number: number): Uint8Array => {
  const bytes = new Uint8Array(32)
  new DataView(bytes.buffer).setUint32(0, Math.imul(number, 2_654_435_761))
  new DataView(bytes.buffer).setUint32(4, Math.imul(number + 1, 2_246_822_519))
  return bytes
}

function start(): { sim: Simulation; files: Files } {
  const sim = new Simulation({ seed: 'replay', crypto: nullProvider })
  return { sim, files: sim.host('node', { ips: ['10.0.0.1'] }).files }
}

function guardOn(files: Files, meter: Meter = new Meter()): ReplayGuard {
  const options = { folder: 'keys', falsePositiveRate: 1e-6, maxBytes: 16 << 20, meter, log: silentLog }
  return new ReplayGuard({ files, ...options })
}

describe('replay guard', () => {
  it('drops what it saw, per rotation, and everything of a rotation that is not open', async () => {
    const { sim, files } = start()
    const guard = guardOn(files)
    assert.equal(guard.seen(1, tag(1)), true)
    await sim.complete(Promise.all([guard.open(1), guard.open(1), guard.open(2)]))
    assert.equal(guard.seen(1, tag(1)), false)
    assert.equal(guard.seen(1, tag(1)), true)
    assert.equal(guard.seen(2, tag(1)), false)
    await sim.complete(guard.drop(1))
    assert.equal(guard.seen(1, tag(2)), true)
    await sim.complete(guard.open(1))
    assert.equal(guard.seen(1, tag(1)), false)
  })

  it('still knows after a kill what had been flushed, and after a stop everything', async () => {
    const { sim, files } = start()
    let guard = guardOn(files)
    await sim.complete(guard.open(7))
    for (let i = 0; i < 2000; i++) guard.seen(7, tag(i))
    assert.equal(guard.flush(), true)
    guard.seen(7, tag(5000))
    guard = guardOn(sim.restart('node').files)
    const meter = new Meter()
    guard = guardOn(sim.restart('node').files, meter)
    await sim.complete(guard.open(7))
    for (let i = 0; i < 2000; i++) assert.equal(guard.seen(7, tag(i)), true)
    assert.equal(meter.snapshot().replay_filter_tags, 2000)
    // Nothing that this one covered had left.
    assert.equal(guard.seen(7, tag(5000)), false)
    await sim.complete(guard.close())
    guard = guardOn(sim.restart('node').files)
    await sim.complete(guard.open(7))
    assert.equal(guard.seen(7, tag(5000)), true)
  })

  it('writes by itself what would not fit any more', async () => {
    const { sim, files } = start()
    const guard = guardOn(files)
    await sim.complete(guard.open(1))
    for (let i = 0; i < 1500; i++) guard.seen(1, tag(i))
    const logged = await sim.complete(files.read('keys/replay-1.tags'))
    assert.equal(logged?.length, 1024 * 8)
  })

  it('goes on behind a torn log', async () => {
    const { sim, files } = start()
    let guard = guardOn(files)
    await sim.complete(guard.open(1))
    for (let i = 0; i < 10; i++) guard.seen(1, tag(i))
    guard.flush()
    const log = (await sim.complete(files.read('keys/replay-1.tags'))) as Uint8Array
    await sim.complete(files.write('keys/replay-1.tags', log.subarray(0, 77)))
    guard = guardOn(files)
    await sim.complete(guard.open(1))
    assert.equal(guard.seen(1, tag(8)), true)
    assert.equal(guard.seen(1, tag(9)), false)
    guard.flush()
    guard = guardOn(files)
    await sim.complete(guard.open(1))
    for (let i = 0; i < 10; i++) assert.equal(guard.seen(1, tag(i)), true)
  })

  it('deletes the log with the rotation', async () => {
    const { sim, files } = start()
    const guard = guardOn(files)
    await sim.complete(guard.open(3))
    guard.seen(3, tag(1))
    guard.flush()
    await sim.complete(guard.drop(3))
    assert.deepEqual(await sim.complete(files.list('keys')), [])
  })

  it('lets nothing pass where the log cannot be written', async () => {
    const { sim, files } = start()
    const broken: Files = {
      ...files,
      openAppend: async (path) => ({
        ...(await files.openAppend(path)),
        append() {
          throw new Error('disk full')
        },
      }),
    }
    const guard = guardOn(broken)
    await sim.complete(guard.open(1))
    assert.equal(guard.seen(1, tag(1)), false)
    assert.equal(guard.flush(), false)
    assert.equal(guard.seen(1, tag(2)), true)
    await sim.runFor(millis(1))
  })
})
