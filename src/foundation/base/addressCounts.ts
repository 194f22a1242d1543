/** How many of something each address has. Who has one IPv6 address has its whole /64, so that is counted as one. @module */
import { canonicalIp, formatIp, IPV6_BYTES, parseIp } from './ipAddress.ts'

/** An IPv4 address, or the /64 of an IPv6 address. What is no IP stays as it is. */
export function addressBlock(host: string): string {
  const bytes = parseIp(host)
  if (bytes === undefined) return host
  const ip = canonicalIp(bytes)
  return ip.length === IPV6_BYTES ? `${formatIp(Uint8Array.from(ip).fill(0, 8))}/64` : formatIp(ip)
}

/** By block. One that has nothing leaves nothing behind. */
export class AddressCounts {
  readonly #counts = new Map<string, number>()

  of(block: string): number {
    return this.#counts.get(block) ?? 0
  }

  add(block: string): void {
    this.#counts.set(block, this.of(block) + 1)
  }

  remove(block: string): void {
    const left = this.of(block) - 1
    if (left > 0) this.#counts.set(block, left)
    else this.#counts.delete(block)
  }
}
