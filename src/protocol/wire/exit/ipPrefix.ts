/** Address prefixes: whether an address lies inside `network/bits`. @module */

/** True where both are of one family and agree in their first `bits` bits. */
export function hasPrefix(address: Uint8Array, network: Uint8Array, bits: number): boolean {
  if (address.length !== network.length) return false
  const whole = bits >> 3
  for (let i = 0; i < whole; i++) if (address[i] !== network[i]) return false
  const rest = bits & 7
  if (rest === 0) return true
  return (((address[whole] as number) ^ (network[whole] as number)) & (0xff << (8 - rest)) & 0xff) === 0
}
