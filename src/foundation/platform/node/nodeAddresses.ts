/** The addresses of this machine. @module */
import { networkInterfaces } from 'node:os'
import { canonicalIpText } from '../../base/ipAddress.ts'

/** Those of all its interfaces now, as canonical text. */
export function nodeAddresses(): ReadonlySet<string> {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  return new Set(all.map(({ address }) => canonicalIpText(address)))
}
