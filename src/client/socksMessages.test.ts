import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { concat, fromHex, toHex, utf8 } from '../foundation/base/bytes.ts'
import { encodeSocksReply, SocksHandshake, type SocksProgress } from './socksMessages.ts'

const GREETING = '050100'
const name = (text: string) => toHex(utf8(text))
const domain = (text: string) => `${text.length.toString(16).padStart(2, '0')}${name(text)}`

/** What the handshake says of bytes that come in one piece. */
const read = (hex: string): SocksProgress => new SocksHandshake().push(fromHex(hex))

function accepted(hex: string): string {
  const progress = read(hex)
  assert.equal(progress.kind, 'connect', hex)
  if (progress.kind !== 'connect') return ''
  const { version, destination, rest, reply } = progress
  return `${version} ${destination.host} ${destination.port} ${toHex(rest)} ${toHex(reply)}`
}

function refused(hex: string): string {
  const progress = read(hex)
  assert.equal(progress.kind, 'refused', hex)
  return progress.kind === 'refused' ? `${progress.reason} ${toHex(progress.reply)}` : ''
}

describe('requests', () => {
  test('SOCKS5: IPv4, IPv6 and names', () => {
    assert.equal(accepted(`${GREETING}0501000101020304 01bb`.replace(' ', '')), '5 1.2.3.4 443  0500')
    assert.equal(
      accepted(`${GREETING}0501000420010db8000000000000000000000001 0050`.replace(' ', '')),
      '5 2001:db8::1 80  0500',
    )
    assert.equal(accepted(`${GREETING}05010003${domain('demo.starling')}0050`), '5 demo.starling 80  0500')
  })

  test('a name that is an address is one', () => {
    assert.equal(accepted(`${GREETING}05010003${domain('2001:DB8:0::1')}0050`), '5 2001:db8::1 80  0500')
    assert.equal(accepted(`${GREETING}05010003${domain('127.0.0.1')}0050`), '5 127.0.0.1 80  0500')
  })

  test('SOCKS5: no authentication among several methods', () => {
    assert.equal(accepted(`05030200010501000101020304${'0050'}`), '5 1.2.3.4 80  0500')
  })

  test('SOCKS4 and 4a, the user ignored', () => {
    assert.equal(accepted(`0401005001020304${name('me')}00`), '4 1.2.3.4 80  ')
    assert.equal(accepted(`04010050000000ff00${name('demo.starling')}00`), '4 demo.starling 80  ')
    assert.equal(accepted('040100500000000000'), '4 0.0.0.0 80  ', 'not 4a: the last byte is zero too')
  })

  test('what comes behind the request is handed back', () => {
    assert.equal(accepted(`040100500102030400${name('hello')}`), `4 1.2.3.4 80 ${name('hello')} `)
  })
})

describe('refusals', () => {
  const general5 = '0500' // the greeting's answer comes first
  test('each says which', () => {
    assert.equal(refused('050102'), 'authentication 05ff')
    assert.equal(refused('0500'), 'authentication 05ff')
    assert.equal(refused(`${GREETING}0502000101020304${'0050'}`), `command ${general5}05070001000000000000`)
    assert.equal(refused(`${GREETING}0503000101020304${'0050'}`), `command ${general5}05070001000000000000`)
    assert.equal(refused(`${GREETING}05010002`), `address-type ${general5}05080001000000000000`)
    assert.equal(refused(`${GREETING}04`), `version ${general5}05010001000000000000`)
    assert.equal(refused(`${GREETING}05010003${domain('a b')}0050`), `address ${general5}05040001000000000000`)
    assert.equal(refused(`${GREETING}05010003${domain('evil:1')}0050`), `address ${general5}05040001000000000000`)
    assert.equal(refused(`${GREETING}05010003000050`), `address ${general5}05040001000000000000`)
    assert.equal(refused(`${GREETING}05010001010203040000`), `address ${general5}05040001000000000000`)
    assert.equal(refused('0402'), 'command 005b000000000000')
    assert.equal(refused(`04010050000000ff00${name('a/b')}00`), 'address 005b000000000000')
    assert.equal(refused('06'), 'not-socks ')
    assert.equal(refused(toHex(utf8('GET / HTTP/1.1\r\n'))), 'not-socks ')
  })

  test('texts without an end are not waited for', () => {
    const long = name('x'.repeat(256))
    assert.equal(refused(`0401005001020304${long}`), 'too-long 005b000000000000')
    assert.equal(refused(`040100500000000100${long}`), 'too-long 005b000000000000')
    assert.equal(read(`0401005001020304${name('x'.repeat(255))}`).kind, 'pending')
  })
})

test('replies are whole, with nothing about the exit in them', () => {
  assert.equal(toHex(encodeSocksReply(5, 'succeeded')), '05000001000000000000')
  assert.equal(toHex(encodeSocksReply(5, 'ttlExpired')), '05060001000000000000')
  assert.equal(toHex(encodeSocksReply(4, 'succeeded')), '005a000000000000')
  assert.equal(toHex(encodeSocksReply(4, 'notAllowed')), '005b000000000000')
})

/** Everything that came of bytes in pieces; undefined where they do not suffice. */
function inPieces(bytes: Uint8Array, cuts: readonly number[]): { outcome: string; reply: string } | undefined {
  const handshake = new SocksHandshake()
  const replies: Uint8Array[] = []
  let offset = 0
  for (let index = 0; offset < bytes.length; index++) {
    const end = Math.min(bytes.length, offset + 1 + (cuts[index % cuts.length] ?? 0))
    // The handshake must not keep a view of what it is given.
    const piece = bytes.slice(offset, end)
    const progress = handshake.push(piece)
    replies.push(progress.reply.slice())
    if (progress.kind !== 'pending') {
      const { reply: _, ...outcome } = progress
      const rest = 'rest' in outcome ? toHex(concat(outcome.rest, bytes.subarray(end))) : ''
      return { outcome: JSON.stringify({ ...outcome, rest }), reply: toHex(concat(...replies)) }
    }
    piece.fill(0xee)
    offset = end
  }
  return undefined
}

const plausible = fc
  .tuple(
    fc.constantFrom('050100', '05020001', '050102', '0401', '04', ''),
    fc.constantFrom('05010001', '05010003', '05010004', '05020001', '00500102', '0050000000', ''),
    fc.uint8Array({ maxLength: 300 }),
  )
  .map(([first, second, rest]) => concat(fromHex(first + second), rest))

test('any bytes in any pieces: never a throw, and always what one piece would have given', () => {
  const bytes = fc.oneof(plausible, fc.uint8Array({ maxLength: 700 }))
  const cuts = fc.array(fc.nat(20), { minLength: 1, maxLength: 10 })
  fc.assert(
    fc.property(bytes, cuts, (input, pieces) => {
      assert.deepEqual(inPieces(input, pieces), inPieces(input, [input.length]))
    }),
    { numRuns: 1000 },
  )
})

test('no input of 600 bytes is still undecided', () => {
  fc.assert(
    fc.property(
      fc.oneof(plausible, fc.uint8Array({ minLength: 1, maxLength: 300 })),
      fc.integer({ min: 0, max: 255 }),
      (start, fill) => {
        const padded = concat(start, new Uint8Array(600).fill(fill))
        assert.notEqual(inPieces(padded, [50]), undefined)
      },
    ),
    { numRuns: 500 },
  )
})
