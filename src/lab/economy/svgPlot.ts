/**
 * Plots as SVG text, without a package: lines, dots and bars over two axes that say their units. Light background, colours that
 * most colour-blind people tell apart (Okabe and Ito), text that a browser can select. Equal input gives equal bytes. @module
 */

export interface Axis {
  /** With its unit: "staked (thousand NYM)". */
  readonly label: string
  /** Default: what the points need, and 0. */
  readonly min?: number
  readonly max?: number
  /** Decades; `min` must be above 0. */
  readonly log?: boolean
}

export interface Series {
  readonly name: string
  readonly kind: 'line' | 'dots' | 'bars'
  /** x, y; what is not finite is left out. */
  readonly points: readonly (readonly [number, number])[]
  readonly dashed?: boolean
}

export interface Plot {
  readonly title: string
  /** What is to be seen in it: one or two sentences below it on the page. */
  readonly caption: string
  readonly x: Axis
  readonly y: Axis
  readonly series: readonly Series[]
  /** Of `bars`, in units of x. */
  readonly barWidth?: number
}

const WIDTH = 760
const HEIGHT = 440
const MARGIN = { left: 84, right: 24, bottom: 58 } as const
const TITLE_HEIGHT = 40
const LEGEND_ROW = 20
/** Of a 13 px sans-serif, as browsers draw it: enough to lay a legend out. */
const GLYPH_WIDTH = 7
const PALETTE = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#555555'] as const
const TICKS = 6
const DOT_RADIUS = 2.6

export function renderPlot(plot: Plot): string {
  const legend = legendRows(plot.series)
  const top = TITLE_HEIGHT + legend.length * LEGEND_ROW + 8
  const x = scaleOf(plot.x, ends(plot, 0), [MARGIN.left, WIDTH - MARGIN.right])
  const y = scaleOf(plot.y, ends(plot, 1), [HEIGHT - MARGIN.bottom, top])
  const [left, right, bottom] = [MARGIN.left, WIDTH - MARGIN.right, HEIGHT - MARGIN.bottom]
  const clip = `clip-${plot.title.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="system-ui, sans-serif" font-size="13" fill="#222" role="img">`,
    `<title>${escaped(plot.title)}</title>`,
    `<clipPath id="${clip}"><rect x="${left}" y="${top}" width="${right - left}" height="${bottom - top}"/></clipPath>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${left}" y="26" font-size="16" font-weight="600">${escaped(plot.title)}</text>`,
    ...legend.flatMap((row, at) => row.map((entry) => legendEntry(entry, TITLE_HEIGHT + at * LEGEND_ROW + 6))),
    ...x.ticks.map((tick) => {
      const at = fixed(x.at(tick))
      return `<path d="M${at} ${top}V${bottom}" stroke="#eee"/><text x="${at}" y="${bottom + 20}" text-anchor="middle">${written(tick)}</text>`
    }),
    ...y.ticks.map((tick) => {
      const at = fixed(y.at(tick))
      return `<path d="M${left} ${at}H${right}" stroke="#e2e2e2"/><text x="${left - 8}" y="${at}" dy="4" text-anchor="end">${written(tick)}</text>`
    }),
    `<path d="M${left} ${top}V${bottom}H${right}" fill="none" stroke="#666"/>`,
    `<text x="${fixed((left + right) / 2)}" y="${HEIGHT - 14}" text-anchor="middle">${escaped(plot.x.label)}</text>`,
    `<text transform="translate(18 ${fixed((top + bottom) / 2)}) rotate(-90)" text-anchor="middle">${escaped(plot.y.label)}</text>`,
    `<g clip-path="url(#${clip})">`,
    ...plot.series.map((series, index) => drawn(series, index, x, y, plot.barWidth ?? 1)),
    '</g></svg>',
  ]
  return `${parts.join('\n')}\n`
}

/** Text of a page or a drawing: nothing in it is markup. */
export function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (found) => `&#${found.charCodeAt(0)};`)
}

interface Scale {
  at(value: number): number
  readonly ticks: readonly number[]
}

function ends({ series }: Plot, which: 0 | 1): readonly [number, number] {
  const values = series.flatMap(({ points }) => points.map((point) => point[which]).filter(Number.isFinite))
  return values.length === 0 ? [0, 1] : [values.reduce(smaller), values.reduce(larger)]
}

const smaller = (a: number, b: number) => Math.min(a, b)
const larger = (a: number, b: number) => Math.max(a, b)

function scaleOf(axis: Axis, [least, most]: readonly [number, number], [from, to]: readonly [number, number]): Scale {
  if (axis.log === true) {
    const [low, high] = [Math.log10(axis.min ?? least), Math.log10(axis.max ?? most)]
    const ticks: number[] = []
    for (let decade = Math.ceil(low - 1e-9); decade <= high + 1e-9; decade++) ticks.push(10 ** decade)
    return { at: (value) => from + ((Math.log10(value) - low) / (high - low || 1)) * (to - from), ticks }
  }
  const low = axis.min ?? Math.min(0, least)
  const high = axis.max ?? (most > low ? low + (most - low) * 1.06 : low + 1)
  const step = niceStep((high - low) / TICKS)
  const ticks: number[] = []
  for (let index = Math.ceil(low / step - 1e-9); index * step <= high + step * 1e-9; index++) ticks.push(index * step)
  return { at: (value) => from + ((value - low) / (high - low)) * (to - from), ticks }
}

/** 1, 2 or 5 times a power of ten. */
function niceStep(raw: number): number {
  const power = 10 ** Math.floor(Math.log10(raw))
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= raw * (1 - 1e-9)) ?? 10
  return factor * power
}

function drawn({ kind, points, dashed = false }: Series, index: number, x: Scale, y: Scale, barWidth: number): string {
  const colour = colourOf(index)
  const shown = points.filter((point) => point.every(Number.isFinite))
  if (kind === 'line') {
    const path = shown.map(([px, py], at) => `${at === 0 ? 'M' : 'L'}${fixed(x.at(px))} ${fixed(y.at(py))}`).join('')
    const dash = dashed ? ' stroke-dasharray="6 4"' : ''
    return `<path d="${path}" fill="none" stroke="${colour}" stroke-width="2" stroke-linejoin="round"${dash}/>`
  }
  if (kind === 'dots') {
    const dots = shown.map(([px, py]) => `<circle cx="${fixed(x.at(px))}" cy="${fixed(y.at(py))}" r="${DOT_RADIUS}"/>`)
    return `<g fill="${colour}" fill-opacity="0.65">${dots.join('')}</g>`
  }
  const bars = shown.map(([px, py]) => {
    const [begin, end] = [x.at(px), x.at(px + barWidth)]
    const [high, base] = [y.at(py), y.at(0)]
    return `<rect x="${fixed(begin + 1)}" y="${fixed(high)}" width="${fixed(Math.max(1, end - begin - 2))}" height="${fixed(base - high)}"/>`
  })
  return `<g fill="${colour}" fill-opacity="0.95">${bars.join('')}</g>`
}

interface LegendEntry {
  readonly index: number
  readonly series: Series
  readonly left: number
}

/** A row is as wide as the drawing. One series alone is what the title says. */
function legendRows(series: readonly Series[]): readonly (readonly LegendEntry[])[] {
  if (series.length < 2) return []
  const rows: LegendEntry[][] = [[]]
  let left: number = MARGIN.left
  for (const [index, one] of series.entries()) {
    const width = 28 + one.name.length * GLYPH_WIDTH + 16
    if (left + width > WIDTH - MARGIN.right && left > MARGIN.left) {
      rows.push([])
      left = MARGIN.left
    }
    rows.at(-1)?.push({ index, series: one, left })
    left += width
  }
  return rows
}

function legendEntry({ index, series, left }: LegendEntry, y: number): string {
  const colour = colourOf(index)
  const dash = series.dashed === true ? ' stroke-dasharray="6 4"' : ''
  const mark =
    series.kind === 'line'
      ? `<path d="M${left} ${y}h20" stroke="${colour}" stroke-width="3"${dash}/>`
      : `<rect x="${left + 5}" y="${y - 5}" width="10" height="10" rx="${series.kind === 'dots' ? 5 : 1}" fill="${colour}"/>`
  return `${mark}<text x="${left + 26}" y="${y}" dy="4">${escaped(series.name)}</text>`
}

const colourOf = (index: number): string => PALETTE[index % PALETTE.length] ?? '#222'

const fixed = (value: number): string => String(Number(value.toFixed(2)))

/** 12,500 and 0.25, without the dust of binary fractions. */
function written(value: number): string {
  const [whole = '0', fraction] = String(Number(value.toPrecision(10))).split('.')
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',')
  return fraction === undefined ? grouped : `${grouped}.${fraction}`
}
