/** What a client does about an exit that goes silent, in a network of the shipped roles. */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { equalBytes } from '../../src/foundation/base/bytes.ts'
import { isMixnetError } from '../../src/foundation/base/errors.ts'
import { minutes, seconds } from '../../src/foundation/base/units.ts'
import { formatRecipient } from '../../src/protocol/packet/recipient.ts'
import {
  FaultyNetwork,
  FIVE_MEGABYTES,
  failureOf,
  MIXES,
  type TestClient,
  WITHOUT_COVER,
  withEachSeed,
} from './support.test.ts'

const SIZE = { mixNodes: MIXES.length, entries: 2, exits: 2 }
const KILOBYTE = 1000

const exitOf = (network: FaultyNetwork, { mixnet }: TestClient): string => {
  const node = network.testnet.nodes.find(({ running }) => equalBytes(running.identity, mixnet.exit.gateway))
  return node?.plan.name ?? 'unknown'
}

/** Requests one after another, each given up after a while, until one is answered. Resolves with the codes of the others. */
async function downloadAtLast(network: FaultyNetwork, client: TestClient): Promise<unknown[]> {
  const codes: unknown[] = []
  for (let tries = 0; tries < 10; tries++) {
    const failure = await failureOf(network.complete(network.download(client, KILOBYTE), minutes(6)))
    if (failure === undefined) return codes
    codes.push(isMixnetError(failure) ? failure.code : failure)
  }
  return assert.fail(`never: ${codes.join()}`)
}

describe('an exit', () => {
  for (const [what, strike] of [
    ['killed', (network: FaultyNetwork, exit: string) => network.kill(exit)],
    [
      'cut off from the mix nodes',
      (network: FaultyNetwork, exit: string) => network.simulation.partition([exit], MIXES),
    ],
  ] as const) {
    withEachSeed(`${what} is left for another one; streams under way end with an error`, [1], async (seed) => {
      const network = await FaultyNetwork.start(seed, { size: SIZE })
      const client = await network.anonymousClient('client', 'tern', { traffic: WITHOUT_COVER })
      await network.complete(network.download(client, KILOBYTE), minutes(1))
      const before = exitOf(network, client)
      const underWay = failureOf(network.download(client, FIVE_MEGABYTES))
      await network.simulation.runFor(seconds(2))
      strike(network, before)
      const codes = await downloadAtLast(network, client)
      assert.deepEqual(codes, ['EXIT_UNREACHABLE'])
      const ended = await network.complete(underWay, minutes(1))
      assert.ok(isMixnetError(ended, 'EXIT_UNREACHABLE'), String(ended))
      const after = exitOf(network, client)
      assert.ok(after !== before && after !== 'tern', `from ${before} to ${after}`)
      assert.deepEqual(client.events, ['connecting', 'open', 'exit-silent', 'exit-changed'])
      assert.equal(client.mixnet.state, 'open')
      await network.complete(client.mixnet.close(), minutes(1))
      assert.equal(client.mixnet.state, 'closed')
      assert.equal(client.events.at(-1), 'closed')
    })
  }

  withEachSeed('that the caller named is kept, and so is one whose only rival is our entry', [1], async (seed) => {
    const network = await FaultyNetwork.start(seed, { size: SIZE })
    const scout = await network.anonymousClient('scout', 'tern', { traffic: WITHOUT_COVER })
    const exit = exitOf(network, scout)
    const rival = network.testnet.nodes.find(({ plan }) => plan.roles.includes('exit') && plan.name !== exit)?.plan.name
    assert.ok(rival)
    const named = await network.anonymousClient('named', 'tern', {
      traffic: WITHOUT_COVER,
      exit: formatRecipient(scout.mixnet.exit),
    })
    const cornered = await network.anonymousClient('cornered', rival, { traffic: WITHOUT_COVER })
    assert.equal(exitOf(network, cornered), exit)
    network.kill(exit)
    const failures = [named, cornered].flatMap((client) =>
      Array.from({ length: 3 }, () => failureOf(network.download(client, KILOBYTE))),
    )
    for (const failure of await network.complete(Promise.all(failures), minutes(2)))
      assert.ok(isMixnetError(failure, 'EXIT_UNREACHABLE'))
    await network.runUntil(() => [named, cornered].every(({ events }) => events.includes('exit-silent')), minutes(2))
    await network.simulation.runFor(minutes(1))
    for (const client of [named, cornered]) {
      assert.equal(exitOf(network, client), exit)
      assert.deepEqual(client.events, ['connecting', 'open', 'exit-silent'])
    }
  })

  withEachSeed('is not blamed for destinations that swallow connections', [1], async (seed) => {
    const network = await FaultyNetwork.start(seed, { size: SIZE })
    const client = await network.anonymousClient('client', 'tern', { traffic: WITHOUT_COVER })
    const before = exitOf(network, client)
    network.simulation.host('swallows', { ips: ['198.51.100.9'] })
    network.simulation.partition(['swallows'], [before])
    const lost = Array.from({ length: 4 }, () =>
      failureOf(client.mixnet.open({ host: '198.51.100.9', port: 80 }, { timeout: seconds(6) })),
    )
    for (const failure of await network.complete(Promise.all(lost), minutes(2)))
      assert.ok(isMixnetError(failure, 'TIMEOUT'))
    await network.simulation.runFor(minutes(1))
    assert.equal(client.counter('client_exit_probes_total'), 1)
    assert.deepEqual([exitOf(network, client), client.events], [before, ['connecting', 'open']])
  })
})
