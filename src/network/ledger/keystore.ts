/**
 * Key files as wallets write and read them: Web3 Secret Storage, version 3. The key is AES-128-CTR under a key from the password; a
 * Keccak of both tells a wrong password from a right one.
 *
 * The file may be anybody's: what it asks of memory and time is bounded before it is done. @module
 */
import { getAddress, keccak256 } from 'viem/utils'
import { z } from 'zod'
import { concat, equalBytes, fromHex, fromUtf8, toHex, utf8 } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { Secret } from '../../foundation/base/secret.ts'
import type { PasswordHashes, ScryptCost } from '../../foundation/crypto/passwords.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import type { Files } from '../../foundation/platform/files.ts'
import type { Random } from '../../foundation/platform/random.ts'
import type { Address } from './chain.ts'
import { keySigner } from './signers.ts'

export interface KeystoreTools {
  readonly crypto: Pick<CryptoProvider, 'aes128Ctr'>
  readonly passwords: PasswordHashes
}

/** What wallets use: 256 MiB and most of a second. */
const STANDARD_COST: ScryptCost = { n: 2 ** 18, r: 8, p: 1 }
/** Of files that are read: four times the standard. */
const MAX_SCRYPT_BYTES = 1024 * 1024 * 1024
const MAX_SCRYPT_WORK = 2 ** 24
const MAX_ITERATIONS = 10_000_000
const DERIVED_BYTES = 32
const SALT_BYTES = 32
const IV_BYTES = 16
const MAX_FILE_BYTES = 16_384

const count = z.number().int().positive().safe()
const hexBytes = z
  .string()
  .regex(/^(?:0x)?(?:[0-9a-fA-F]{2})*$/)
  .max(1024)
const kdf = z.discriminatedUnion('kdf', [
  z.object({
    kdf: z.literal('scrypt'),
    kdfparams: z.object({ n: count, r: count, p: count, dklen: count, salt: hexBytes }),
  }),
  z.object({
    kdf: z.literal('pbkdf2'),
    kdfparams: z.object({ c: count, prf: z.literal('hmac-sha256'), dklen: count, salt: hexBytes }),
  }),
])
const content = z
  .object({
    cipher: z.literal('aes-128-ctr'),
    ciphertext: hexBytes,
    cipherparams: z.object({ iv: hexBytes }),
    mac: hexBytes,
  })
  .and(kdf)
/** Some programs write `Crypto`. */
const schema = z
  .object({ version: z.literal(3), crypto: content.optional(), Crypto: content.optional() })
  .refine((file) => file.crypto !== undefined || file.Crypto !== undefined)

/** Throws KEY_FILE_UNREADABLE: no such file, another version, or the wrong password (`details.why`). */
export async function openKeystore(tools: KeystoreTools, file: Uint8Array, password: string): Promise<Secret> {
  const parsed = parse(file)
  const { ciphertext, cipherparams, mac } = parsed
  const sealed = bytesOf(ciphertext)
  const iv = bytesOf(cipherparams.iv)
  if (iv.length !== IV_BYTES) throw unreadable('its initial vector is not 16 bytes')
  const derived = await derive(tools.passwords, parsed, utf8(password))
  if (!equalBytes(macOf(derived, sealed), bytesOf(mac))) throw wrongPassword()
  const key = new Secret(tools.crypto.aes128Ctr(derived.subarray(0, 16), iv, sealed))
  if (key.expose().length !== 32) throw unreadable('it holds no key of a ledger')
  return key
}

/** The contents of a file that every wallet can open with the password. `cost`: weaker for tests only. */
export async function sealKeystore(
  tools: KeystoreTools,
  random: Random,
  key: Secret,
  password: string,
  cost: ScryptCost = STANDARD_COST,
): Promise<Uint8Array> {
  const stream = random.stream('keystore')
  const salt = stream.bytes(SALT_BYTES)
  const iv = stream.bytes(IV_BYTES)
  const derived = await tools.passwords.scrypt(utf8(password), salt, cost, DERIVED_BYTES)
  const sealed = tools.crypto.aes128Ctr(derived.subarray(0, 16), iv, key.expose())
  const file = {
    version: 3,
    id: uuid(stream.bytes(16)),
    address: keySigner(key).address.slice(2).toLowerCase(),
    crypto: {
      ciphertext: toHex(sealed),
      cipherparams: { iv: toHex(iv) },
      cipher: 'aes-128-ctr',
      kdf: 'scrypt',
      kdfparams: { dklen: DERIVED_BYTES, salt: toHex(salt), ...cost },
      mac: toHex(macOf(derived, sealed)),
    },
  }
  return utf8(`${JSON.stringify(file)}\n`)
}

/** Whose key it says it is, without the password; undefined where it does not say. */
export function keystoreAddress(file: Uint8Array): Address | undefined {
  try {
    const { address } = JSON.parse(fromUtf8(file, 'key file')) as { address?: unknown }
    return typeof address === 'string' && /^(?:0x)?[0-9a-fA-F]{40}$/.test(address)
      ? getAddress(`0x${address.replace(/^0x/, '').toLowerCase()}`)
      : undefined
  } catch {
    return undefined
  }
}

/** Readable by the owner only. Throws FILE_UNUSABLE where there is one already: keys are never written over. */
export async function writeKeystore(
  files: Pick<Files, 'write' | 'kindOf'>,
  path: string,
  file: Uint8Array,
): Promise<void> {
  if ((await files.kindOf(path)) !== undefined) {
    throw new MixnetError(
      'FILE_UNUSABLE',
      { path },
      { message: 'there is a key file already', nextStep: 'Choose another name.' },
    )
  }
  await files.write(path, file, { secret: true })
}

type Content = z.infer<typeof content>

function parse(file: Uint8Array): Content {
  if (file.length > MAX_FILE_BYTES) throw unreadable('too long')
  let json: unknown
  try {
    json = JSON.parse(fromUtf8(file, 'key file'))
  } catch {
    throw unreadable('not JSON')
  }
  const parsed = schema.safeParse(json)
  if (!parsed.success) throw unreadable('not a Web3 key file of version 3')
  return (parsed.data.crypto ?? parsed.data.Crypto) as Content
}

async function derive(passwords: PasswordHashes, file: Content, password: Uint8Array): Promise<Uint8Array> {
  if (file.kdfparams.dklen < DERIVED_BYTES || file.kdfparams.dklen > 4 * DERIVED_BYTES)
    throw unreadable('its derived key is too short')
  const salt = bytesOf(file.kdfparams.salt)
  if (file.kdf === 'pbkdf2') {
    const { c, dklen } = file.kdfparams
    if (c > MAX_ITERATIONS) throw unreadable('it asks for too many iterations')
    return passwords.pbkdf2(password, salt, c, dklen)
  }
  const { n, r, p, dklen } = file.kdfparams
  if (n < 2 || !Number.isInteger(Math.log2(n)) || 128 * n * r > MAX_SCRYPT_BYTES || n * r * p > MAX_SCRYPT_WORK) {
    throw unreadable('it asks for too much memory or time')
  }
  return passwords.scrypt(password, salt, { n, r, p }, dklen)
}

const macOf = (derived: Uint8Array, sealed: Uint8Array): Uint8Array =>
  keccak256(concat(derived.subarray(16, 32), sealed), 'bytes')

const bytesOf = (text: string): Uint8Array => fromHex(text.replace(/^0x/, '').toLowerCase(), 'key file')

const unreadable = (why: string): MixnetError => new MixnetError('KEY_FILE_UNREADABLE', { why })

/** The file is as it should be: whoever mistyped must not be told to put it away, with what its account owns. */
const wrongPassword = (): MixnetError =>
  new MixnetError(
    'KEY_FILE_UNREADABLE',
    { why: 'wrong password' },
    { nextStep: 'Try again, or another password: the file itself is in order.' },
  )

/** Version 4 of RFC 9562. */
function uuid(bytes: Uint8Array): string {
  const hex = toHex(
    Uint8Array.from(bytes, (byte, i) => (i === 6 ? (byte & 0x0f) | 0x40 : i === 8 ? (byte & 0x3f) | 0x80 : byte)),
  )
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
