/** A log line for people: `12:00:07 knot      node.ready   roles mix`. Scripts ask for --json and get the line as it is. @module */
import { printable } from './printable.ts'

const LEVELS: Readonly<Record<number, string>> = { 40: '⚠ ', 50: '✗ ' }
const WARN = 40
const NAME_WIDTH = 10
const NOT_SHOWN = new Set(['level', 'time', 'name', 'room', 'event'])

/** `line` is one JSON object, as the logger writes it. */
export function logText(line: string, colour: boolean): string {
  let fields: Record<string, unknown>
  try {
    fields = JSON.parse(line)
  } catch {
    return printable(line)
  }
  const { level, time, name, room, event } = fields
  const clock = String(time).slice(11, 19)
  const what = `${LEVELS[Number(level)] ?? ''}${room === undefined ? '' : `${room}: `}${event}`
  const rest = Object.entries(fields)
    .filter(([key, value]) => !NOT_SHOWN.has(key) && value !== undefined && value !== null)
    .map(([key, value]) => `${words(key)} ${typeof value === 'number' ? value.toLocaleString('en') : value}`)
  const text = printable(`${clock} ${String(name).padEnd(NAME_WIDTH)} ${[what, ...rest].join('   ')}`)
  return `${colour && Number(level) >= WARN ? `\u001b[31m${text}\u001b[0m` : text}\n`
}

/** packetsPerMinute → packets per minute */
const words = (key: string): string => key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
