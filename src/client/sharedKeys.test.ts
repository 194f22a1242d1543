import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import { utf8 } from '../foundation/base/bytes.ts'
import { silentLog } from '../foundation/base/observe.ts'
import { Secret } from '../foundation/base/secret.ts'
import { seconds } from '../foundation/base/units.ts'
import { newSimulation } from './scriptedGateway.test.ts'
import { SharedKeys } from './sharedKeys.ts'

const GATEWAY = new Uint8Array(32).fill(1)
const KEY = new Secret(new Uint8Array(32).fill(0xab))

describe('shared keys', () => {
  it('outlive the process, with the time of the last login', async () => {
    const sim = newSimulation()
    const { files } = sim.host('client', { ips: ['10.0.0.1'] })
    const keys = new SharedKeys({ files, folder: '/keys', log: silentLog })
    const registration = await sim.complete(keys.load(GATEWAY))
    assert.equal(registration.key, undefined)
    registration.registered(KEY, seconds(100))
    assert.equal(registration.nextLogin(seconds(100)), 101)
    assert.equal(registration.nextLogin(seconds(100)), 102)
    await sim.complete(keys.flush())
    assert.equal(await sim.complete(keys.load(GATEWAY)), registration)

    const later = new SharedKeys({ files: sim.restart('client').files, folder: '/keys', log: silentLog })
    const loaded = await sim.complete(later.load(GATEWAY))
    assert.deepEqual(loaded.key?.expose(), KEY.expose())
    assert.equal(loaded.nextLogin(seconds(100)), 103)
    assert.equal(loaded.nextLogin(seconds(2000)), 2000)
    assert.equal(loaded.nextLogin(seconds(1000)), undefined)
    loaded.registered(KEY, seconds(1000))
    assert.equal(loaded.nextLogin(seconds(1000)), 1001)
  })

  it('show nothing of themselves', async () => {
    const sim = newSimulation()
    const { files } = sim.host('client', { ips: ['10.0.0.1'] })
    const registration = await sim.complete(new SharedKeys({ files, folder: undefined, log: silentLog }).load(GATEWAY))
    registration.registered(KEY, seconds(100))
    assert.doesNotMatch(inspect(registration, { depth: 9 }) + JSON.stringify([registration, KEY]), /171|ab.?ab/)
    assert.deepEqual(await sim.complete(files.list('undefined')), [])
  })

  it('are replaced where the file cannot be read', async () => {
    const sim = newSimulation()
    const { files } = sim.host('client', { ips: ['10.0.0.1'] })
    const keys = new SharedKeys({ files, folder: '/keys', log: silentLog })
    ;(await sim.complete(keys.load(GATEWAY))).registered(KEY, seconds(100))
    await sim.complete(keys.flush())
    const [name] = await sim.complete(files.list('/keys'))
    for (const contents of [
      '',
      'nonsense',
      '-----BEGIN AES-256-GCM-SIV SHARED KEY-----\nAAAA\n-----END AES-256-GCM-SIV SHARED KEY-----\n',
    ]) {
      await sim.complete(files.write(`/keys/${name}`, utf8(contents)))
      const again = new SharedKeys({ files, folder: '/keys', log: silentLog })
      assert.equal((await sim.complete(again.load(GATEWAY))).key, undefined)
    }
  })
})
