/** The keys of an epoch on the disk of one issuer: `keys-<epoch>.json`, 0600. Format: docs/spec/dkg.md. @module */
import { fromBase58, toBase58 } from '../../../foundation/base/base58.ts'
import { expectLength, fromHex, fromUtf8, toHex, utf8 } from '../../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError, malformed, tryDecode } from '../../../foundation/base/errors.ts'
import { Secret } from '../../../foundation/base/secret.ts'
import type { Files } from '../../../foundation/platform/files.ts'
import { type Json, parseJson } from '../../../protocol/wire/directory/json.ts'
import type { AgreedKeys, AgreedMember } from '../agreedKeys.ts'
import { MAX_DKG_MEMBERS } from './dkgSession.ts'

const MAX_U32 = 0xffff_ffff
const IDENTITY_BYTES = 32
const KEY_BYTES = 680
const SECRET_KEY_BYTES = 168
const MAX_CHARACTERS = 1 << 20

const pathOf = (folder: string, epochId: number): string => `${folder}/keys-${epochId}.json`

export function storeAgreedKeys(files: Pick<Files, 'write'>, folder: string, keys: AgreedKeys): Promise<void> {
  const document = {
    epoch_id: keys.epochId,
    threshold: keys.threshold,
    master_key: toBase58(keys.masterKey),
    members: keys.members.map(({ index, identity, url, key }) => ({
      index,
      identity: toBase58(identity),
      url,
      key: toBase58(key),
    })),
    own: { index: keys.own.index, secret_key: toHex(keys.own.secretKey.expose()) },
  }
  return files.write(pathOf(folder, keys.epochId), utf8(`${JSON.stringify(document, undefined, 2)}\n`), {
    secret: true,
  })
}

/** undefined where there are none of that epoch. Throws KEY_FILE_UNREADABLE. */
export async function loadAgreedKeys(
  files: Pick<Files, 'read'>,
  folder: string,
  epochId: number,
): Promise<AgreedKeys | undefined> {
  const path = pathOf(folder, epochId)
  const contents = await files.read(path)
  if (contents === undefined) return undefined
  const keys = tryDecode(() => readAgreedKeys(parseJson(fromUtf8(contents, 'keys'), 'keys', MAX_CHARACTERS)))
  if (isMixnetError(keys)) throw new MixnetError('KEY_FILE_UNREADABLE', { file: path }, { cause: keys })
  return keys
}

/** MALFORMED. */
export function readAgreedKeys(json: Json): AgreedKeys {
  const own = json.field('own')
  const members = json.field('members').array(
    MAX_DKG_MEMBERS,
    (one): AgreedMember => ({
      index: one.field('index').integer({ min: 1, max: MAX_U32 }),
      identity: base58Field(one, 'identity', IDENTITY_BYTES),
      url: one.field('url').string(),
      key: base58Field(one, 'key', KEY_BYTES),
    }),
  )
  const index = own.field('index').integer({ min: 1, max: MAX_U32 })
  if (!members.some((one) => one.index === index)) throw malformed('keys', 'own: not among the members')
  return {
    epochId: json.field('epoch_id').integer({ min: 0, max: MAX_U32 }),
    threshold: json.field('threshold').integer({ min: 1, max: members.length }),
    masterKey: base58Field(json, 'master_key', KEY_BYTES),
    members,
    own: {
      index,
      secretKey: new Secret(
        expectLength(fromHex(own.field('secret_key').string(), 'secret_key'), SECRET_KEY_BYTES, 'secret_key'),
      ),
    },
  }
}

const base58Field = (json: Json, name: string, length: number): Uint8Array =>
  expectLength(fromBase58(json.field(name).string(), name), length, name)
