/** What a benchmark reports: each figure with its spread, its reference of the same run and its goal; and how that is printed. @module */

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export interface Figure {
  readonly name: string
  readonly unit: string
  readonly measured: Spread
  /** What it is compared with. `recorded` says that it was not measured in this run. */
  readonly reference?: { readonly name: string; readonly value: Spread; readonly recorded?: boolean }
  /** Measured over reference or the other way round: above 1 is good. */
  readonly ratio?: Spread
  readonly goal?: Goal
}

export interface Goal {
  /** Which number must reach it. */
  readonly of: 'measured' | 'ratio'
  readonly atLeast?: number
  readonly atMost?: number
}

export interface BenchOptions {
  /** Fewer rounds: for a look, not for a record. */
  readonly quick: boolean
  /** A line for people while it runs. */
  readonly say: (line: string) => void
}

export interface Report {
  readonly figures: readonly Figure[]
  readonly notes: readonly string[]
  /** What went wrong while it was measured: then the figures are of something else than they say. */
  readonly failures?: readonly string[]
}

export interface Subject {
  readonly name: string
  readonly title: string
  run(options: BenchOptions): Promise<Report>
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (index: number): number => sorted[index] ?? Number.NaN
  return { median: at(sorted.length >> 1), min: at(0), max: at(sorted.length - 1) }
}

export const exactly = (value: number): Spread => ({ median: value, min: value, max: value })

/** Of two measurements that took turns: their ratios, pair by pair. */
export const ratios = (over: readonly number[], under: readonly number[]): Spread =>
  spread(over.map((value, i) => value / (under[i] as number)))

/** Runs and prints them; the process exits with 1 where one failed. */
export async function runSubjects(
  subjects: readonly Subject[],
  { only, quick }: { readonly only: readonly string[] | undefined; readonly quick: boolean },
): Promise<void> {
  console.log(
    `Node ${process.version}, ${process.platform} ${process.arch}. Medians, in brackets the smallest and the largest.\n` +
      'Another machine, or a busy one, gives other absolute figures; ratios travel better.\n',
  )
  for (const subject of subjects) {
    if (only?.includes(subject.name) === false) continue
    const report = await subject.run({
      quick,
      say: (line) => {
        if (process.stderr.isTTY) process.stderr.write(`  … ${line}\n`)
      },
    })
    console.log(formatReport(subject, report))
    if (hasFailed(report)) process.exitCode = 1
  }
}

export const hasFailed = ({ failures = [] }: Report): boolean => failures.length > 0

const HEADINGS = ['', 'measured', 'reference', 'ratio', 'goal', '']

export function formatReport(subject: Pick<Subject, 'title'>, report: Report): string {
  const rows = report.figures.map(row)
  const widths = HEADINGS.map((heading, i) => Math.max(heading.length, ...rows.map((cells) => cells[i]?.length ?? 0)))
  const line = (cells: readonly string[]) =>
    `  ${cells.map((cell, i) => cell.padEnd(widths[i] as number)).join('  ')}`.trimEnd()
  return [
    subject.title,
    ...(rows.length === 0 ? [] : [line(HEADINGS), ...rows.map(line)]),
    ...report.notes.map((note) => `  ${note}`),
    ...(report.failures ?? []).map((failure) => `  FAILED: ${failure}`),
    '',
  ].join('\n')
}

function row({ name, unit, measured, reference, ratio, goal }: Figure): readonly string[] {
  return [
    name,
    `${formatSpread(measured)} ${unit}`,
    reference === undefined
      ? ''
      : `${formatSpread(reference.value)} ${reference.name}${reference.recorded ? ' (recorded)' : ''}`,
    ratio === undefined ? '' : formatSpread(ratio),
    goal === undefined ? '' : formatGoal(goal, unit),
    goal === undefined ? '' : verdict(goal, goal.of === 'ratio' ? ratio : measured),
  ]
}

function formatGoal({ of, atLeast, atMost }: Goal, unit: string): string {
  const limit = atLeast === undefined ? `≤ ${formatNumber(atMost as number)}` : `≥ ${formatNumber(atLeast)}`
  return of === 'ratio' ? `ratio ${limit}` : `${limit} ${unit}`
}

function verdict(
  { atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY }: Goal,
  value?: Spread,
): string {
  return value !== undefined && value.median >= atLeast && value.median <= atMost ? 'reached' : 'missed'
}

function formatSpread({ median, min, max }: Spread): string {
  return min === max ? formatNumber(median) : `${formatNumber(median)} (${formatNumber(min)}–${formatNumber(max)})`
}

function formatNumber(value: number): string {
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en')
  return value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2)
}
