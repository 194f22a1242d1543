import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8 } from '../../foundation/base/bytes.ts'
import { silentLog } from '../../foundation/base/observe.ts'
import { hours, type Millis, millis, minutes } from '../../foundation/base/units.ts'
import { nullProvider } from '../../foundation/crypto/nullProvider.ts'
import { Simulation } from '../../foundation/platform/simulated/simulation.ts'
import type { NodeViewInput } from '../../network/topology/nodeView.ts'
import type { SemiSkimmedNode } from '../../protocol/wire/directory/skimmedNodes.ts'
import { ViewMemory } from './viewMemory.ts'

const PATH = 'data/heard-network.txt'
const DIRECTORIES = ['http://10.0.0.1/api']
const MAX_AGE = minutes(100)

const nodes = Array.from({ length: 4 }, (_, i): SemiSkimmedNode => {
  const gateway = i === 3
  const basic = {
    nodeId: i + 1,
    identity: new Uint8Array(32).fill(i + 1),
    ipAddresses: [`10.0.1.${i + 1}`],
    mixPort: 1789,
    sphinxKey: new Uint8Array(32).fill(100 + i),
    role: gateway ? ('entryGateway' as const) : ('layer1' as const),
    supportedRoles: { mixnode: !gateway, entry: gateway, exitNr: false, exitIpr: false },
    entry: gateway ? { hostname: undefined, wsPort: 9000, wssPort: undefined } : undefined,
    performance: 1,
  }
  return { basic, noiseKey: undefined }
})

function stage() {
  const sim = new Simulation({ seed: 'view', crypto: nullProvider })
  const { files, clock } = sim.host('node', { ips: ['10.0.0.2'] })
  const input = (): NodeViewInput => ({
    listing: {
      metadata: { status: { kind: 'unstated' }, absoluteEpochId: 7, rotationId: 1, refreshedAt: clock.now() },
      pagination: { total: nodes.length, page: 0, size: nodes.length },
      items: nodes,
    },
    rewardedSet: {
      epochId: 7,
      entryGateways: [4],
      exitGateways: [],
      layer1: [1],
      layer2: [2],
      layer3: [3],
      standby: [],
    },
    now: clock.now(),
  })
  /** As a process with a wall clock that is so far ahead. */
  const memory = (ahead: Millis = millis(0), directories = DIRECTORIES) => {
    const world = { files, clock: { ...clock, now: () => millis(clock.now() + ahead) } }
    return new ViewMemory({ world, path: PATH, directories, maxAge: MAX_AGE, log: silentLog })
  }
  const remember = async (ahead?: Millis) => {
    const writer = memory(ahead)
    writer.remember(input())
    await sim.complete(writer.flushed())
  }
  const ips = async (reader = memory()) => [...((await sim.complete(reader.read()))?.addresses.keys() ?? [])]
  return { sim, files, memory, remember, ips }
}

describe('the network that a node remembers', () => {
  it('is the one of its directories, while it is not too old', async () => {
    const { sim, memory, remember, ips } = stage()
    assert.deepEqual(await ips(), [])
    await remember()
    assert.deepEqual(await ips(), ['10.0.1.1', '10.0.1.2', '10.0.1.3', '10.0.1.4'])
    assert.deepEqual(await ips(memory(millis(0), ['http://10.0.0.9/api'])), [])
    await sim.runFor(minutes(99))
    assert.equal((await ips()).length, 4)
    await sim.runFor(minutes(2))
    assert.deepEqual(await ips(), [])
  })

  it('of a time to come is of nobody knows when', async () => {
    const { sim, remember, ips } = stage()
    await remember(hours(30 * 24))
    await sim.runFor(hours(10))
    assert.deepEqual(await ips(), [])
    await remember(minutes(1))
    assert.equal((await ips()).length, 4, 'clocks are set back by a little every day')
  })

  it('counts for nothing where it is damaged', async () => {
    const { sim, files, remember, ips } = stage()
    await remember()
    const whole = (await sim.complete(files.read(PATH))) as Uint8Array
    for (let length = 0; length < whole.length; length += 97) {
      await sim.complete(files.write(PATH, whole.subarray(0, length)))
      assert.deepEqual(await ips(), [])
    }
    for (const text of ['\n\n\n', '{}\n{}\n{}\n', 'null\nnull\nnull\n', '\0\xff']) {
      await sim.complete(files.write(PATH, utf8(text)))
      assert.deepEqual(await ips(), [])
    }
  })
})
