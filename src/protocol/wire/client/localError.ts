/**
 * Why the local API refuses a message: a kind, as a number in binary and as a sentence in text, and words of our own behind it. The
 * sentences are the official client's: programs search them. Format: docs/spec/local-api.md, "Errors". @module
 */

const KINDS = {
  emptyRequest: { code: 0x01, text: 'received request contained no data' },
  tooShortRequest: { code: 0x02, text: 'received request did not contain enough data' },
  unknownRequest: { code: 0x03, text: 'unknown request type' },
  malformedRequest: { code: 0x04, text: 'malformed request' },
  emptyResponse: { code: 0x80, text: 'received response contained no data' },
  tooShortResponse: { code: 0x81, text: 'received response did not contain enough data' },
  unknownResponse: { code: 0x82, text: 'unknown response type' },
  malformedResponse: { code: 0x83, text: 'malformed response' },
  other: { code: 0xff, text: 'other' },
} as const

export type LocalErrorKind = keyof typeof KINDS

/** A value, not an exception: a program's mistake is answered, and the connection goes on. */
export interface LocalError {
  readonly type: 'error'
  readonly kind: LocalErrorKind
  readonly message: string
}

export const localError = (kind: LocalErrorKind, message: string): LocalError => ({ type: 'error', kind, message })

export const localErrorCode = (kind: LocalErrorKind): number => KINDS[kind].code

export function localErrorKind(code: number): LocalErrorKind | undefined {
  for (const [kind, known] of Object.entries(KINDS)) if (known.code === code) return kind as LocalErrorKind
  return undefined
}

/** As the text form has it: the kind is only in the words. */
export const localErrorText = ({ kind, message }: LocalError): string => `${KINDS[kind].text}:${message}`

/** The twin of `localErrorText`: words that begin otherwise are of kind `other`. */
export function parseLocalErrorText(text: string): LocalError {
  for (const [kind, { text: words }] of Object.entries(KINDS)) {
    if (text.startsWith(`${words}:`)) return localError(kind as LocalErrorKind, text.slice(words.length + 1))
  }
  return localError('other', text)
}
