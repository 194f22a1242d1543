import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { Meter, silentLog } from '../../foundation/base/observe.ts'
import { Secret } from '../../foundation/base/secret.ts'
import { millis, minutes, seconds } from '../../foundation/base/units.ts'
import { nullBls } from '../../foundation/crypto/nullBls.ts'
import { nullProvider } from '../../foundation/crypto/nullProvider.ts'
import { Simulation } from '../../foundation/platform/simulated/simulation.ts'
import type { CredentialEngine } from '../../protocol/credentials/engine.ts'
import { encodeAuthorityKey } from '../../protocol/credentials/keys.ts'
import { LocalEngine } from '../../protocol/credentials/localEngine.ts'
import { createScheme } from '../../protocol/credentials/scheme.ts'
import { dealtKey } from '../../protocol/credentials/threshold.ts'
import { type CredentialEpoch, credentialEpochToJson } from '../../protocol/wire/issuer/credentialEpoch.ts'
import { DirectoryContact } from './directoryContact.ts'
import { checkNodeConfig } from './nodeConfig.ts'
import type { NodeKeys } from './nodeKeys.ts'
import { startGatewayRole } from './nodeServices.ts'

const DIRECTORY = '10.0.0.9'

async function issuersOf(engine: CredentialEngine, epochId: number): Promise<CredentialEpoch> {
  const rows = Array.from({ length: 5 }, (_, i) => [BigInt(7 + i), BigInt(11 + i * epochId), 13n])
  const issuers = [1, 2, 3, 4, 5].map(async (index) => ({
    index,
    key: await engine.verificationKey(encodeAuthorityKey(dealtKey(rows, index))),
    identity: new Uint8Array(32).fill(index),
    url: `http://10.9.0.${index}`,
  }))
  return { epochId, threshold: 3, issuers: await Promise.all(issuers), priceUnym: 1 }
}

async function started(tickets: object | undefined) {
  const sim = new Simulation({ seed: 'credentials', crypto: nullProvider })
  const world = sim.host('gateway', { ips: ['10.0.0.1'] })
  const directory = sim.host('directory', { ips: [DIRECTORY] })
  const served = { epoch: undefined as CredentialEpoch | undefined, times: 0 }
  const serving = directory.net.serveHttp(
    { host: DIRECTORY, port: 80, maxBodyBytes: 1000, requestTimeout: seconds(5) },
    () => {
      served.times++
      return served.epoch === undefined
        ? new Response('none', { status: 404 })
        : Response.json(credentialEpochToJson(served.epoch))
    },
  )
  await sim.complete(serving)
  const engine = new LocalEngine(createScheme(nullBls), sim.random.stream('engine'))
  const begin = async (credentials: CredentialEngine | undefined, onWorld = world) => {
    const meter = new Meter()
    const config = checkNodeConfig(
      {
        name: 'tern',
        roles: ['entry'],
        host: '10.0.0.1',
        directories: [`http://${DIRECTORY}`],
        data: 'node',
        ...(tickets === undefined ? {} : { tickets }),
      },
      'node.toml',
    )
    const parts = { world: onWorld, config, meter, log: silentLog, ...(credentials && { credentials }) }
    const keys = { identitySeed: new Secret(new Uint8Array(32).fill(3)) } as NodeKeys
    const contact = await sim.complete(DirectoryContact.open(parts, keys))
    const role = startGatewayRole(parts, keys, contact, { forward() {} })
    role.issuers?.start()
    return { ...role, meter, epochs: () => meter.snapshot().gateway_ticket_epochs }
  }
  return { sim, engine, served, begin }
}

describe('the issuers as a gateway knows them', () => {
  it('are asked for until they are there, asked for again, and remembered', async () => {
    const { sim, engine, served, begin } = await started({ required: true })
    const { gateway, issuers, epochs } = await begin(engine)
    await sim.runFor(minutes(20))
    assert.equal(epochs(), 0)
    assert.ok(served.times > 3)
    served.epoch = await issuersOf(engine, 4)
    await sim.runFor(minutes(1))
    assert.equal(epochs(), 1)
    const before = served.times
    for (let i = 0; i < 5; i++) await sim.complete(issuers?.askAgain() as Promise<void>)
    assert.equal(served.times, before + 1)
    served.epoch = await issuersOf(engine, 5)
    await sim.runFor(minutes(11))
    assert.equal(epochs(), 2)
    issuers?.stop()
    await sim.complete(gateway.stop())
    sim.crash('directory')
    const again = await begin(engine, sim.restart('gateway'))
    assert.equal(again.epochs(), 2)
    await sim.runFor(minutes(30))
    assert.equal(again.epochs(), 2)
    again.issuers?.stop()
    await sim.complete(again.gateway.stop())
  })

  it('are not believed where a share is of another key, or garbled', async () => {
    const { sim, engine, served, begin } = await started(undefined)
    const { gateway, issuers, epochs } = await begin(engine)
    const good = await issuersOf(engine, 4)
    const other = await issuersOf(engine, 6)
    const swap = (at: number, key: Uint8Array): CredentialEpoch => ({
      ...good,
      issuers: good.issuers.map((one, i) => (i === at ? { ...one, key } : one)),
    })
    // In the first three, and behind them: where only the first t were looked at, the second would pass.
    for (const at of [1, 4]) {
      served.epoch = swap(at, other.issuers[at]?.key as Uint8Array)
      await sim.runFor(minutes(11))
      assert.equal(epochs(), 0, `share ${at}`)
    }
    served.epoch = swap(2, new Uint8Array(680))
    await sim.runFor(minutes(11))
    assert.equal(epochs(), 0)
    served.epoch = good
    await sim.runFor(minutes(11))
    assert.equal(epochs(), 1)
    issuers?.stop()
    await sim.complete(gateway.stop())
  })

  it('are nobody without an engine, and then tickets cannot be a must', async () => {
    const free = await started(undefined)
    const { issuers, meter } = await free.begin(undefined)
    assert.equal(issuers, undefined)
    assert.equal(meter.snapshot().gateway_tickets_compatible, undefined)
    const must = await started({ required: true, compatible: true })
    await assert.rejects(must.begin(undefined), (error) => isMixnetError(error, 'BAD_ARGUMENT'))
    const { meter: compatible } = await must.begin(must.engine)
    assert.equal(compatible.snapshot().gateway_tickets_compatible, 1)
    await must.sim.runFor(millis(1))
  })
})
