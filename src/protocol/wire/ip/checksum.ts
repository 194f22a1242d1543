/** The checksum of IP, TCP, UDP and ICMP: RFC 1071. @module */

/** The ones' complement sum of 16-bit words that precede it, not folded; an odd last byte counts as the high half of a word. */
export function addWords(sum: number, bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  let total = sum
  let i = start
  // Below 2^53 for any packet: no carry can be lost before the end.
  for (; i + 1 < end; i += 2) total += ((bytes[i] as number) << 8) | (bytes[i + 1] as number)
  return i < end ? total + ((bytes[i] as number) << 8) : total
}

/** What stands in the header: 0 for a packet whose own checksum was summed too and is right. */
export function foldedChecksum(sum: number): number {
  let folded = sum
  while (folded > 0xffff) folded = Math.floor(folded / 0x10000) + (folded & 0xffff)
  return ~folded & 0xffff
}
