/**
 * What a person sees: short lines, aligned, colour only on a terminal; or, with --json, one object a line for scripts. @module
 */
import { isMixnetError } from '../../foundation/base/errors.ts'
import { printable } from './printable.ts'

export interface ScreenOptions {
  readonly json: boolean
  /** Stack traces and causes. */
  readonly verbose: boolean
  readonly write: (text: string) => void
  readonly writeProblem: (text: string) => void
  readonly colour: boolean
  /** Somebody looks at it: a line may be written over. */
  readonly live: boolean
}

export interface JsonEvent {
  readonly event: string
  readonly [key: string]: unknown
}

const LABEL_WIDTH = 12
const TEXT_WIDTH = 72
const INDENT = '  '
/** Characters of a line. */
export const MAX_WIDTH = 98

const CODES = { dim: '2', bold: '1', red: '31', green: '32' } as const

export class Screen {
  readonly #options: ScreenOptions
  #progress = false

  constructor(options: ScreenOptions) {
    this.#options = options
  }

  /** How far something is that takes long; gone with the next line. */
  progress(label: string, text: string): void {
    const { json, live, write } = this.#options
    if (json || !live) return
    this.#progress = true
    write(`\r\u001b[K${INDENT}${label.padEnd(LABEL_WIDTH)}${text}`)
  }

  /** A line for people; scripts get `event` instead, if there is one. */
  line(text: string, event?: JsonEvent): void {
    this.#endProgress()
    if (!this.#options.json) this.#options.write(`${text}\n`)
    else if (event !== undefined) this.#options.write(`${JSON.stringify(event)}\n`)
  }

  /** For scripts alone: people see nothing of it, not an empty line either. */
  event(event: JsonEvent): void {
    if (this.#options.json) this.line('', event)
  }

  /** A step that is done: what, how, and how long it took. */
  step(label: string, text: string, tookMs?: number, event?: JsonEvent): void {
    const took = tookMs === undefined ? '' : this.dim(`${(tookMs / 1000).toFixed(1)} s`.padStart(8))
    const shown = printable(text)
    const line = `${INDENT}${label.padEnd(LABEL_WIDTH)}${took === '' ? shown : shown.padEnd(TEXT_WIDTH)}${took}`
    this.line(line, event && { ...event, ...(tookMs === undefined ? {} : { tookMs: Math.round(tookMs) }) })
  }

  /** What went wrong, whose fault it is, and what to do. */
  problem(label: string, error: unknown): void {
    const { json, verbose, writeProblem } = this.#options
    this.#endProgress()
    const known = isMixnetError(error)
    const message = known ? error.message : `unexpected: ${error instanceof Error ? error.message : String(error)}`
    const guilty = known ? error.guilty : 'bug'
    const nextStep = known ? error.nextStep : 'Run again with --verbose and report what it prints.'
    if (json) {
      const code = known ? error.code : 'INTERNAL'
      writeProblem(`${JSON.stringify({ event: 'problem', what: label, code, guilty, message, nextStep })}\n`)
      return
    }
    const margin = `${INDENT}${' '.repeat(LABEL_WIDTH)}`
    const [first, ...more] = [
      ...wrap(`✗ ${printable(message)} (${guilty})`, MAX_WIDTH - margin.length),
      ...wrap(nextStep, MAX_WIDTH - margin.length - 2).map((line) => `  ${line}`),
    ]
    const shown = (first ?? '').replace('✗', this.#paint('red', '✗'))
    writeProblem(`${INDENT}${label.padEnd(LABEL_WIDTH)}${shown}\n${more.map((line) => `${margin}${line}\n`).join('')}`)
    if (verbose) writeProblem(`${printable(describe(error))}\n`)
  }

  dim(text: string): string {
    return this.#paint('dim', text)
  }

  bold(text: string): string {
    return this.#paint('bold', text)
  }

  #endProgress(): void {
    if (this.#progress) this.#options.write('\r\u001b[K')
    this.#progress = false
  }

  #paint(code: keyof typeof CODES, text: string): string {
    return this.#options.colour ? `\u001b[${CODES[code]}m${text}\u001b[0m` : text
  }
}

/** At spaces; a word that is longer than a line gets its own. */
function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `\ncaused by ${describe(error.cause)}`
  return `${error.stack ?? error.message}${cause}`
}
