/**
 * Names for programs that know nothing of the mixnet. A name becomes an address that stands for it, of a range that is nobody's (198.18.0.0/15,
 * RFC 2544); a connection to that address is one to the name, which the exit looks up. So no name server is asked, by anybody, before there is
 * a connection, and none has to be chosen. Whoever names a server gets real addresses instead: this file is then not used. @module
 */
import { isMixnetError, tryDecode } from '../../foundation/base/errors.ts'
import { Reader } from '../../foundation/base/reader.ts'
import { Writer } from '../../foundation/base/writer.ts'

/** 198.18.0.0/15, without its first and last. */
const [BASE, SIZE] = [(198 << 24) | (18 << 16), 1 << 17]
/** What a program remembers of one is soon over; a name keeps its address here for as long as others leave room. */
const LIFETIME_SECONDS = 60
const MAX_NAMES = 65_536
const TYPE = { a: 1, any: 255 } as const
const INTERNET = 1
const [IS_ANSWER, RECURSION] = [0x8000, 0x0180]
const REFUSED = 5
const MAX_NAME = 253
const WHAT = 'DNS question'

/** Whether an address stands for a name, or stood for one. */
export const isStandIn = ([first, second = 0, ...rest]: Uint8Array): boolean =>
  rest.length === 2 && first === 198 && (second & 0xfe) === 18

export class DnsServer {
  readonly #byName = new Map<string, number>()
  readonly #byNumber = new Map<number, string>()
  #last = 0

  /** The name that an address stands for. */
  nameOf(address: string): string | undefined {
    const parts = address.split('.').map(Number)
    if (parts.length !== 4) return undefined
    const value = parts.reduce((sum, part) => sum * 256 + part, 0)
    return this.#byNumber.get(value - (BASE >>> 0))
  }

  /** What to answer: an address for a name of IPv4, no address for other types. undefined: nothing can be said to that. */
  answer(message: Uint8Array): Uint8Array | undefined {
    const question = tryDecode(() => readQuestion(message))
    if (isMixnetError(question)) return undefined
    const { id, name, type, bytes } = question
    const writer = new Writer().u16(id)
    const isAsked = type === TYPE.a || type === TYPE.any
    const number = isAsked ? this.#numberOf(name) : undefined
    const result = isAsked && number === undefined ? REFUSED : 0
    const counts = [1, number === undefined ? 0 : 1, 0, 0]
    writer.u16(IS_ANSWER | RECURSION | result)
    for (const count of counts) writer.u16(count)
    writer.bytes(bytes)
    if (number !== undefined) {
      // A pointer to the name in the question.
      writer.u16(0xc00c).u16(TYPE.a).u16(INTERNET).u32(LIFETIME_SECONDS).u16(4)
      writer.u32((BASE >>> 0) + number)
    }
    return writer.finish()
  }

  #numberOf(name: string): number | undefined {
    const known = this.#byName.get(name)
    if (known !== undefined) {
      // Used last, goes last.
      this.#byName.delete(name)
      this.#byName.set(name, known)
      return known
    }
    if (this.#byName.size >= MAX_NAMES) {
      const [oldest] = this.#byName
      if (oldest !== undefined) {
        this.#byName.delete(oldest[0])
        this.#byNumber.delete(oldest[1])
      }
    }
    do this.#last = (this.#last % (SIZE - 2)) + 1
    while (this.#byNumber.has(this.#last))
    this.#byName.set(name, this.#last)
    this.#byNumber.set(this.#last, name)
    return this.#last
  }
}

interface Question {
  readonly id: number
  readonly name: string
  readonly type: number
  /** As it stood, for the answer. */
  readonly bytes: Uint8Array
}

/** Throws MALFORMED. */
function readQuestion(message: Uint8Array): Question {
  const reader = new Reader(message, WHAT)
  const id = reader.u16('id')
  const flags = reader.u16('flags')
  const questions = reader.u16('questions')
  reader.bytes(6, 'other counts')
  // Other operations than a query, and several questions, no resolver sends.
  if ((flags & 0xf800) !== 0 || questions !== 1) reader.refuse('flags', 'no plain question')
  const start = reader.offset
  const labels: string[] = []
  let characters = 0
  for (;;) {
    const length = reader.u8('label length')
    if (length === 0) break
    if (length > 63) reader.refuse('label length', 'a pointer in a question')
    const label = String.fromCharCode(...reader.bytes(length, 'label'))
    if (!/^[a-z0-9_-]+$/i.test(label)) reader.refuse('label', 'no host name')
    characters += length + 1
    if (characters > MAX_NAME) reader.refuse('name', 'too long')
    labels.push(label.toLowerCase())
  }
  if (labels.length === 0) reader.refuse('name', 'empty')
  const type = reader.u16('type')
  if (reader.u16('class') !== INTERNET) reader.refuse('class', 'not the internet')
  return { id, name: labels.join('.'), type, bytes: message.slice(start, reader.offset) }
}
