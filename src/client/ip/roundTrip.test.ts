import assert from 'node:assert/strict'
import { test } from 'node:test'
import { millis, seconds } from '../../foundation/base/units.ts'
import { DEVICE_TIMING, MIXNET_TIMING, RoundTrip } from './roundTrip.ts'

/** Measures one of so long, of bytes that end at `until`. */
function measure(trip: RoundTrip, took: number, until = 1000): void {
  trip.sent(until, millis(50_000))
  trip.acknowledged(until, millis(50_000 + took))
}

test('the wait is the mean and four deviations (RFC 6298), 2 s at least, 60 s at most', () => {
  const trip = new RoundTrip(MIXNET_TIMING)
  assert.equal(trip.timeout(0), 4000)
  measure(trip, 100)
  assert.equal(trip.timeout(0), 2000)
  const long = new RoundTrip(MIXNET_TIMING)
  measure(long, 4000)
  assert.equal(long.timeout(0), 12_000)
  measure(long, 8000)
  // A mean of 4,500; a deviation of 2,000 and a quarter of what 4,000 differ from that.
  assert.equal(long.timeout(0), 4500 + 4 * 2500)
  measure(long, 90_000)
  assert.equal(long.timeout(0), 60_000)
})

test('each that was for nothing doubles it, until one is measured; the number of tries says nothing then', () => {
  const trip = new RoundTrip(MIXNET_TIMING)
  const waits = [0, 1, 2, 3, 4, 5].map((tries) => {
    const wait = trip.timeout(tries)
    trip.late()
    return wait
  })
  assert.deepEqual(waits, [4, 8, 16, 32, 60, 60].map(seconds))
  measure(trip, 1000)
  assert.equal(trip.timeout(6), 3000)
})

test('one is measured at a time: from the first byte that was sent to the acknowledgment of all that went with it', () => {
  const trip = new RoundTrip(MIXNET_TIMING)
  const start = 0xffff_ff00
  trip.sent(0x100, millis(0))
  trip.sent(0x200, millis(900))
  trip.acknowledged(start, millis(100))
  assert.equal(trip.timeout(0), 4000, 'numbers begin anew')
  trip.acknowledged(0x180, millis(1000))
  assert.equal(trip.timeout(0), 3000)
  trip.acknowledged(0x200, millis(9000))
  assert.equal(trip.timeout(0), 3000, 'nothing was being measured')
})

test('what went twice is not measured', () => {
  const trip = new RoundTrip(MIXNET_TIMING)
  trip.sent(1000, millis(0))
  trip.late()
  trip.acknowledged(1000, millis(100))
  assert.equal(trip.timeout(0), 8000)
})

test('of a device nothing is measured', () => {
  const trip = new RoundTrip(DEVICE_TIMING)
  measure(trip, 5000)
  assert.deepEqual(
    [0, 1, 2, 12].map((tries) => trip.timeout(tries)),
    [300, 600, 1200, 10_000],
  )
})
