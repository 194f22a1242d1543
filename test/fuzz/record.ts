/**
 * Records the corpus: runs a network with a client that fetches, uploads and sends itself messages, and keeps some of what each
 * decoder was given. Keys and addresses in it are of that run alone and of no further use. @module
 */
import './recordHooks.ts'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toHex } from '../../src/foundation/base/bytes.ts'
import type { Corpus } from './corpus.ts'

const PER_DECODER = 8
const MAX_BYTES = 5000
const MAX_CHARACTERS = 12_000

const kept = { bytes: new Map<string, Map<string, string>>(), texts: new Map<string, Map<string, string>>() }

globalThis.tellDecoder = (decoder, args) => {
  const input = args.find((arg) => typeof arg === 'string' || arg instanceof Uint8Array)
  // Behind a crypto provider and a key: the last bytes are the message.
  const message = input instanceof Uint8Array ? args.findLast((arg) => arg instanceof Uint8Array) : input
  if (typeof message === 'string' && message.length <= MAX_CHARACTERS) keep(kept.texts, decoder, message, message)
  else if (message instanceof Uint8Array && message.length <= MAX_BYTES)
    keep(kept.bytes, decoder, toHex(message), `${message.length}`)
}

/** Different shapes first: what begins alike and is as long teaches a decoder nothing new. */
function keep(where: Map<string, Map<string, string>>, decoder: string, value: string, text: string): void {
  const seeds = where.get(decoder) ?? new Map<string, string>()
  where.set(decoder, seeds)
  const shape = `${value.length} ${text.slice(0, 40)}`
  if (seeds.size < PER_DECODER && !seeds.has(shape)) seeds.set(shape, value)
}

const { nodeProvider } = await import('../../src/foundation/crypto/nodeProvider.ts')
const { nodeWorld } = await import('../../src/foundation/platform/node/nodeWorld.ts')
const { startTestnet } = await import('../../src/app/testnet/testnet.ts')
const { planNetwork, hasLoopbackAddresses } = await import('../../src/app/testnet/layout.ts')
const { serveDemoSite, DEMO_HOST } = await import('../../src/app/testnet/demoSite.ts')
const { withNamedHosts } = await import('../../src/app/testnet/namedHosts.ts')
const { silentLog } = await import('../../src/foundation/base/observe.ts')
const { Mixnet } = await import('../../src/client/mixnet.ts')

export async function record(file: URL): Promise<void> {
  const world = nodeWorld(nodeProvider)
  const folder = mkdtempSync(join(tmpdir(), 'starling-corpus-'))
  const noise = await hasLoopbackAddresses(world.net)
  const site = await serveDemoSite(world)
  const exitWorld = { ...world, net: withNamedHosts(world.net, new Map([[DEMO_HOST, site.endpoint]])) }
  const network = await startTestnet({
    plans: planNetwork({ mixNodes: 3, entries: 1, exits: 1 }, noise),
    folder,
    directory: { host: '127.0.0.1', port: 18_080 },
    noise,
    world,
    worldOf: (plan) => (plan.roles.includes('exit') ? exitWorld : world),
    logOf: () => silentLog,
  })
  try {
    for (const anonymous of [true, false]) {
      const mixnet = await Mixnet.connect(world, {
        directories: [network.directoryUrl],
        folder: `${folder}/client`,
        anonymous,
      })
      await (await mixnet.fetch(`http://${DEMO_HOST}/`)).text()
      await (await mixnet.fetch(`http://${DEMO_HOST}/bytes/30000`)).arrayBuffer()
      await mixnet.fetch(`http://${DEMO_HOST}/upload`, { method: 'POST', body: 'x'.repeat(5000) })
      await mixnet.fetch('http://unknown.invalid/').catch(() => {})
      await mixnet.fetch('http://127.0.0.1:25/').catch(() => {})
      await mixnet.client.send({ to: mixnet.address, data: new Uint8Array(3000), anonymous })
      await mixnet.close()
    }
  } finally {
    await network.stop()
    await site.close()
    rmSync(folder, { recursive: true })
  }
  const asObject = (seeds: Map<string, Map<string, string>>): Record<string, string[]> =>
    Object.fromEntries(
      [...seeds].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, values]) => [name, [...values.values()]]),
    )
  const corpus: Corpus = {
    provenance: 'Recorded by test/fuzz/record.ts from a network on one machine; what each decoder was called with.',
    bytes: asObject(kept.bytes),
    texts: asObject(kept.texts),
  }
  writeFileSync(file, `${JSON.stringify(corpus, null, 1)}\n`)
}
