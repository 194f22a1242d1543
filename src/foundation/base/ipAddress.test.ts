import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { fromHex, toHex } from './bytes.ts'
import { isMixnetError } from './errors.ts'
import { canonicalIp, formatIp, parseIp } from './ipAddress.ts'

const canonical: readonly (readonly [string, string])[] = [
  ['1.2.3.4', '01020304'],
  ['0.0.0.0', '00000000'],
  ['255.255.255.255', 'ffffffff'],
  ['::', '00000000000000000000000000000000'],
  ['::1', '00000000000000000000000000000001'],
  ['1::', '00010000000000000000000000000000'],
  ['2001:db8::1', '20010db8000000000000000000000001'],
  ['::ffff:1.2.3.4', '00000000000000000000ffff01020304'],
  ['::1:2:3:4', '00000000000000000001000200030004'],
  ['1:0:0:2::3', '00010000000000020000000000000003'],
  ['1::2:0:0:3', '00010000000000000002000000000003'],
  ['1::2:3:0:0:4', '00010000000000020003000000000004'],
  ['1:0:2:3:4:5:6:7', '00010000000200030004000500060007'],
]

const readable: readonly (readonly [string, string])[] = [
  ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
  ['0000:0000::0001', '::1'],
  ['::1.2.3.4', '::102:304'],
  ['1:2:3:4:5:6:7.8.9.10', '1:2:3:4:5:6:708:90a'],
  ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
]

const unreadable: readonly string[] = [
  '',
  '1.2.3',
  '1.2.3.4.5',
  '01.2.3.4',
  '1.2.3.256',
  '1.2.3.0004',
  '1.2.3.4 ',
  '+1.2.3.4',
  '0x1.2.3.4',
  '1..3.4',
  ':',
  ':::',
  '1::2::3',
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:8:9',
  '1:2:3:4::5:6:7:8',
  '12345::',
  'g::',
  '[::1]',
  '::1%eth0',
  '1.2.3.4::',
  '::1.2.3.4:5',
  '1:2:3:4:5:6:7:1.2.3.4',
  ':1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:',
  '::1.2.3',
  '1'.repeat(100),
]

describe('IP addresses', () => {
  it('writes and reads the canonical form', () => {
    for (const [text, hex] of canonical) {
      assert.equal(formatIp(fromHex(hex)), text)
      assert.equal(toHex(parseIp(text) ?? new Uint8Array()), hex, text)
    }
  })

  it('reads other spellings', () => {
    for (const [text, written] of readable) assert.equal(formatIp(parseIp(text) as Uint8Array), written, text)
  })

  it('refuses everything else', () => {
    for (const text of unreadable) assert.equal(parseIp(text), undefined, text)
    assert.throws(
      () => formatIp(new Uint8Array(5)),
      (error) => isMixnetError(error, 'MALFORMED'),
    )
  })

  it('sees through IPv4-mapped addresses', () => {
    assert.equal(formatIp(canonicalIp(parseIp('::ffff:1.2.3.4') as Uint8Array)), '1.2.3.4')
    assert.equal(formatIp(canonicalIp(parseIp('::1.2.3.4') as Uint8Array)), '::102:304')
  })

  it('round trips any address', () => {
    const sparse = fc.array(fc.constantFrom(0, 0, 0, 1, 255), { minLength: 16, maxLength: 16 })
    const address = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      sparse.map((bytes) => Uint8Array.from(bytes)),
    )
    fc.assert(fc.property(address, (bytes) => assert.deepEqual(parseIp(formatIp(bytes)), bytes)))
  })

  it('agrees with the platform on what is an address', () => {
    const text = fc.oneof(
      fc.string({ maxLength: 20 }),
      fc
        .array(fc.constantFrom(':', '::', '.', '0', '1', 'ff', '255', '256', '01'), { maxLength: 12 })
        .map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(text, (candidate) => {
        // The platform also reads scope ids.
        if (candidate.includes('%')) return
        assert.equal(parseIp(candidate) !== undefined, isIP(candidate) !== 0, candidate)
      }),
      { numRuns: 500 },
    )
  })
})
