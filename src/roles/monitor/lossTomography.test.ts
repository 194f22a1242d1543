import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fitWithLinks } from './badLinks.ts'
import { fitLosses, type PathOutcome, productOf, standardErrors, tally } from './lossTomography.ts'

/** A small generator of our own: fast-check shrinks the seed, not the packets. */
function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

interface Planted {
  /** Probability by unit. */
  readonly nodes: readonly number[]
  readonly layers: readonly (readonly number[])[]
  readonly packets: number
  readonly link?: { readonly from: number; readonly to: number; readonly probability: number }
}

function observe({ nodes, layers, packets, link }: Planted, seed: number): PathOutcome[] {
  const random = generator(seed)
  const paths = Array.from({ length: packets }, () => {
    const path = layers.map((layer) => layer[Math.floor(random() * layer.length)] as number)
    let delivered = true
    // Every number is drawn whatever happens, so that one loss more changes no other.
    for (const unit of path) delivered = random() < (nodes[unit] as number) && delivered
    for (let i = 1; i < path.length; i++) {
      const isLink = link !== undefined && path[i - 1] === link.from && path[i] === link.to
      delivered = random() < (isLink ? link.probability : 1) && delivered
    }
    return { path, delivered }
  })
  return tally(paths)
}

/** Five layers of so many. */
function network(size: number): { layers: number[][]; count: number } {
  const layers = Array.from({ length: 5 }, (_, l) => Array.from({ length: size }, (__, i) => l * size + i))
  return { layers, count: 5 * size }
}

test('nothing lost is nobody at fault', () => {
  const outcomes = [{ path: [0, 1, 2], sent: 50, delivered: 50 }]
  const { probabilities, packets } = fitLosses(4, outcomes)
  assert.deepEqual(
    [...probabilities].map((p) => Math.round(p * 100)),
    [100, 100, 100, 100],
  )
  assert.deepEqual([...packets], [50, 50, 50, 0])
})

test('everything lost leaves numbers', () => {
  const outcomes = [{ path: [0, 1, 2], sent: 50, delivered: 0 }]
  const fit = fitLosses(3, outcomes)
  assert.ok(productOf(fit.probabilities, [0, 1, 2]) < 1e-3)
  const errors = standardErrors(fit, outcomes, [[0], [1], [2]])
  assert.ok([...errors].every((error) => error > 0 && error <= 1))
})

test('what cannot be told apart is shared evenly', () => {
  const { layers } = network(3)
  const outcomes = observe({ nodes: new Array(15).fill(0.9), layers, packets: 60_000 }, 7)
  const { probabilities } = fitLosses(15, outcomes)
  for (const probability of probabilities) assert.ok(Math.abs(probability - 0.9) < 0.02, `${probability}`)
})

test('planted losses are found again, within their errors, and nobody beside them is dragged down', () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.array(fc.record({ unit: fc.nat(39), probability: fc.double({ min: 0, max: 0.9, noNaN: true }) }), {
        maxLength: 4,
      }),
      (seed, bad) => {
        const { layers, count } = network(8)
        const nodes: number[] = new Array(count).fill(0.99)
        // One a layer stays good at least; so what a layer loses can be told from what all lose.
        for (const { unit, probability } of bad) nodes[unit] = probability
        const outcomes = observe({ nodes, layers, packets: 6_000 }, seed)
        const fit = fitLosses(count, outcomes)
        const errors = standardErrors(fit, outcomes, layers)
        for (const [unit, planted] of nodes.entries()) {
          const found = fit.probabilities[unit] as number
          // The part that all have in common may sit elsewhere: two percent of slack for it, and four deviations of 40.
          const allowed = 0.02 + 4 * (errors[unit] as number)
          assert.ok(Math.abs(found - planted) <= allowed, `${unit}: ${found} instead of ${planted} ± ${allowed}`)
        }
      },
    ),
    { numRuns: 40 },
  )
})

test('standard errors are neither too small nor useless', () => {
  const { layers, count } = network(6)
  const nodes = Array.from({ length: count }, (_, unit) => (unit % 6 === 0 ? 1 : 0.85 + 0.02 * (unit % 6)))
  let [outside, all] = [0, 0]
  for (let seed = 1; seed <= 30; seed++) {
    const outcomes = observe({ nodes, layers, packets: 3_000 }, seed)
    const fit = fitLosses(count, outcomes)
    const errors = standardErrors(fit, outcomes, layers)
    for (const [unit, planted] of nodes.entries()) {
      const error = errors[unit] as number
      assert.ok(error < 0.05, `${error}`)
      all++
      if (Math.abs((fit.probabilities[unit] as number) - planted) > 1.96 * error + 0.01) outside++
    }
  }
  assert.ok(outside / all < 0.08, `${outside} of ${all}`)
})

test('who drops more gets no better score', () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.nat(19),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (seed, unit, one, other) => {
        const { layers, count } = network(4)
        const scoreAt = (probability: number) => {
          const nodes: number[] = new Array(count).fill(0.98)
          nodes[unit] = probability
          return fitLosses(count, observe({ nodes, layers, packets: 3_000 }, seed)).probabilities[unit] as number
        }
        assert.ok(scoreAt(Math.min(one, other)) <= scoreAt(Math.max(one, other)) + 0.005)
      },
    ),
    { numRuns: 40 },
  )
})

test('the same evidence gives the same percents, in whatever order it came', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const { layers, count } = network(4)
      const nodes = Array.from({ length: count }, (_, i) => 1 - (i % 5) / 20)
      const outcomes = observe({ nodes, layers, packets: 2_000 }, seed)
      const percents = (list: readonly PathOutcome[]) =>
        [...fitLosses(count, list).probabilities].map((p) => p.toFixed(4))
      assert.deepEqual(percents(outcomes), percents([...outcomes].reverse()))
    }),
    { numRuns: 20 },
  )
})

test('a link that fails alone is named, and its ends are clean', () => {
  for (const [size, probability] of [
    [2, 0],
    [4, 0],
    [6, 0.4],
  ] as const) {
    const { layers, count } = network(size)
    const nodes: number[] = new Array(count).fill(0.99)
    const link = { from: size, to: 2 * size + 1, probability }
    const { fit, links } = fitWithLinks(count, observe({ nodes, layers, packets: 6_000, link }, size))
    assert.deepEqual(
      links.map(({ from, to }) => ({ from, to })),
      [{ from: link.from, to: link.to }],
    )
    assert.ok(Math.abs((links[0]?.probability ?? 1) - probability) < 0.08)
    for (const unit of [link.from, link.to]) assert.ok((fit.probabilities[unit] as number) > 0.95)
  }
})

test('bad nodes are no bad links', () => {
  fc.assert(
    fc.property(fc.integer(), fc.nat(19), fc.double({ min: 0, max: 0.95, noNaN: true }), (seed, unit, probability) => {
      const { layers, count } = network(4)
      const nodes: number[] = new Array(count).fill(0.98)
      nodes[unit] = probability
      assert.deepEqual(fitWithLinks(count, observe({ nodes, layers, packets: 4_000 }, seed)).links, [])
    }),
    { numRuns: 40 },
  )
})
