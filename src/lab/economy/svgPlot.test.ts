import assert from 'node:assert/strict'
import { it } from 'node:test'
import { type Plot, renderPlot } from './svgPlot.ts'

const plot = (more: Partial<Plot> = {}): Plot => ({
  title: 'Title',
  caption: '',
  x: { label: 'x (unit)' },
  y: { label: 'y (unit)' },
  series: [
    {
      name: 'line',
      kind: 'line',
      points: [
        [0, 0],
        [10, 2_000],
      ],
    },
  ],
  ...more,
})

it('says both units, and numbers people can read', () => {
  const svg = renderPlot(plot())
  for (const text of ['x (unit)', 'y (unit)', '>2,000<', '>10<']) assert.ok(svg.includes(text), text)
})

it('has no markup from names, and nothing that is not a number', () => {
  const svg = renderPlot(
    plot({
      title: '<script>"&',
      series: [
        {
          name: '<b>',
          kind: 'dots',
          points: [
            [Number.NaN, 1],
            [1, Number.POSITIVE_INFINITY],
            [1, 1],
          ],
        },
        { name: 'none', kind: 'bars', points: [] },
      ],
    }),
  )
  assert.ok(!/<script|<b>|NaN|Infinity/.test(svg))
  assert.equal(svg.match(/<circle/g)?.length, 1)
})

it('draws what has no points, one point, or no height', () => {
  for (const points of [
    [],
    [[0, 0]],
    [
      [5, 5],
      [5, 5],
    ],
  ] as const) {
    assert.ok(!/NaN|Infinity/.test(renderPlot(plot({ series: [{ name: 'a', kind: 'line', points }] }))))
  }
})

it('is the same for the same input', () => {
  assert.equal(renderPlot(plot()), renderPlot(plot()))
})
