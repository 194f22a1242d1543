/** PEM around binary keys, as the official programs write them: one block, its type says what is inside. @module */
import { fromBase64, toBase64 } from './base58.ts'
import { fromUtf8Lossy, utf8 } from './bytes.ts'
import { malformed } from './errors.ts'

const LINE_CHARACTERS = 64
const PEM = /^\s*-----BEGIN ([A-Z0-9 -]+)-----\s([A-Za-z0-9+/=\s]*)-----END \1-----\s*$/

export function encodePem(type: string, contents: Uint8Array): Uint8Array {
  const lines = toBase64(contents).match(new RegExp(`.{1,${LINE_CHARACTERS}}`, 'g')) ?? []
  return utf8(`-----BEGIN ${type}-----\n${lines.join('\n')}\n-----END ${type}-----\n`)
}

/** Throws MALFORMED for anything but one block of that type. The message never holds the contents. */
export function decodePem(type: string, file: Uint8Array): Uint8Array {
  const match = PEM.exec(fromUtf8Lossy(file))
  if (match === null || match[1] !== type) throw malformed('key file', `not a PEM block of type ${type}`)
  return fromBase64((match[2] as string).replace(/\s/g, ''), 'key file')
}
