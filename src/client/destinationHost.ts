/** Host names as programs give them to the proxy, whatever protocol they speak with it. @module */
import { formatIp, parseIp } from '../foundation/base/ipAddress.ts'

// Host names and what people use as such; nothing that could mean something else in a log, a URL or a header.
const HOST_NAME = /^[\p{L}\p{M}\p{N}._-]+$/u
/** As in SOCKS5, where a byte counts them. */
const MAX_CHARACTERS = 255

/** A name, or the address it spells in its one spelling; undefined for what cannot be either. */
export function destinationHost(text: string): string | undefined {
  const ip = parseIp(text)
  if (ip !== undefined) return formatIp(ip)
  return text.length <= MAX_CHARACTERS && HOST_NAME.test(text) ? text : undefined
}
