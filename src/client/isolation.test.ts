import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeProvider } from '../foundation/crypto/nodeProvider.ts'
import { decodeInterfaceRequest } from '../protocol/wire/exit/interfaceEnvelope.ts'
import { decodeSocks5Request } from '../protocol/wire/exit/socks5Messages.ts'
import type { Destination } from './dialer.ts'
import { ExitConnections } from './exitConnections.ts'
import { TestMixnet } from './mixnet.support.test.ts'

/** What the exit reads, over a mixnet of real packets: where to, and under which sender tag. */
async function asked(streams: readonly (readonly [Destination, string?])[]): Promise<Map<string, string[]>> {
  const mixnet = new TestMixnet({ seed: 'isolation at the exit', crypto: nodeProvider })
  const client = mixnet.client()
  const exit = mixnet.client({ gateway: 1 })
  const connections = new ExitConnections(client.world, {
    client: client.client,
    exit: exit.client.address,
    anonymous: true,
  })
  for (const [destination, isolation] of streams) connections.open(destination, isolation)
  await mixnet.until(() => exit.received.length >= streams.length)
  const remotes = new Map<string, string[]>()
  for (const { data, sender } of exit.received) {
    const envelope = decodeInterfaceRequest(data)
    assert.ok(envelope.kind === 'providerData')
    const request = decodeSocks5Request(nodeProvider, envelope.data)
    assert.ok(request.kind === 'connect' && sender !== undefined)
    remotes.set(sender, [...(remotes.get(sender) ?? []), request.remote].sort())
  }
  connections.close()
  await Promise.all([client.client.stop(), exit.client.stop()])
  return remotes
}

const a: Destination = { host: 'a.example', port: 443 }
const b: Destination = { host: 'b.example', port: 443 }

test('the exit sees a sender tag for each key that was named, and one for each site where none was', async () => {
  const remotes = await asked([[a, 'one'], [b, 'one'], [a, 'two'], [a], [{ ...a, host: 'A.example' }], [b]])
  const groups = [...remotes.values()].map((group) => group.join()).sort()
  assert.deepEqual(groups, [
    'A.example:443,a.example:443',
    'a.example:443',
    'a.example:443,b.example:443',
    'b.example:443',
  ])
})

test('a key that looks like a site does not join those who named none', async () => {
  assert.equal((await asked([[a], [a, 'a.example:443'], [a, 'site a.example:443']])).size, 3)
})
