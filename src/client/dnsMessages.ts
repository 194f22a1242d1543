/**
 * DNS over TCP, as much as asking for addresses takes: RFC 1035 sections 4.1 and 4.2.2, AAAA of RFC 3596. What comes back is a
 * stranger's: names are followed backwards only, so that pointers cannot lead in circles, and nothing is believed that does not answer the
 * question that was asked. Pure. @module
 */
import { concat, fromUtf8Lossy, utf8 } from '../foundation/base/bytes.ts'
import { MixnetError, malformed } from '../foundation/base/errors.ts'
import { formatIp } from '../foundation/base/ipAddress.ts'
import { Reader } from '../foundation/base/reader.ts'
import { Writer } from '../foundation/base/writer.ts'

export type AddressType = 'A' | 'AAAA'

export interface DnsQuestion {
  /** 16 random bits. */
  readonly id: number
  readonly name: string
  readonly type: AddressType
}

/** `name` of an alias: what it stands for. */
type DnsRecord =
  | { readonly owner: string; readonly address: string }
  | { readonly owner: string; readonly alias: string }

const TYPES: Readonly<Record<AddressType, { readonly code: number; readonly bytes: number }>> = {
  A: { code: 1, bytes: 4 },
  AAAA: { code: 28, bytes: 16 },
}
const CNAME = 5
const INTERNET = 1
const RECURSION_DESIRED = 0x0100
const [IS_ANSWER, IS_CUT, RESULT] = [0x8000, 0x0200, 0x000f]
const NO_SUCH_NAME = 3
const [MAX_NAME, MAX_LABEL] = [253, 63]
const POINTER = 0xc0
/** In one name. Go's resolver follows ten. Each leading to another only, eight thousand of them in every name are seconds of our time. */
const MAX_POINTERS = 32
/** A site with more addresses than this in one answer has enough of them here. */
const MAX_RECORDS = 256
const WHAT = 'DNS answer'
const LEAST_BYTES = 12

/** With its length in front. Throws BAD_ARGUMENT for what is no host name. */
export function encodeDnsQuery({ id, name, type }: DnsQuestion): Uint8Array {
  // What is no host name gets an answer that makes no sense, and then the server is blamed.
  const isHostName = typeof name === 'string' && /^[\p{L}\p{M}\p{N}._-]*$/u.test(name)
  const labels = !isHostName ? [] : normal(name).split('.').map(utf8)
  if (!isHostName || name.length > MAX_NAME || labels.some(({ length }) => length === 0 || length > MAX_LABEL)) {
    throw new MixnetError('BAD_ARGUMENT', { argument: 'name' }, { nextStep: 'Give a host name, such as example.org.' })
  }
  const question = concat(...labels.flatMap((label) => [Uint8Array.of(label.length), label]), Uint8Array.of(0))
  const bytes = 12 + question.length + 4
  const writer = new Writer(2 + bytes).u16(bytes)
  for (const field of [id, RECURSION_DESIRED, 1, 0, 0, 0]) writer.u16(field)
  return writer.bytes(question).u16(TYPES[type].code).u16(INTERNET).finish()
}

/**
 * The addresses, aliases followed; none where the name has none of that type. `bytes` is one whole message, without its length. Throws
 * MALFORMED, HOST_UNKNOWN, and DESTINATION_UNREACHABLE where the server does not want to answer.
 */
export function decodeDnsAnswer(bytes: Uint8Array, { id, name, type }: DnsQuestion): readonly string[] {
  const reader = new Reader(bytes, WHAT)
  if (reader.u16('id') !== id) throw malformed(WHAT, 'id: of another question')
  const flags = reader.u16('flags')
  if ((flags & IS_ANSWER) === 0) throw malformed(WHAT, 'flags: a question')
  const [questions, answers] = [reader.u16('questions'), reader.u16('answers')]
  reader.bytes(4, 'other counts')
  const asked = normal(name)
  if (questions !== 1 || readName(reader, bytes) !== asked) throw malformed(WHAT, 'question: another name')
  if (reader.u16('question type') !== TYPES[type].code || reader.u16('question class') !== INTERNET)
    throw malformed(WHAT, 'question: of another type')
  const result = flags & RESULT
  if (result === NO_SUCH_NAME) throw new MixnetError('HOST_UNKNOWN')
  if (result !== 0) {
    const nextStep = 'Try again, or ask another DNS server.'
    throw new MixnetError(
      'DESTINATION_UNREACHABLE',
      { dnsResult: result },
      { message: 'the DNS server refused', nextStep },
    )
  }
  // Over TCP there is no reason for it.
  if ((flags & IS_CUT) !== 0) throw malformed(WHAT, 'flags: cut short')
  if (answers > MAX_RECORDS) throw malformed(WHAT, `more than ${MAX_RECORDS} records`)
  const records = Array.from({ length: answers }, () => readRecord(reader, bytes, type)).filter(
    (one) => one !== undefined,
  )
  return addressesOf(asked, records)
}

/** Whether an answer by datagram says that it did not fit: then it is asked for over TCP. Takes anything. */
export const isCutShort = (message: Uint8Array): boolean =>
  message.length >= LEAST_BYTES && ((((message[2] as number) << 8) | (message[3] as number)) & IS_CUT) !== 0

/** Of the name itself, or of what it is an alias of. In whatever order they stand. */
function addressesOf(asked: string, records: readonly DnsRecord[]): readonly string[] {
  const seen = new Set<string>()
  for (let name: string | undefined = asked; name !== undefined && !seen.has(name); ) {
    seen.add(name)
    const own = records.filter(({ owner }) => owner === name)
    const addresses = own.flatMap((one) => ('address' in one ? [one.address] : []))
    if (addresses.length > 0) return addresses
    name = own.flatMap((one) => ('alias' in one ? [one.alias] : []))[0]
  }
  return []
}

function readRecord(reader: Reader, message: Uint8Array, type: AddressType): DnsRecord | undefined {
  const owner = readName(reader, message)
  const [code, recordClass] = [reader.u16('record type'), reader.u16('record class')]
  reader.u32('time to live')
  const length = reader.u16('record length')
  const start = reader.offset
  const data = reader.bytes(length, 'record')
  if (recordClass !== INTERNET) return undefined
  if (code === CNAME) {
    const end = new Reader(message.subarray(0, start + length), WHAT)
    end.bytes(start, 'record')
    return { owner, alias: readName(end, message) }
  }
  if (code !== TYPES[type].code) return undefined
  if (length !== TYPES[type].bytes) throw malformed(WHAT, 'record length: not that of an address')
  return { owner, address: formatIp(data) }
}

/** In lower case, without the last dot. Each pointer leads to before where it stands, or before the one that led there. */
function readName(reader: Reader, message: Uint8Array): string {
  const labels: string[] = []
  let characters = 0
  let pointers = 0
  let at = reader
  for (let earliest = reader.offset; ; ) {
    const length = at.u8('label length')
    if (length === 0) return labels.join('.')
    if ((length & POINTER) === POINTER) {
      const target = ((length & ~POINTER) << 8) | at.u8('pointer')
      if (target >= earliest) throw malformed(WHAT, 'pointer: not backwards')
      if (++pointers > MAX_POINTERS) throw malformed(WHAT, 'pointer: too many in one name')
      earliest = target
      at = new Reader(message, WHAT)
      at.bytes(target, 'pointer')
      continue
    }
    if (length > MAX_LABEL) throw malformed(WHAT, 'label length: of no known kind')
    characters += length + 1
    if (characters > MAX_NAME + 1) throw malformed(WHAT, 'name: too long')
    labels.push(fromUtf8Lossy(at.bytes(length, 'label')).toLowerCase())
  }
}

const normal = (name: string): string => name.toLowerCase().replace(/\.$/, '')
