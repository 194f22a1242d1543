/** A topology from an object instead of a directory: no directory is contacted, old keys are refused, hostile objects too. @module */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { isMixnetError } from '../src/foundation/base/errors.ts'
import { seconds } from '../src/foundation/base/units.ts'
import type { World } from '../src/foundation/platform/world.ts'
import { CLIENT_REFRESH } from '../src/network/topology/topologyProvider.ts'
import type { TopologySnapshot } from '../src/network/topology/topologySnapshot.ts'
import { HostileNetwork } from './hostile/simulatedNetwork.ts'

const REFRESH = { ...CLIENT_REFRESH, interval: seconds(10) }

describe('a topology snapshot', { timeout: 120_000 }, () => {
  let network: HostileNetwork
  let snapshot: TopologySnapshot

  before(async () => {
    network = await HostileNetwork.start({ epochs: { epochLength: seconds(40), validityEpochs: 3 } })
    const mixnet = await network.client()
    // Over JSON, as a file keeps it.
    snapshot = JSON.parse(JSON.stringify(await network.complete(mixnet.topologySnapshot())))
    await network.complete(mixnet.close())
  })
  after(() => network.stop())

  const offline = (world: World): World => ({
    ...world,
    net: { ...world.net, request: () => assert.fail('somebody was asked') },
  })
  const connecting = (topology: unknown) =>
    network.client({ directories: [], topology: topology as TopologySnapshot, refresh: REFRESH }, offline)
  const refusal = async (topology: unknown) => {
    const error = await connecting(topology).catch((error: unknown) => error)
    assert.ok(isMixnetError(error), String(error))
    return error
  }

  it('connects and serves without a directory', async () => {
    const mixnet = await connecting(snapshot)
    await network.assertServes(mixnet)
    await network.complete(mixnet.close())
  })

  it('is one or a directory, not both', async () => {
    const both = network.client({ topology: snapshot }).catch((error: unknown) => error)
    assert.ok(isMixnetError(await both, 'BAD_ARGUMENT'))
  })

  it('is refused where it is anything else, whatever that is', async () => {
    const circle: Record<string, unknown> = { ...snapshot }
    circle.answers = { circle }
    const trap = {
      ...snapshot,
      get answers(): unknown {
        throw new Error('trap')
      },
    }
    const { format, answers } = snapshot
    const lessOne = Object.fromEntries(Object.entries(answers).slice(1))
    const wrong = (path: string, value: unknown) => ({ format, answers: { ...answers, [path]: value } })
    for (const topology of [
      null,
      7,
      'text',
      [],
      {},
      { format },
      circle,
      trap,
      { format: 'other', answers },
      { format, answers: 5n },
      { format, answers: lessOne },
      wrong('/v1/nym-nodes/rewarded-set', { epoch_id: -1 }),
      wrong('/v2/unstable/nym-nodes/skimmed/entry-gateways', []),
      { ...JSON.parse(`{"__proto__":{"format":"${format}"}}`) },
    ]) {
      assert.equal((await refusal(topology)).code, 'BAD_ARGUMENT')
    }
  })

  it('is over when keys rotate: for who connects then, and for who is connected', async () => {
    const connected = await connecting(snapshot)
    await network.runFor(seconds(140))
    const error = await refusal(snapshot)
    assert.deepEqual(
      [error.code, error.nextStep],
      ['TOPOLOGY_UNAVAILABLE', 'Take a new snapshot of the network, or name its directory instead.'],
    )
    assert.equal(connected.topology(), undefined)
    await network.complete(connected.close())
  })
})
