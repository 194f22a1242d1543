import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { isMixnetError, tryDecode } from '../../../foundation/base/errors.ts'
import { decodeAddressesAnswer, decodeAddressesRequest, decodeApiHealth } from './apiStatus.ts'
import { decodeBuildInformation } from './buildInformation.ts'
import { decodeDescribedNodes } from './describedNodes.ts'
import { decodeCurrentEpoch, decodeKeyRotationInfo, decodeRewardedSet } from './epochs.ts'
import { decodeSignedHostInformation } from './hostInformation.ts'
import { parseJson } from './json.ts'
import {
  decodeSemiSkimmedListing,
  decodeSemiSkimmedListingV1,
  decodeSkimmedListing,
  decodeSkimmedListingV1,
} from './listings.ts'
import { decodeNetworkDetails } from './networkDetails.ts'
import {
  decodeAuxiliaryDetails,
  decodeAuxiliaryDetailsV2,
  decodeMixnetWebsockets,
  decodeNodeHealth,
  decodeNodeRoles,
  decodePublishedExitPolicy,
  decodeServiceProviderDetails,
} from './nodeApi.ts'
import { decodeRefreshDescribed } from './refreshDescribed.ts'

const decoders: Readonly<Record<string, (text: string) => unknown>> = {
  decodeAddressesAnswer,
  decodeAddressesRequest,
  decodeApiHealth,
  decodeAuxiliaryDetails,
  decodeAuxiliaryDetailsV2,
  decodeBuildInformation,
  decodeCurrentEpoch,
  decodeDescribedNodes,
  decodeKeyRotationInfo,
  decodeMixnetWebsockets,
  decodeNetworkDetails,
  decodeNodeHealth,
  decodeNodeRoles,
  decodePublishedExitPolicy,
  decodeRefreshDescribed,
  decodeRewardedSet,
  decodeSemiSkimmedListing,
  decodeSemiSkimmedListingV1,
  decodeServiceProviderDetails,
  decodeSignedHostInformation,
  decodeSkimmedListing,
  decodeSkimmedListingV1,
}

const examples = JSON.parse(readFileSync(new URL('documents.json', import.meta.url), 'utf8')) as Record<string, unknown>
const { skimmed, described } = examples as { skimmed: { nodes: unknown }; described: { data: unknown[] } }
const host = { data: { ip_address: [], hostname: null, keys: {} }, signature: '1' }
const documents: unknown[] = [...Object.values(examples), { ...skimmed, status: null, refreshed_at: '' }, host]

/** Every node of a document, as the path to it. */
function paths(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [path]
  return [path, ...Object.entries(value).flatMap(([key, item]) => paths(item, [...path, key]))]
}

function replaced(value: unknown, [key, ...rest]: readonly string[], by: unknown): unknown {
  if (key === undefined) return by
  const copy: Record<string, unknown> = Array.isArray(value)
    ? ([...value] as unknown as Record<string, unknown>)
    : { ...(value as Record<string, unknown>) }
  copy[key] = replaced(copy[key], rest, by)
  return copy
}

const strange = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom<unknown>(
    null,
    '',
    -1,
    1.5,
    2 ** 53,
    1e308,
    '1'.repeat(44),
    [],
    {},
    'x'.repeat(3000),
    '__proto__',
    true,
  ),
)

/** Real documents with one value replaced by another, their text cut or changed, and anything else. */
const hostile = fc.oneof(
  fc.string(),
  fc.json(),
  fc
    .constantFrom(...documents)
    .chain((document) => fc.tuple(fc.constant(document), fc.constantFrom(...paths(document)), strange))
    .map(([document, path, value]) => JSON.stringify(replaced(document, path, value))),
  fc
    .tuple(fc.constantFrom(...documents), fc.nat(3000), fc.string({ maxLength: 2 }), fc.boolean())
    .map(([document, at, text, cut]) => {
      const whole = JSON.stringify(document)
      return `${whole.slice(0, at)}${text}${cut ? '' : whole.slice(at + text.length)}`
    }),
)

describe('directory decoders on hostile text', () => {
  for (const [name, decode] of Object.entries(decoders)) {
    it(`${name} gives a value or MALFORMED`, () => {
      fc.assert(
        fc.property(hostile, (text) => {
          const result = tryDecode(() => decode(text))
          assert.ok(!isMixnetError(result) || isMixnetError(result, 'MALFORMED'))
        }),
        { numRuns: 150 },
      )
    })
  }

  it('depth and length are survived', () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`
    for (const decode of Object.values(decoders)) {
      assert.ok(
        isMixnetError(
          tryDecode(() => decode(deep)),
          'MALFORMED',
        ),
      )
    }
    assert.ok(
      isMixnetError(
        tryDecode(() => parseJson('"xx"', 'short', 3)),
        'MALFORMED',
      ),
    )
  })

  it('fields of a prototype are not fields', () => {
    assert.ok(
      isMixnetError(
        tryDecode(() => parseJson('{}', 'empty').field('toString').string()),
        'MALFORMED',
      ),
    )
    const existence = decodeAddressesAnswer('{"existence":{"__proto__":1,"constructor":null}}')
    assert.deepEqual(
      [...existence],
      [
        ['__proto__', 1],
        ['constructor', undefined],
      ],
    )
  })

  it('unknown fields are ignored', () => {
    const text = JSON.stringify({ ...skimmed, later: 1, nodes: { ...(skimmed.nodes as object), more: [] } })
    assert.deepEqual(decodeSkimmedListing(text), decodeSkimmedListing(JSON.stringify(skimmed)))
    assert.equal(decodeDescribedNodes(JSON.stringify({ ...described, later: {} })).items.length, described.data.length)
  })
})
