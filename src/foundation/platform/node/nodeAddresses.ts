/** The addresses of this machine. @module */
import { networkInterfaces } from 'node:os'
import { canonicalIpText } from '../../base/ipAddress.ts'

/** Interfaces come and go, and exits ask at every packet. */
const KEPT_MS = 10_000

let kept: ReadonlySet<string> = new Set()
let since = Number.NEGATIVE_INFINITY

/** Those of all its interfaces, as canonical text. */
export function nodeAddresses(): ReadonlySet<string> {
  const now = performance.now()
  if (now - since < KEPT_MS) return kept
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  kept = new Set(all.map(({ address }) => canonicalIpText(address)))
  since = now
  return kept
}
