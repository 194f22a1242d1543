import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { toBase58 } from '../../../foundation/base/base58.ts'
import { utf8 } from '../../../foundation/base/bytes.ts'
import { isMixnetError } from '../../../foundation/base/errors.ts'
import { nodeProvider as crypto } from '../../../foundation/crypto/nodeProvider.ts'
import {
  decodeSignedHostInformation,
  encodeSignedHostInformation,
  type HostInformation,
  signHostInformation,
  verifyHostInformation,
} from './hostInformation.ts'
import { NO_ROTATION_ID } from './nodeKeys.ts'
import {
  decodeRefreshDescribed,
  encodeRefreshDescribed,
  signRefreshDescribed,
  verifyRefreshDescribed,
} from './refreshDescribed.ts'

const malformed = (error: unknown): boolean => isMixnetError(error, 'MALFORMED')
const seed = new Uint8Array(32).fill(7)
const identity = crypto.ed25519PublicKey(seed)
const sphinx = new Uint8Array(32).fill(2)
const noise = new Uint8Array(32).fill(3)
const [ed25519, x25519, x25519Noise] = [toBase58(identity), toBase58(sphinx), toBase58(noise)]

const information: HostInformation = {
  ipAddresses: ['192.0.2.1', '2001:db8::1'],
  hostname: 'node.example.org',
  keys: {
    identity,
    sphinxKey: { rotationId: 30, publicKey: sphinx },
    preAnnouncedSphinxKey: { rotationId: 31, publicKey: noise },
    noiseKey: { supportedVersion: 1, publicKey: noise },
  },
}

/** Signs a literal text, as a node of another make would, and reads the document that carries it. */
function signedElsewhere(data: string): ReturnType<typeof decodeSignedHostInformation> {
  const signature = toBase58(crypto.ed25519Sign(seed, utf8(data)))
  return decodeSignedHostInformation(`{"data":${data},"signature":"${signature}"}`)
}

describe('signed host information', () => {
  it('signs the compact JSON in its one order of keys', () => {
    const text =
      `{"ip_address":["192.0.2.1","2001:db8::1"],"hostname":"node.example.org","keys":{` +
      `"ed25519_identity":"${ed25519}","x25519_sphinx":"${x25519}",` +
      `"primary_x25519_sphinx_key":{"rotation_id":30,"public_key":"${x25519}"},` +
      `"pre_announced_x25519_sphinx_key":{"rotation_id":31,"public_key":"${x25519Noise}"},` +
      `"x25519_versioned_noise":{"supported_version":1,"x25519_pubkey":"${x25519Noise}"}}}`
    const signed = signHostInformation(crypto, seed, information)
    assert.ok(crypto.ed25519Verify(identity, utf8(text), signed.signature))
    assert.equal(JSON.stringify(encodeSignedHostInformation(signed).data), text)
    assert.deepEqual(signedElsewhere(text), signed)
  })

  it('verifies after a round trip, with and without options', () => {
    const bare = {
      ...information,
      hostname: undefined,
      keys: { ...information.keys, preAnnouncedSphinxKey: undefined, noiseKey: undefined },
    }
    for (const data of [information, bare]) {
      const signed = signHostInformation(crypto, seed, data)
      const read = decodeSignedHostInformation(JSON.stringify(encodeSignedHostInformation(signed), undefined, 2))
      assert.deepEqual(read, signed)
      assert.ok(verifyHostInformation(crypto, read))
    }
  })

  it('refuses any other content', () => {
    const signed = signHostInformation(crypto, seed, information)
    const keys = { ...information.keys, sphinxKey: { rotationId: 31, publicKey: sphinx } }
    const others: HostInformation[] = [
      { ...information, hostname: undefined },
      { ...information, ipAddresses: [] },
      { ...information, keys },
    ]
    for (const data of others) assert.ok(!verifyHostInformation(crypto, { ...signed, data }))
    assert.ok(!verifyHostInformation(crypto, { ...signed, signature: new Uint8Array(64) }))
  })

  it('verifies the three older forms', () => {
    const head = '{"ip_address":["192.0.2.1"],"hostname":null,"keys":'
    const third = `${head}{"ed25519_identity":"${ed25519}","x25519_sphinx":"${x25519}","x25519_noise":`
    const forms = [
      `${third}null}}`,
      `${third}"${x25519Noise}"}}`,
      `${third}""}}`,
      `${head}{"ed25519":"${ed25519}","x25519":"${x25519}"}}`,
    ]
    for (const form of forms) {
      const signed = signedElsewhere(form)
      assert.ok(verifyHostInformation(crypto, signed), form)
      assert.equal(signed.data.keys.sphinxKey.rotationId, NO_ROTATION_ID)
      // A key without version says nothing about the Noise its node speaks.
      assert.equal(signed.data.keys.noiseKey, undefined)
      assert.ok(!verifyHostInformation(crypto, { ...signed, data: { ...signed.data, hostname: 'other' } }))
    }
  })

  it('refuses two different sphinx keys', () => {
    const signed = encodeSignedHostInformation(signHostInformation(crypto, seed, information))
    const text = JSON.stringify(signed).replace(`"x25519_sphinx":"${x25519}"`, `"x25519_sphinx":"${x25519Noise}"`)
    assert.throws(() => decodeSignedHostInformation(text), malformed)
  })

  it('any host name and addresses', () => {
    const hostname = fc.option(fc.string({ maxLength: 60, unit: 'grapheme' }), { nil: undefined })
    fc.assert(
      fc.property(hostname, fc.array(fc.ipV4(), { maxLength: 4 }), (name, ipAddresses) => {
        const signed = signHostInformation(crypto, seed, { ...information, hostname: name, ipAddresses })
        const read = decodeSignedHostInformation(JSON.stringify(encodeSignedHostInformation(signed)))
        assert.deepEqual(read, signed)
        assert.ok(verifyHostInformation(crypto, read))
      }),
      { numRuns: 30 },
    )
  })
})

describe('refresh-described requests', () => {
  it('sign identity, time and purpose', () => {
    const request = signRefreshDescribed(crypto, seed, 1_795_334_462)
    const text = Uint8Array.of(...identity, ...new Uint8Array(8), ...utf8('describe-cache-refresh-request'))
    new DataView(text.buffer).setBigInt64(32, 1_795_334_462n)
    assert.ok(crypto.ed25519Verify(identity, text, request.signature))
  })

  it('verify after a round trip, and refuse any other time', () => {
    for (const unixSeconds of [1_795_334_462, 0, -1]) {
      const request = signRefreshDescribed(crypto, seed, unixSeconds)
      const read = decodeRefreshDescribed(JSON.stringify(encodeRefreshDescribed(request)))
      assert.deepEqual(read, request)
      assert.ok(verifyRefreshDescribed(crypto, read))
      assert.ok(!verifyRefreshDescribed(crypto, { ...read, unixSeconds: unixSeconds + 1 }))
    }
  })

  it('refuse signatures of another length', () => {
    const body = encodeRefreshDescribed(signRefreshDescribed(crypto, seed, 1))
    for (const signature of [[], new Array(63).fill(0), new Array(65).fill(0), new Array(64).fill(256)]) {
      assert.throws(() => decodeRefreshDescribed(JSON.stringify({ ...body, signature })), malformed)
    }
  })
})
