/**
 * Every decoder of the project on bytes that nobody wrote for it, for a few seconds. `npm run fuzz` goes on for as long as one
 * likes; the seed of a failure is in its report. @module
 */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fuzz } from './check.ts'
import { bytesDecoder } from './decoder.ts'
import { decoders } from './decoders.ts'
import { slowness } from './large.ts'

const RUNS = 600
const LIMIT_MS = 200
const LONG_BYTES = 16_000

describe('decoders on hostile bytes', { timeout: 120_000 }, () => {
  for (const decoder of decoders) {
    it(`${decoder.name}: a value or a typed refusal`, () => {
      assert.ok(decoder.seeds.length > 0 || NO_SEEDS.has(decoder.name), 'has real inputs to begin with')
      assert.equal(slowness(decoder, LONG_BYTES), undefined)
      fuzz(decoder, { seed: Math.floor(Math.random() * 2 ** 31), runs: RUNS, limitMs: LIMIT_MS })
    })
  }

  it('the fuzzer notices what it is there for', () => {
    const choice = { seed: 1, runs: 500, shrink: false }
    const bad = {
      throws: (input: Uint8Array) => input.length > 3 && (undefined as unknown as Uint8Array).length,
      believes: (input: Uint8Array) => new Uint8Array(input.length > 3 ? 20_000_000 : 0),
      waits: (input: Uint8Array) => {
        for (const end = performance.now() + (input.length > 3 ? 1000 : 0); performance.now() < end; );
      },
    }
    for (const [name, run] of Object.entries(bad)) {
      const decoder = bytesDecoder(name, run, { seeds: ['a real input'] })
      assert.throws(() => fuzz(decoder, choice), name)
    }
    const squared = bytesDecoder('squared', (input) => {
      let sum = 0
      for (const byte of input) for (const other of input) sum += byte ^ other
      return sum
    })
    assert.match(slowness(squared, LONG_BYTES) ?? '', /ms for/)
  })

  it('no decoder is left out', () => {
    const known = new Set(decoders.flatMap(({ name }) => name.split(' ')))
    const missing = exportedDecoders().filter((name) => !known.has(name) && !EXEMPT.has(name))
    assert.deepEqual(missing, [], 'exported decoders that are neither fuzzed nor exempt')
  })
})

/** Anything goes there: no input is more real than another. */
const NO_SEEDS = new Set(['isGlobalAddress', 'classifyPushed'])

/** Named like decoders, and none: what they take was checked before, or comes from ourselves. */
const EXEMPT = new Set([
  ...['loadAgreedKeys'], // reads a file, for readAgreedKeys
  ...['checkHeaderParams', 'checkLength'], // arguments of our own
  ...['splitMessage'], // our own messages, on their way out
  ...['checkConfig', 'readConfigFile', 'readNodeConfig', 'readDirectoryConfig', 'loadExitRules'], // through checkNodeConfig, parseExitPolicy
  ...['readIssuerConfig', 'readIssuerPlan'], // through checkIssuerConfig and its like; test/issuers.test.ts
  ...['openBundle'], // base64 and a seal around decodePlain, half a second each; moving.test.ts
  ...['checkLogin', 'checkStoredLogin'], // checkAuthentication and checkRegistered, with the host's storage
  ...['loadOrCreateClientKeys', 'loadOrCreateNodeKeys', 'loadOrCreateKey', 'loadOrCreateIssuerKey', 'loadWebProvider'], // decodePem and lengths; keys.test.ts
  ...['openSnapshot'], // JSON into the decoders of a directory's answers; topologySnapshot.test.ts
  ...['parseVolume'], // the caller's own words
  ...[
    'readBondedIds',
    'readLedgerEpoch',
    'readProposal',
    'openLedger',
    'openNamedLedger',
    'openConfiguredLedger',
    'verifyDeployment',
  ], // answers of a chain, through decodeResult
  ...['decodeResult'], // viem's decoders, and what it throws is a refusal; test/ledger/trouble.test.ts has servers that lie
  ...['readDeployment', 'readMonitorConfig', 'loadOrCreateLedgerKey'], // files: decodeDeployment, readConfigFile, decodePem and lengths
  ...['openKeystore'], // half a second each, by design; keystore.test.ts
  ...['BundleReader', 'EventReader', 'checkCosts', 'splitReward'], // no decoders
  ...['openPasst', 'openTun', 'openPacketEngine'], // start a program
  ...['openClient', 'openFolder', 'openMixLink', 'openSchema', 'unavailable', 'untilNextEpoch'], // no decoders
  ...['openDkgEngine', 'openIssuerSchema', 'openTickets', 'openWallet', 'openMonitorTickets', 'openPaying'], // nor these
  ...[
    'openPushedWith',
    'verifyHostInformation',
    'verifyRefreshDescribed',
    'verifyAnnouncement',
    'checkRegistered',
    'isOpenExitPolicy',
    'BincodeReader',
    'FramedReader',
    'readHex',
    'readSigned',
    'NoiseHandshake',
  ], // inside others
  ...['startClientHandshake', 'DirectoryReader', 'fromUtf8Lossy'], // our own words; requests; total
])

/** By name, in everything that is shipped and takes what others wrote. */
function exportedDecoders(): string[] {
  const files = globSync('src/{protocol,network,client,roles,app/node,foundation/base}/**/*.ts').filter(
    (file) => !/\.test\.ts$|Fixture\.ts$/.test(file),
  )
  const names =
    /^export (?:async )?(?:function\*?|const|class) ((?:(?:decode|parse|open|split|unwrap|unpad|read|check|verify|recover|classify|load|from)[A-Z]\w*)|\w+(?:Decoder|Reader|Handshake|Reassembler))\b/gm
  return files.flatMap((file) => [...readFileSync(file, 'utf8').matchAll(names)].map((match) => match[1] as string))
}
