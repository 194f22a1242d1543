/** What an identity key signs to be bonded, in Solidity and in TypeScript, and that a copied signature is worth nothing. @module */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import fc from 'fast-check'
import { toBase58 } from '../../src/foundation/base/base58.ts'
import { fromHex, toHex, utf8 } from '../../src/foundation/base/bytes.ts'
import { isMixnetError } from '../../src/foundation/base/errors.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { type Bonding, bondingPayload } from '../../src/protocol/economy/bondingPayload.ts'
import { type AddressHex, Evm, Reverted } from '../support/evm.ts'
import { MixnetFixture } from '../support/mixnet.ts'

/** Of the test's chain, and who asks there where nobody else does. */
const [CHAIN, ASKER] = [1, Evm.address(0)]

let evm: Evm
let proof: AddressHex
before(async () => {
  evm = await Evm.create()
  proof = await evm.deploy('OwnershipProof')
})

const seed = new Uint8Array(32).fill(3)
const example: Bonding = {
  chainId: CHAIN,
  mixnet: ASKER,
  owner: '0x00000000000000000000000000000000000000AB',
  nonce: 0,
  identityKey: nodeProvider.ed25519PublicKey(seed),
  host: 'node.example',
  httpPort: 0,
  profitMargin: 200_000_000_000_000_000n,
  intervalOperatingCost: 40_000_000n,
  pledge: 100_000_000n,
}

const terms = (one: Bonding) =>
  [
    `0x${toHex(one.identityKey)}`,
    one.host,
    one.httpPort,
    { profitMargin: one.profitMargin, intervalOperatingCost: one.intervalOperatingCost },
    one.pledge,
  ] as const

const payload = async (one: Bonding) => {
  const bytes = (await evm.read(proof, 'payload', [one.owner, one.nonce, ...terms(one)])) as string
  return new TextDecoder().decode(fromHex(bytes.slice(2)))
}

const signed = (one: Bonding): [`0x${string}`, `0x${string}`] => {
  const signature = nodeProvider.ed25519Sign(seed, bondingPayload(one))
  return [`0x${toHex(signature.subarray(0, 32))}`, `0x${toHex(signature.subarray(32))}`]
}

test('the text is the official one, with the owner as this ledger writes it', async () => {
  const text = await payload(example)
  assert.equal(
    text,
    '{"nonce":0,"algorithm":"ed25519","message_type":"nym-node-bonding","content":{"sender":"0x00000000000000000000000000000000000000ab@eip155:1:0x0000000000000000000000000000000010000000",' +
      '"funds":[{"denom":"unym","amount":"100000000"}],"data":{"nym_node":{"host":"node.example","custom_http_port":null,' +
      `"identity_key":"${toBase58(example.identityKey)}"},"cost_params":{"profit_margin_percent":"0.2",` +
      '"interval_operating_cost":{"denom":"unym","amount":"40000000"}}}}}',
  )
})

const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const printable = fc.string({
  unit: fc
    .integer({ min: 0x21, max: 0x7e })
    .map((code) => String.fromCharCode(code))
    .filter((c) => c !== '"' && c !== '\\'),
  maxLength: 255,
})
/** Zeroes in front of keys are a case of their own in base58, zeroes behind percents one in decimals. */
const keys = fc
  .tuple(fc.nat(32), fc.uint8Array({ minLength: 32, maxLength: 32 }))
  .map(([zeros, key]) => key.fill(0, 0, zeros))
const percents = fc.oneof(
  u64,
  fc.tuple(fc.nat(100), fc.integer({ min: 0, max: 16 })).map(([n, zeros]) => BigInt(n) * 10n ** BigInt(zeros)),
)

test('Solidity and TypeScript write the same bytes, which are JSON', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        chainId: fc.constant(CHAIN),
        mixnet: fc.constant(ASKER),
        owner: fc.uint8Array({ minLength: 20, maxLength: 20 }).map((bytes) => `0x${toHex(bytes)}`),
        nonce: fc.nat(0xffff_ffff),
        identityKey: keys,
        host: printable,
        httpPort: fc.oneof(fc.constant(0), fc.nat(0xffff)),
        profitMargin: percents,
        intervalOperatingCost: u64,
        pledge: u64,
      }),
      async (one) => {
        const text = await payload(one)
        assert.equal(text, new TextDecoder().decode(bondingPayload(one)))
        assert.equal(JSON.parse(text).content.data.nym_node.host, one.host)
      },
    ),
    { numRuns: 100 },
  )
})

test('hosts that JSON would escape, or that end the field, are refused by both', async () => {
  for (const host of [
    'a"b',
    '","custom_http_port":1,"x":"',
    'a\\',
    '\u0000',
    'a\nb',
    'a b',
    '\u007f',
    'ä.example',
    '例え',
  ]) {
    await assert.rejects(
      payload({ ...example, host }),
      (error) => error instanceof Reverted && error.errorName === 'BadHost',
      host,
    )
    assert.throws(
      () => bondingPayload({ ...example, host }),
      (error) => isMixnetError(error, 'MALFORMED'),
      host,
    )
  }
})

test('owners that are no addresses and keys of other lengths have no text', () => {
  for (const owner of ['', '0x', 'n1abc', `0x${'g'.repeat(40)}`, `0x${'a'.repeat(41)}`, '"']) {
    for (const place of [{ owner }, { mixnet: owner }]) {
      assert.throws(
        () => bondingPayload({ ...example, ...place }),
        (error) => isMixnetError(error, 'MALFORMED'),
        owner,
      )
    }
  }
  for (const length of [0, 31, 33]) {
    assert.throws(
      () => bondingPayload({ ...example, identityKey: new Uint8Array(length) }),
      (error) => isMixnetError(error, 'MALFORMED'),
    )
  }
})

test('a signature verifies for what was signed, and for nothing that differs in one field', async () => {
  const signature = signed(example)
  const holds = (one: Bonding, [r, s] = signature) =>
    evm.read(proof, 'verify', [one.owner, one.nonce, ...terms(one), r, s])
  assert.equal(await holds(example), true)
  const others: Partial<Bonding>[] = [
    { owner: Evm.address(9) },
    { nonce: 1 },
    { identityKey: nodeProvider.ed25519PublicKey(new Uint8Array(32).fill(4)) },
    { host: 'node.example.' },
    { httpPort: 8080 },
    { profitMargin: 200_000_000_000_000_001n },
    { intervalOperatingCost: 40_000_001n },
    { pledge: 100_000_001n },
  ]
  for (const other of others) assert.equal(await holds({ ...example, ...other }), false, `${Object.keys(other)}`)
  assert.equal(await holds(example, [signature[1], signature[0]]), false)
})

test('a bond seen on its way cannot be had by who copies it, nor made a second time', async () => {
  const fixture = await MixnetFixture.create({ proofName: 'OwnershipProof' })
  const [operator, thief] = [Evm.address(11), Evm.address(12)]
  for (const who of [operator, thief]) await fixture.fund(who, 10n ** 12n)
  const one = { ...example, mixnet: fixture.mixnet, owner: operator, pledge: 10_000_000_000n }
  const call = [...terms(one), ...signed(one)]
  const bad = (error: unknown) => error instanceof Reverted && error.errorName === 'BadOwnershipSignature'
  // The thief's transaction gets in first, with everything copied, or with itself as what it pays for.
  await assert.rejects(fixture.send('bond', call, thief), bad)
  const cheaper = { ...one, pledge: one.pledge - 1n }
  await assert.rejects(fixture.send('bond', [...terms(cheaper), ...signed(one)], operator), bad)
  const { result: nodeId } = await fixture.send('bond', call, operator)
  assert.equal(await fixture.read('nodeIdOfKey', [terms(one)[0]]), nodeId)
  assert.equal(new TextDecoder().decode(bondingPayload({ ...one, nonce: 1 })), await bondingText(fixture, one))
  // Once the operator has left, what it signed then is of no use to anybody, itself included.
  await fixture.settle()
  await fixture.send('unbond', [], operator)
  await fixture.settle()
  for (const who of [thief, operator]) await assert.rejects(fixture.send('bond', call, who), bad)
  const again = { ...one, nonce: 1 }
  // Nor is what it signed for another deployment, or for another chain with this one at the same address.
  for (const place of [{ mixnet: Evm.address(9) }, { chainId: CHAIN + 1 }])
    await assert.rejects(fixture.send('bond', [...terms(again), ...signed({ ...again, ...place })], operator), bad)
  const bonded = await fixture.send('bond', [...terms(again), ...signed(again)], operator)
  assert.notEqual(bonded.result, nodeId)
})

test('a text of another kind that the key signs does not verify as a bond', async () => {
  const signature = nodeProvider.ed25519Sign(seed, utf8('starling-announcement-1\n'))
  const [r, s] = [`0x${toHex(signature.subarray(0, 32))}`, `0x${toHex(signature.subarray(32))}`]
  assert.equal(await evm.read(proof, 'verify', [example.owner, 0, ...terms(example), r, s]), false)
})

/** What the mixnet says is to be signed now. */
async function bondingText(fixture: MixnetFixture, one: Bonding): Promise<string> {
  const bytes = await fixture.read<string>('bondingPayload', [one.owner, ...terms(one)])
  return new TextDecoder().decode(fromHex(bytes.slice(2)))
}
