import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Meter, silentLog } from '../../foundation/base/observe.ts'
import { millis, minutes, seconds } from '../../foundation/base/units.ts'
import { nodeProvider as crypto } from '../../foundation/crypto/nodeProvider.ts'
import { Simulation } from '../../foundation/platform/simulated/simulation.ts'
import { type CredentialEpoch, credentialEpochToJson } from '../../protocol/wire/issuer/credentialEpoch.ts'
import { Issuers } from './issuers.ts'
import { startNetwork } from './support.test.ts'

const COUNT = 5
const url = (index: number): string => `http://10.0.0.${index}:80`
const epochOf = (epochId: number, threshold = 3, count = COUNT): CredentialEpoch => ({
  epochId,
  threshold,
  issuers: Array.from({ length: count }, (_, i) => ({
    index: i + 1,
    key: new Uint8Array(680).fill(epochId),
    identity: new Uint8Array(32).fill(i + 1),
    url: url(i + 1),
  })),
  priceUnym: 1,
})

async function start(says: (index: number) => string) {
  const sim = new Simulation({ seed: 'issuers', crypto })
  let asked = 0
  for (let index = 1; index <= COUNT; index++) {
    const world = sim.host(`issuer${index}`, { ips: [`10.0.0.${index}`] })
    const limits = { maxBodyBytes: 10, requestTimeout: seconds(5) }
    await sim.complete(
      world.net.serveHttp({ host: `10.0.0.${index}`, port: 80, ...limits }, (request) => {
        if (request.url.endsWith('/v1/ecash/epoch')) return new Response(says(index))
        asked++
        return Response.json({ of: new URL(request.url).pathname })
      }),
    )
  }
  const world = sim.host('directory', { ips: ['10.0.1.1'] })
  const urls = Array.from({ length: COUNT }, (_, i) => url(i + 1))
  const issuers = new Issuers({ world, urls, meter: new Meter(), log: silentLog })
  issuers.start()
  await sim.runFor(seconds(10))
  return { sim, issuers, asked: () => asked }
}

const text = (epoch: CredentialEpoch): string => JSON.stringify(credentialEpochToJson(epoch))

describe('issuers in a directory', () => {
  it('are believed where enough of them say the same', async () => {
    const { sim, issuers } = await start((index) => text(epochOf(index <= 2 ? 8 : 7)))
    assert.deepEqual(issuers.epoch, epochOf(7))
    await sim.complete(issuers.stop())
  })

  it('cannot name themselves: one, two, or a threshold of less than half', async () => {
    const lies = [
      (index: number) => text(epochOf(index)),
      (index: number) => (index <= 2 ? text(epochOf(7, 1, 1)) : 'busy'),
      (index: number) => (index <= 3 ? text(epochOf(7, 4)) : '{}'),
      () => '[]',
    ]
    for (const says of lies) {
      const { sim, issuers } = await start(says)
      assert.equal(issuers.epoch, undefined)
      await sim.complete(issuers.stop())
    }
  })

  it('are asked again, and the last agreed epoch stays where they no longer agree', async () => {
    let epochId = 7
    let agree = true
    const { sim, issuers } = await start((index) => text(epochOf(agree ? epochId : 20 + index)))
    assert.equal(issuers.epoch?.epochId, 7)
    epochId = 8
    await sim.runFor(minutes(2))
    assert.equal(issuers.epoch?.epochId, 8)
    agree = false
    await sim.runFor(minutes(2))
    assert.equal(issuers.epoch?.epochId, 8)
    await sim.complete(issuers.stop())
  })

  it('are spared questions that have been answered', async () => {
    const { sim, issuers, asked } = await start(() => text(epochOf(7)))
    const answers = await sim.complete(
      Promise.all(Array.from({ length: 20 }, () => issuers.ask('/master-verification-key'))),
    )
    assert.deepEqual(new Set(answers), new Set(['{"of":"/v1/ecash/master-verification-key"}']))
    await sim.complete(issuers.ask('/master-verification-key'))
    assert.equal(asked(), 1)
    await sim.runFor(millis(1))
    await sim.complete(issuers.stop())
  })

  it('are nothing that a directory without them invents', async () => {
    const network = await startNetwork()
    const { response, body } = await network.get('/v1/ecash/epoch')
    assert.equal(response.status, 404)
    assert.match(JSON.stringify(body), /no issuers of credentials/)
    for (const [path, status] of [
      ['/v1/ecash/master-verification-key', 404],
      ['/v1/ecash/master-verification-key?epoch_id=x', 400],
      ['/v1/ecash/aggregated-expiration-date-signatures?expiration_date=never', 400],
    ] as const) {
      assert.equal((await network.get(path)).response.status, status)
    }
    await network.simulation.complete(network.directory.stop())
  })
})
