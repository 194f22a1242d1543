/**
 * Which addresses an exit may reach: the globally routable ones, by the rules of official exits (docs/spec/exit.md), which
 * count multicast as global. They keep clients out of the operator's own network. @module
 */
import { MixnetError } from '../../../foundation/base/errors.ts'
import { parseIp } from '../../../foundation/base/ipAddress.ts'
import { hasPrefix } from './ipPrefix.ts'

interface Prefix {
  readonly network: Uint8Array
  readonly bits: number
}

export const NOT_GLOBAL: readonly string[] = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '198.18.0.0/15',
  '240.0.0.0/4',
  '::/128',
  '::1/128',
  '::ffff:0:0/96',
  '64:ff9b:1::/48',
  '100::/64',
  '2001::/23',
  '2002::/16',
  '2001:db8::/32',
  'fc00::/7',
  'fe80::/10',
]

/** Global islands inside the prefixes above. */
export const STILL_GLOBAL: readonly string[] = [
  '192.0.0.9/32',
  '192.0.0.10/32',
  '2001:1::1/128',
  '2001:1::2/128',
  '2001:3::/32',
  '2001:4:112::/48',
  '2001:20::/28',
  '2001:30::/28',
]

const CLOSED = prefixes(NOT_GLOBAL)
const ISLANDS = prefixes(STILL_GLOBAL)

/** Takes 4 or 16 bytes. An IPv4-mapped IPv6 address is not global, whatever it maps. */
export function isGlobalAddress(address: Uint8Array): boolean {
  const inside = ({ network, bits }: Prefix): boolean => hasPrefix(address, network, bits)
  return !CLOSED.some(inside) || ISLANDS.some(inside)
}

function prefixes(texts: readonly string[]): Prefix[] {
  return texts.map((text) => {
    const [ip = '', bits] = text.split('/')
    const network = parseIp(ip)
    if (network === undefined) throw new MixnetError('INTERNAL', { prefix: text })
    return { network, bits: Number(bits) }
  })
}
