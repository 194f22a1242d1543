/** Official clients that stay while the ledger's epochs pass: other nodes are drawn, and Sphinx keys change under them. */
import assert from 'node:assert/strict'
import { it, type TestContext } from 'node:test'
import { decodeKeyRotationInfo, decodeRewardedSet } from '../../src/protocol/wire/directory/epochs.ts'
import { noChromium } from './chromium.ts'
import { requestThrough, setUpMixFetch } from './mixFetch.ts'
import { SITE } from './network.ts'
import { Stage } from './stage.ts'

const VALIDITY_EPOCHS = 3
/** For three places: most epochs let a node in and another out. */
const MIX_NODES = 5

it('official clients stay in the network over epochs of the ledger and two changes of its keys', {
  skip: noChromium,
  timeout: 600_000,
}, async (t) => {
  // Keys of three epochs, a minute. The clients ask for the network every five minutes unless they are told otherwise.
  const stage = await Stage.start(26150, { epochSeconds: 20, validityEpochs: VALIDITY_EPOCHS }, {}, MIX_NODES)
  const clientOverride = { topology: { topologyRefreshRateMs: 1000 } }
  const epochs = new Epochs(stage)
  try {
    const [sdk, mixFetch] = [await stage.open('sdk'), await stage.open('mixFetch')]
    const address = await sdk.call<string>('connect', { ...stage.options, clientOverride })
    await setUpMixFetch(mixFetch, stage, { clientOverride })
    const rotation = async () => (await stage.network.look()).keyRotation
    const first = await rotation()
    for (let i = 0; (await rotation()) < first + 2; i++) {
      const text = `message ${i}`
      await sdk.call('sendText', address, text)
      await sdk.messages(1, ({ kind, payload }) => kind === 'text' && payload === text)
      const answer = await requestThrough(mixFetch, `${SITE}/hello?who=${i}`, { mode: 'unsafe-ignore-cors' })
      assert.equal(answer.error, undefined)
      assert.equal(answer.status, 200)
      await epochs.compare()
    }
    const texts = sdk.received.filter(({ kind }) => kind === 'text').map(({ payload }) => payload)
    assert.deepEqual(texts, [...new Set(texts)])
    epochs.checkThatTheyPassed(t)
  } finally {
    await stage.stop()
  }
})

/** What the directory tells the clients, beside what the contracts say. */
class Epochs {
  readonly #stage: Stage
  /** By epoch: who mixes. */
  readonly #mixes = new Map<number, string>()
  readonly #rotations = new Set<number>()

  constructor(stage: Stage) {
    this.#stage = stage
  }

  /** Nothing where one of the two is ahead of the other by a moment. */
  async compare(): Promise<void> {
    const { epochId, set } = await this.#stage.network.contracts()
    const [told, rotation] = await Promise.all([
      this.#ask('/v1/nym-nodes/rewarded-set').then(decodeRewardedSet),
      this.#ask('/v1/epoch/key-rotation-info').then(decodeKeyRotationInfo),
    ])
    if (told.epochId !== epochId || rotation.currentAbsoluteEpochId !== epochId || set.flat().length === 0) return
    const { entryGateways, layer1, layer2, layer3, exitGateways, standby } = told
    assert.deepEqual([entryGateways, layer1, layer2, layer3, exitGateways, standby], set, `epoch ${epochId}`)
    assert.equal(rotation.currentKeyRotationId, Math.floor(epochId / VALIDITY_EPOCHS))
    this.#mixes.set(epochId, JSON.stringify([layer1, layer2, layer3]))
    this.#rotations.add(rotation.currentKeyRotationId)
  }

  checkThatTheyPassed(t: TestContext): void {
    const sets = new Set(this.#mixes.values()).size
    t.diagnostic(
      `epochs ${[...this.#mixes.keys()].join(' ')}, ${sets} sets, rotations ${[...this.#rotations].join(' ')}`,
    )
    assert.ok(this.#mixes.size >= VALIDITY_EPOCHS && sets > 1 && this.#rotations.size >= 2)
  }

  async #ask(path: string): Promise<string> {
    const response = await fetch(`${this.#stage.network.directoryUrl}${path}`)
    return await response.text()
  }
}
