import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { millis } from '../../foundation/base/units.ts'
import { dateOfDays, daysOfDate, formatRfc3339, parseLooseInstant, parseRfc3339 } from './timestamp.ts'

describe('instants on the wire', () => {
  it('agree with the platform', () => {
    const first = Date.UTC(1, 0, 1) - 1900 * 365 * 86_400_000
    fc.assert(
      fc.property(fc.integer({ min: first, max: 253_402_300_799_999 }), (ms) => {
        if (new Date(ms).getUTCFullYear() < 0) return
        const text = formatRfc3339(millis(ms))
        assert.equal(Date.parse(text), ms)
        assert.equal(parseRfc3339(text), ms)
        assert.equal(parseRfc3339(new Date(ms).toISOString()), ms)
      }),
      { numRuns: 500 },
    )
  })

  it('write no more decimals than there are', () => {
    assert.equal(formatRfc3339(millis(1_795_334_462_500)), '2026-11-22T08:01:02.5Z')
    assert.equal(formatRfc3339(millis(1_795_334_462_000)), '2026-11-22T08:01:02Z')
    assert.equal(formatRfc3339(millis(-1)), '1969-12-31T23:59:59.999Z')
  })

  it('read offsets, and the spaced form where it is allowed', () => {
    assert.equal(parseRfc3339('2026-11-22T10:01:02.5+02:00'), 1_795_334_462_500)
    assert.equal(parseRfc3339('2026-11-22 08:01:02Z'), 1_795_334_462_000)
    assert.equal(parseLooseInstant('2026-11-22 08:01:02.500000000 +00:00:00'), 1_795_334_462_500)
    assert.equal(parseRfc3339('2026-11-22 08:01:02.500000000 +00:00:00'), undefined)
  })

  it('refuse what is no date', () => {
    const bad = ['', '2026-02-29T00:00:00Z', '2026-13-01T00:00:00Z', '2026-00-01T00:00:00Z', '2026-01-00T00:00:00Z']
    bad.push('2026-01-01T24:00:00Z', '2026-01-01T00:60:00Z', '2026-01-01T00:00:00', '2026-01-01', '26-01-01T00:00:00Z')
    for (const text of bad) assert.equal(parseLooseInstant(text), undefined, text)
  })

  it('days and dates are each other’s inverse', () => {
    fc.assert(
      fc.property(fc.integer({ min: -4_371_586, max: 2_932_896 }), (days) => {
        const { year, ordinalDay } = dateOfDays(days)
        assert.ok(ordinalDay >= 1 && ordinalDay <= 366)
        assert.equal(daysOfDate(year, ordinalDay), days)
      }),
    )
  })
})
