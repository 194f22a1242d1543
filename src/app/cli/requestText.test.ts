import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { planNetwork } from '../testnet/layout.ts'
import { requestLines } from './requestText.ts'

// As many as --mix-nodes, --entries and --exits allow.
const LARGEST = { mixNodes: 200, entries: 200, exits: 200 }
// Delays are exponential with a mean of 15 ms: one in 10^28 is longer than a second.
const LONGEST_HOLD_MS = 9_999
const SLOW_MS = 99_999

describe('the first request on the screen', () => {
  it('fits, whoever is on the route and however long it took', () => {
    const plans = planNetwork(LARGEST, true)
    const longest = (role: string) =>
      plans
        .filter(({ roles }) => roles.join() === role)
        .map(({ name }) => name)
        .reduce((a, b) => (b.length > a.length ? b : a))
    const mix = { name: longest('mix'), holdMs: LONGEST_HOLD_MS }
    const lines = requestLines({
      entry: longest('entry'),
      route: [mix, mix, mix, { name: longest('exit'), holdMs: undefined }],
      stages: { sentMs: SLOW_MS, acknowledgedMs: SLOW_MS, firstByteMs: SLOW_MS, doneMs: SLOW_MS },
      siteSaw: '127.100.100.100',
    })
    for (const line of lines) assert.ok(line.length < 100, `${line.length}: ${line}`)
  })

  it('puts each delay beneath the node that waits', () => {
    const route = [
      { name: 'jackdaw', holdMs: 11 },
      { name: 'wren', holdMs: 2 },
      { name: 'swift', holdMs: 29 },
      { name: 'heron', holdMs: undefined },
    ]
    const stages = { sentMs: 20, acknowledgedMs: undefined, firstByteMs: 300, doneMs: 400 }
    assert.deepEqual(requestLines({ entry: 'plover', route, stages, siteSaw: '127.0.1.9' }), [
      '  you ─ plover ─ jackdaw ─ wren ─ swift ─ heron ─ demo.starling',
      '                 11        2      29  ms of waiting, drawn anew for each packet',
      '  sent 20 ms   first byte 300 ms   done 400 ms   acknowledged –',
      '',
      '  The site saw 127.0.1.9: heron, not you. Plover knows that you are connected, not',
      '  what you asked. No one node knows both.',
    ])
  })
})
