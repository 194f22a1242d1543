/** Host names as programs give them to the proxy, whatever protocol they speak with it, and to `open`. @module */
import { MixnetError } from '../foundation/base/errors.ts'
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

/** Throws BAD_ARGUMENT: an exit would refuse it too, and then it looks like the exit's policy. `name` is what the caller calls the host. */
export function expectDestination({ host, port }: { host?: unknown; port?: unknown } = {}, name = 'host'): void {
  const refused = (argument: string, nextStep: string) => new MixnetError('BAD_ARGUMENT', { argument }, { nextStep })
  // Of URLs, with their brackets, as well.
  if (typeof host !== 'string' || destinationHost(host.replace(/^\[(.*)\]$/, '$1')) === undefined)
    throw refused(name, 'Give a host name or an address, such as example.org, without http:// and without a port.')
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535)
    throw refused('port', 'Give a number from 1 to 65535.')
}
