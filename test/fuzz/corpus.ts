/** Real inputs of the decoders: recorded from a running network (record.ts), and those of the official libraries (vectors/). @module */
import { existsSync, readFileSync } from 'node:fs'
import { fromHex, utf8 } from '../../src/foundation/base/bytes.ts'

export interface Corpus {
  readonly provenance: string
  /** By decoder: what it was called with, bytes in hexadecimal, texts as they are. */
  readonly bytes: Readonly<Record<string, readonly string[]>>
  readonly texts: Readonly<Record<string, readonly string[]>>
}

export const CORPUS_FILE: URL = new URL('./corpus/recorded.json', import.meta.url)

const recorded: Corpus = existsSync(CORPUS_FILE)
  ? JSON.parse(readFileSync(CORPUS_FILE, 'utf8'))
  : { provenance: '', bytes: {}, texts: {} }

export function recordedSeeds(decoder: string): readonly Uint8Array[] {
  return [...(recorded.bytes[decoder] ?? []).map((hex) => fromHex(hex)), ...(recorded.texts[decoder] ?? []).map(utf8)]
}

const vectorsOf = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), 'utf8'))

/** Every string named `field` anywhere in a vectors file, or below `path` in it. */
export function vectorTexts(file: string, field: string, ...path: readonly string[]): readonly string[] {
  let value = vectorsOf(file)
  for (const name of path) value = (value as Record<string, unknown>)[name]
  const found: string[] = []
  const look = (inside: unknown): void => {
    if (typeof inside !== 'object' || inside === null) return
    for (const [key, item] of Object.entries(inside)) {
      if (key === field && typeof item === 'string') found.push(item)
      else look(item)
    }
  }
  look(value)
  if (found.length === 0) throw new Error(`vectors/${file}.json has no ${field} at ${path.join('.')}`)
  return found
}

/** Long values are abbreviated in places; those are left out. */
export const vectorBytes = (file: string, field: string, ...path: readonly string[]): readonly Uint8Array[] =>
  vectorTexts(file, field, ...path)
    .filter((text) => /^(?:[0-9a-f]{2})*$/.test(text))
    .map((hex) => fromHex(hex))
