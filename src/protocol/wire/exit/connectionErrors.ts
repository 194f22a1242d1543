/**
 * The texts of a connection error. Official requesters know one, whatever the reason; ours adds a suffix where the name does
 * not exist, so that clients who know it can say so. Format: docs/spec/exit.md. @module
 */

export type ConnectionErrorKind = 'refused-by-policy' | 'unknown-host' | 'other'

const FILTER_CHECK = 'failed filter check'
const UNKNOWN_HOST = ': unknown host'

/** `remote` as it came in the connect request; printed in quotes with escapes, as the official requester does. */
export function connectionErrorText(kind: 'refused-by-policy' | 'unknown-host', remote: string): string {
  return `Domain ${JSON.stringify(remote)} ${FILTER_CHECK}${kind === 'unknown-host' ? UNKNOWN_HOST : ''}`
}

export function classifyConnectionError(text: string): ConnectionErrorKind {
  if (!text.includes(FILTER_CHECK)) return 'other'
  return text.endsWith(UNKNOWN_HOST) ? 'unknown-host' : 'refused-by-policy'
}
