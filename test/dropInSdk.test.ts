/** `starling-mixnet/sdk` over a simulated network: what `client` and `events` do, and what they refuse. Pages: test/browser. @module */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Client, NymMixnetClient } from '../src/app/sdk/nymSdkClient.ts'
import { createClient } from '../src/app/sdk/nymSdkClient.ts'
import { folderName } from '../src/app/sdk/nymSdkRuntime.ts'
import { Mixnet } from '../src/client/mixnet.ts'
import { isMixnetError } from '../src/foundation/base/errors.ts'
import type { World } from '../src/foundation/platform/world.ts'
import { HostileNetwork } from './hostile/simulatedNetwork.ts'

const code = (expected: string) => (error: unknown) => isMixnetError(error) && error.code === expected
const QUIET = {
  traffic: { disableMainPoissonPacketDistribution: true },
  coverTraffic: { disableLoopCoverTrafficStream: true },
}

describe('the drop-in for the sdk', { timeout: 120_000 }, () => {
  let network: HostileNetwork
  let world: World

  before(async () => {
    network = await HostileNetwork.start()
    world = network.simulation.host('pages', { ips: ['10.3.0.1'] })
  })
  after(() => network.stop())

  const created = (): NymMixnetClient =>
    createClient({
      world,
      connect: (options) => Mixnet.connect(world, options),
      folderOf: (kind, clientId = '') => `${kind}-${folderName(clientId)}`,
    })
  const started = async (clientId: string): Promise<NymMixnetClient & { readonly address: string }> => {
    const { client, events } = created()
    const connected = new Promise<string>((resolve) => {
      events.subscribeToConnected(({ args }) => resolve(args.address ?? ''))
    })
    await network.complete(client.start({ clientId, nymApiUrl: network.directoryUrl, clientOverride: QUIET }))
    const address = await connected
    assert.equal(await client.selfAddress(), address)
    return { client, events, address }
  }
  const stopped = (...clients: readonly Client[]) => network.complete(Promise.all(clients.map((one) => one.stop())))

  it('sends text, binary and raw, and tells each listener what it asked for, whatever the others do', async (t) => {
    const complaints = t.mock.method(console, 'error', () => {})
    const [alice, bob] = [await started('alice'), await started('bob')]
    const heard: unknown[] = []
    bob.events.subscribeToRawMessageReceivedEvent(() => {
      throw new Error('a listener of somebody else')
    })
    bob.events.subscribeToTextMessageReceivedEvent(({ args: { payloadRaw, ...args } }) => {
      heard.push({ ...args, bytes: payloadRaw.length })
    })
    bob.events.subscribeToBinaryMessageReceivedEvent(({ args }) => void heard.push(args))
    const forget = bob.events.subscribeToRawMessageReceivedEvent(() => void heard.push('gone'))
    forget()
    const recipient = bob.address
    const bytes = Uint8Array.of(0, 1, 2)
    await alice.client.send({ payload: { message: 'é', mimeType: 'text/plain', headers: 'h' }, recipient })
    await network.until('text', () => heard.length === 1)
    await alice.client.send({ payload: { message: bytes }, recipient, replySurbs: 0 })
    await network.until('binary', () => heard.length === 2)
    await alice.client.rawSend({ payload: bytes, recipient })
    await network.until('raw', () => complaints.mock.callCount() === 3)
    assert.deepEqual(heard, [
      { mimeType: 'text/plain', payload: 'é', headers: 'h', bytes: 2 },
      { mimeType: 'application/octet-stream', payload: bytes },
    ])
    await stopped(alice.client, bob.client)
  })

  it('keeps an identity for one at a time, and gives it back', async () => {
    const first = await started('same')
    const second = created().client
    const options = { clientId: 'same', nymApiUrl: network.directoryUrl, clientOverride: QUIET }
    await assert.rejects(network.complete(second.start(options)), code('LOCKED'))
    await assert.rejects(first.client.start(options), code('BAD_ARGUMENT'))
    await stopped(first.client)
    await network.complete(second.start(options))
    assert.equal(await second.selfAddress(), first.address)
    await stopped(second)
  })

  it('says what is wrong', async () => {
    const { client, events } = created()
    const send = (payload: unknown, recipient = 'x', replySurbs = 10) =>
      client.send({ payload, recipient, replySurbs } as Parameters<Client['send']>[0])
    assert.equal(await client.selfAddress(), undefined)
    await assert.rejects(send({ message: Uint8Array.of(1) }), code('STOPPED'))
    await assert.rejects(client.stop(), code('STOPPED'))
    await assert.rejects(client.start({}), code('BAD_ARGUMENT'))
    await assert.rejects(send('a bare text'), code('BAD_ARGUMENT'))
    await assert.rejects(send({ message: 'x' }), code('BAD_ARGUMENT'))
    client.setTextMimeTypes(['text/css'])
    assert.deepEqual(await client.getTextMimeTypes(), ['text/css'])
    await assert.rejects(send({ message: 'x', mimeType: 'text/plain' }), code('BAD_ARGUMENT'))
    const loaded = await new Promise((resolve) => events.subscribeToLoaded(resolve))
    assert.deepEqual(loaded, { kind: 'Loaded', args: { loaded: true } })
    const carol = await started('carol')
    const sendRaw = (recipient: string, replySurbs?: number) =>
      carol.client.rawSend({ payload: Uint8Array.of(1), recipient, replySurbs })
    await assert.rejects(sendRaw('nobody'), code('BAD_ARGUMENT'))
    for (const surbs of [-1, 1.5, 501]) await assert.rejects(sendRaw(carol.address, surbs), code('BAD_ARGUMENT'))
    await stopped(carol.client)
  })
})
