import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import fc from 'fast-check'
import { concat, utf8 } from '../foundation/base/bytes.ts'
import { isMixnetError, tryDecode } from '../foundation/base/errors.ts'
import { seconds } from '../foundation/base/units.ts'
import { HandClock } from '../foundation/platform/handClock.ts'
import { lookUp } from './dnsLookup.ts'
import { type DnsQuestion, decodeDnsAnswer, encodeDnsQuery } from './dnsMessages.ts'
import { byHand, cleanUp } from './socksSupport.test.ts'
import { testWorld } from './streamSupport.test.ts'

const QUESTION: DnsQuestion = { id: 0x1234, name: 'www.Example.org', type: 'A' }
/** Without the length. */
const ASKED = encodeDnsQuery(QUESTION).subarray(2)
const u16 = (...values: number[]) => Uint8Array.from(values.flatMap((value) => [value >> 8, value & 255]))
const label = (text: string) => concat(Uint8Array.of(text.length), utf8(text))
const TO_QUESTION = u16(0xc00c)
const record = (owner: Uint8Array, type: number, data: Uint8Array) =>
  concat(owner, u16(type, 1, 0, 300, data.length), data)

/** An answer to the question, as an honest server writes it. */
function answer(
  records: readonly Uint8Array[],
  { id = QUESTION.id, flags = 0x8180, question = ASKED.subarray(12) } = {},
) {
  return concat(u16(id, flags, 1, records.length, 0, 0), question, ...records)
}

const refused = (bytes: Uint8Array, code = 'MALFORMED') => {
  const result = tryDecode(() => decodeDnsAnswer(bytes, QUESTION))
  assert.ok(isMixnetError(result), 'it was taken')
  assert.equal(result.code, code)
}

test('a question as RFC 1035 writes it', () => {
  const head = u16(33, 0x1234, 0x0100, 1, 0, 0, 0)
  assert.deepEqual(
    encodeDnsQuery(QUESTION),
    concat(head, label('www'), label('example'), label('org'), Uint8Array.of(0), u16(1, 1)),
  )
  for (const name of ['', '.', 'a..b', `${'a'.repeat(64)}.org`, `${'a.'.repeat(127)}org`, 'http://x/', 'a b', 'x:80'])
    assert.throws(() => encodeDnsQuery({ ...QUESTION, name }), { code: 'BAD_ARGUMENT' })
})

test('addresses, through aliases in any order; nobody else’s', () => {
  const alias = concat(label('cdn'), Uint8Array.of(0))
  const records = [
    record(alias, 1, Uint8Array.of(192, 0, 2, 7)),
    record(TO_QUESTION, 5, alias),
    record(alias, 1, Uint8Array.of(192, 0, 2, 8)),
    record(alias, 28, new Uint8Array(16)),
    record(concat(label('other'), Uint8Array.of(0)), 1, Uint8Array.of(10, 0, 0, 1)),
  ]
  assert.deepEqual(decodeDnsAnswer(answer(records), QUESTION), ['192.0.2.7', '192.0.2.8'])
  assert.deepEqual(decodeDnsAnswer(answer([]), QUESTION), [])
  const six = { ...QUESTION, type: 'AAAA' } as const
  const question = encodeDnsQuery(six).subarray(14)
  const address = record(TO_QUESTION, 28, Uint8Array.of(0x20, 1, 13, 184, ...new Array(11).fill(0), 1))
  assert.deepEqual(decodeDnsAnswer(answer([address], { question }), six), ['2001:db8::1'])
})

test('aliases in a circle end', () => {
  const alias = concat(label('cdn'), Uint8Array.of(0))
  assert.deepEqual(
    decodeDnsAnswer(answer([record(TO_QUESTION, 5, alias), record(alias, 5, TO_QUESTION)]), QUESTION),
    [],
  )
})

test('what does not answer the question is refused', () => {
  const good = record(TO_QUESTION, 1, Uint8Array.of(1, 2, 3, 4))
  refused(answer([good], { id: 1 }))
  refused(answer([good], { flags: 0x0100 }))
  refused(answer([good], { flags: 0x8380 }))
  refused(answer([good], { question: encodeDnsQuery({ ...QUESTION, name: 'evil.org' }).subarray(14) }))
  refused(answer([good], { question: encodeDnsQuery({ ...QUESTION, type: 'AAAA' }).subarray(14) }))
  refused(answer([record(TO_QUESTION, 1, Uint8Array.of(1, 2, 3))]))
  refused(answer([], { flags: 0x8183 }), 'HOST_UNKNOWN')
  refused(answer([], { flags: 0x8182 }), 'DESTINATION_UNREACHABLE')
  const whole = answer([good])
  for (let length = 0; length < whole.length; length++) refused(whole.subarray(0, length))
})

test('pointers lead backwards only, names are short', () => {
  const end = answer([]).length
  refused(answer([record(u16(0xc000 | end), 1, Uint8Array.of(1, 2, 3, 4))]))
  refused(answer([record(u16(0xffff), 1, Uint8Array.of(1, 2, 3, 4))]))
  refused(answer([record(concat(label('a'), u16(0xc000 | end)), 1, Uint8Array.of(1, 2, 3, 4))]))
  const long = concat(...Array.from({ length: 5 }, () => label('x'.repeat(63))), Uint8Array.of(0))
  refused(answer([record(long, 1, Uint8Array.of(1, 2, 3, 4))]))
  refused(answer([record(Uint8Array.of(0x80), 1, Uint8Array.of(1, 2, 3, 4))]))
})

test('a chain of pointers ends after some: nobody’s time is spent on walking thousands', () => {
  const chain = (pointers: number) => {
    const start = answer([]).length + 11
    const steps = [0xc00c, ...Array.from({ length: pointers - 1 }, (_, i) => 0xc000 | (start + 2 * i))]
    // In a record of a kind that nobody reads; the name of the next one begins at its end.
    const first = record(Uint8Array.of(0), 16, u16(...steps))
    return answer([first, record(u16(0xc000 | (start + 2 * (pointers - 1))), 1, Uint8Array.of(1, 2, 3, 4))])
  }
  assert.deepEqual(decodeDnsAnswer(chain(20), QUESTION), ['1.2.3.4'])
  refused(chain(2000))
})

test('no bytes crash it', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void tryDecode(() => decodeDnsAnswer(bytes, QUESTION))),
  )
  const tail = fc.uint8Array({ maxLength: 100 })
  fc.assert(
    fc.property(tail, fc.nat(20), (bytes, count) => {
      const message = concat(u16(QUESTION.id, 0x8180, 1, count, 0, 0), ASKED.subarray(12), bytes)
      tryDecode(() => decodeDnsAnswer(message, QUESTION))
    }),
  )
})

afterEach(cleanUp)

function asking(options: Partial<Parameters<typeof lookUp>[3]> = {}) {
  const clock = new HandClock()
  const dialer = byHand(clock)
  const keys: (string | undefined)[] = []
  const watched: typeof dialer = {
    ...dialer,
    open(to, isolation) {
      keys.push(isolation)
      return dialer.open(to, isolation)
    },
  }
  const result = lookUp(testWorld(clock), watched, 'example.org', { server: '9.9.9.9', ...options })
  result.catch(() => {})
  return { clock, dialer, keys, result }
}

test('asks the server that was named, under a key of the name alone', () => {
  const { dialer, keys } = asking()
  assert.deepEqual([dialer.opened[0]?.to, keys], [{ host: '9.9.9.9', port: 53 }, ['dns example.org']])
})

test('a server that says nothing, and who gives up', async () => {
  const { clock, result } = asking({ timeout: seconds(5) })
  clock.advance(seconds(5))
  await assert.rejects(result, { code: 'TIMEOUT' })
  const abandoned = asking({ signal: AbortSignal.abort() })
  await assert.rejects(abandoned.result, { code: 'ABORTED' })
  assert.equal(abandoned.dialer.opened.length, 0)
})

test('without a server nobody is asked', async () => {
  const { dialer, result } = asking({ server: undefined as unknown as string })
  await assert.rejects(result, { code: 'BAD_ARGUMENT' })
  assert.equal(dialer.opened.length, 0)
  for (const [argument, wrong] of [
    ['server', { server: 'https://dns.example/' }],
    ['port', { port: 0 }],
  ] as const)
    await assert.rejects(asking(wrong).result, { code: 'BAD_ARGUMENT', details: { argument } })
  await assert.rejects(asking({ type: 'MX' as 'A' }).result, { code: 'BAD_ARGUMENT' })
})
