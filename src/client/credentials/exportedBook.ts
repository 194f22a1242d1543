/**
 * Tickets on their way to another device: text that can be pasted or kept in a file, under a passphrase.
 *
 *     0   9   STARLING1 (ASCII)
 *     9   16  salt
 *     25  12  nonce
 *     37      AES-256-GCM under PBKDF2(passphrase, salt), the first 25 bytes as associated data:
 *                 bundle id 16 | tickets, a bit each, u64 | the book in the official form (officialBundle.ts)
 *
 * The text is that in base64. Whoever has it and the passphrase has the tickets, and whoever guesses at it pays 600,000 rounds of SHA-256 a try.
 *
 * Or the official form alone, for official clients: not under a passphrase, and only of tickets that are the last of their book, for
 * it counts from the front.
 * @module
 */
import { fromBase64, toBase64 } from '../../foundation/base/base58.ts'
import { concat, equalBytes, utf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError, malformed, tryDecode } from '../../foundation/base/errors.ts'
import { Reader } from '../../foundation/base/reader.ts'
import { Writer } from '../../foundation/base/writer.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import type { RandomStream } from '../../foundation/platform/random.ts'
import { TICKETS_PER_BOOK } from '../../protocol/credentials/constants.ts'
import { ALL_TICKETS, BUNDLE_ID_BYTES, setOf, ticketsOf } from './bookRecord.ts'
import { decodeOfficialBundle, encodeOfficialBundle } from './officialBundle.ts'
import type { MovedTickets } from './ticketStore.ts'

export interface ImportedBundle {
  /** 16 bytes, of this export and no other. */
  readonly id: Uint8Array
  readonly moved: MovedTickets
}

const MAGIC = utf8('STARLING1')
const SALT_BYTES = 16
const NONCE_BYTES = 12
const HEAD_BYTES = MAGIC.length + SALT_BYTES
/** OWASP's figure for PBKDF2 with SHA-256, 2023. */
const ITERATIONS = 600_000
/** A bundle is some 9,000. */
const MAX_CHARACTERS = 65_536
const WHAT = 'exported tickets'

type Key = Awaited<ReturnType<typeof crypto.subtle.importKey>>

export async function sealBundle(random: RandomStream, passphrase: string, moved: MovedTickets): Promise<string> {
  if (passphrase === '') throw new MixnetError('BAD_ARGUMENT', { argument: 'passphrase', why: 'empty' })
  const head = concat(MAGIC, random.bytes(SALT_BYTES))
  const nonce = random.bytes(NONCE_BYTES)
  const key = await deriveKey(passphrase, head.subarray(MAGIC.length))
  const plain = new Writer()
    .bytes(random.bytes(BUNDLE_ID_BYTES))
    .u64(moved.tickets)
    .bytes(encodeOfficialBundle({ ...moved, spent: ticketsOf(moved.tickets)[0] ?? TICKETS_PER_BOOK }))
    .finish()
  const sealed = await crypto.subtle.encrypt(parametersOf(nonce, head), key, plain.slice())
  return toBase64(concat(head, nonce, new Uint8Array(sealed)))
}

/** Throws BAD_ARGUMENT for another passphrase or an altered bundle, MALFORMED for what is no bundle. */
export async function openBundle(text: string, passphrase: string): Promise<ImportedBundle> {
  const bytes = read(text)
  const reader = new Reader(bytes, WHAT)
  if (!equalBytes(reader.bytes(MAGIC.length, 'magic'), MAGIC)) reader.refuse('magic', 'not an export of ours')
  const salt = reader.bytes(SALT_BYTES, 'salt')
  const nonce = reader.bytes(NONCE_BYTES, 'nonce')
  const sealed = reader.rest()
  const key = await deriveKey(passphrase, salt)
  let plain: Uint8Array
  try {
    const head = bytes.subarray(0, HEAD_BYTES)
    plain = new Uint8Array(await crypto.subtle.decrypt(parametersOf(nonce, head), key, sealed.slice()))
  } catch (cause) {
    const nextStep = 'Give the passphrase that the tickets were exported with, and the whole text.'
    const why = 'does not open the export'
    throw new MixnetError('BAD_ARGUMENT', { argument: 'passphrase', why }, { nextStep, cause })
  }
  return decodePlain(plain)
}

/** What is inside of the seal. Throws MALFORMED. */
export function decodePlain(plain: Uint8Array): ImportedBundle {
  const reader = new Reader(plain, WHAT)
  const id = reader.bytes(BUNDLE_ID_BYTES, 'bundle id').slice()
  const tickets = reader.u64('tickets')
  if (tickets === 0n || tickets > ALL_TICKETS) reader.refuse('tickets', 'none, or beyond the last')
  const { spent: _, ...book } = decodeOfficialBundle(reader.rest().slice())
  return { id, moved: { ...book, tickets } }
}

/** Throws BAD_ARGUMENT where the tickets are not the last of their book. */
export function officialForm(moved: MovedTickets): Uint8Array {
  const indices = ticketsOf(moved.tickets)
  const spent = TICKETS_PER_BOOK - indices.length
  if (indices[0] === spent) return encodeOfficialBundle({ ...moved, spent })
  const why = 'official clients count from the front: only the last tickets of a book can go to them'
  throw new MixnetError('BAD_ARGUMENT', { argument: 'official', why }, { nextStep: 'Use exportBook instead.' })
}

/** Throws MALFORMED. The same export has the same id, so it is taken in once only, even where it came back lawfully. */
export function openOfficialForm(provider: CryptoProvider, bytes: Uint8Array): ImportedBundle {
  const { spent, ...book } = decodeOfficialBundle(bytes)
  const tickets = ALL_TICKETS & ~setOf(Array.from({ length: spent }, (_, i) => i))
  if (tickets === 0n) throw malformed(WHAT, 'all of it is spent')
  return { id: provider.sha256(bytes).slice(0, BUNDLE_ID_BYTES), moved: { ...book, tickets } }
}

function read(text: string): Uint8Array {
  if (typeof text !== 'string' || text.length > MAX_CHARACTERS) throw malformed(WHAT, 'too long')
  const bytes = tryDecode(() => fromBase64(text.replace(/\s+/g, ''), WHAT))
  if (isMixnetError(bytes)) throw malformed(WHAT, 'not an export')
  return bytes
}

const parametersOf = (nonce: Uint8Array, head: Uint8Array) => ({
  name: 'AES-GCM',
  iv: nonce.slice(),
  additionalData: head.slice(),
})

async function deriveKey(passphrase: string, salt: Uint8Array): Promise<Key> {
  const { subtle } = crypto
  const secret = await subtle.importKey('raw', utf8(passphrase.normalize('NFKC')).slice(), 'PBKDF2', false, [
    'deriveKey',
  ])
  const parameters = { name: 'PBKDF2', hash: 'SHA-256', salt: salt.slice(), iterations: ITERATIONS }
  return await subtle.deriveKey(parameters, secret, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt'])
}
