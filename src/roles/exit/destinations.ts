/**
 * From the text a client asks for to an open TCP connection: look the name up, check every address, connect to one that was
 * checked. Looking it up a second time for connecting would let a name answer differently the second time (rebinding), and
 * lead a client into the operator's own network. @module
 */
import { isMixnetError, type MixnetError } from '../../foundation/base/errors.ts'
import { canonicalIp, formatIp, IPV6_BYTES, parseIp } from '../../foundation/base/ipAddress.ts'
import type { Connection, Endpoint, Net } from '../../foundation/platform/net.ts'
import type { World } from '../../foundation/platform/world.ts'
import { evaluateExitPolicy } from '../../protocol/wire/exit/exitPolicy.ts'
import { isGlobalAddress } from '../../protocol/wire/exit/globalAddress.ts'
import type { ExitParams } from './exitParams.ts'
import type { ExitRules } from './exitRules.ts'
import { Lookups } from './lookups.ts'

export type RefusalReason =
  | 'malformed-address'
  | 'malformed-host'
  | 'local-address'
  | 'policy'
  | 'unknown-host'
  | 'lookup-timeout'

export type Reached =
  | { readonly kind: 'connected'; readonly connection: Connection }
  | { readonly kind: 'refused'; readonly reason: RefusalReason }
  | { readonly kind: 'unreachable'; readonly error: MixnetError }
  | { readonly kind: 'aborted' }

const MAX_HOST_CHARACTERS = 253
const HOST_NAME = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?$/i
const PORT = /^[0-9]{1,5}$/
/** 64:ff9b::/96, RFC 6052: the last four bytes are the IPv4 address a translator would connect to. */
const TRANSLATED = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]

/** Splits at the last colon: IPv6 comes with brackets or without. Port 0 is none: policies take it for "any port". */
function parseRemote(remote: string): Endpoint | undefined {
  const colon = remote.lastIndexOf(':')
  const port = Number(remote.slice(colon + 1))
  if (colon < 1 || !PORT.test(remote.slice(colon + 1)) || port < 1 || port > 65_535) return undefined
  const host = remote.slice(0, colon)
  return { host: host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host, port }
}

export class Destinations {
  readonly #world: World
  readonly #rules: ExitRules
  readonly #params: ExitParams
  readonly lookups: Lookups

  constructor(world: World, rules: ExitRules, params: ExitParams) {
    this.#world = world
    this.#rules = rules
    this.#params = params
    const { clock, net } = world
    this.lookups = new Lookups({ clock, net, max: params.maxLookups, timeout: params.lookupTimeout })
  }

  async reach(remote: string, signal: AbortSignal): Promise<Reached> {
    const endpoint = parseRemote(remote)
    if (endpoint === undefined) return { kind: 'refused', reason: 'malformed-address' }
    const resolved = await this.#resolve(endpoint.host, signal)
    if (resolved.kind !== 'resolved') return resolved
    for (const address of resolved.addresses) {
      const reason = this.#objection(address, endpoint.port)
      if (reason !== undefined) return { kind: 'refused', reason }
    }
    return await this.#connect(resolved.addresses, endpoint.port, signal)
  }

  async #resolve(
    host: string,
    signal: AbortSignal,
  ): Promise<{ readonly kind: 'resolved'; readonly addresses: readonly string[] } | Reached> {
    if (parseIp(host) !== undefined) return { kind: 'resolved', addresses: [host] }
    if (host.length > MAX_HOST_CHARACTERS || !HOST_NAME.test(host)) return { kind: 'refused', reason: 'malformed-host' }
    try {
      const addresses = await this.lookups.resolve(host, signal)
      return addresses.length > 0 ? { kind: 'resolved', addresses } : { kind: 'refused', reason: 'unknown-host' }
    } catch (error) {
      if (isMixnetError(error, 'ABORTED')) return { kind: 'aborted' }
      if (isMixnetError(error, 'TIMEOUT')) return { kind: 'refused', reason: 'lookup-timeout' }
      if (isMixnetError(error)) return { kind: 'refused', reason: 'unknown-host' }
      throw error
    }
  }

  #objection(text: string, port: number): RefusalReason | undefined {
    const address = parseIp(text)
    // A scoped address, as link-local ones are written.
    if (address === undefined) return 'local-address'
    const { policy, allowLocalAddresses } = this.#rules
    for (const meant of addressesMeant(address)) {
      if (!allowLocalAddresses && isLocal(meant, this.#world.net)) return 'local-address'
      // Mapped, `::ffff:1.2.3.4` would pass between the rules for 1.2.3.4.
      if (evaluateExitPolicy(policy, canonicalIp(meant), port) !== 'accept') return 'policy'
    }
    return undefined
  }

  async #connect(addresses: readonly string[], port: number, signal: AbortSignal): Promise<Reached> {
    const { connectTimeout, maxAddresses } = this.#params
    let failure: Reached = { kind: 'aborted' }
    for (const host of addresses.slice(0, maxAddresses)) {
      try {
        const connection = await this.#world.net.connect({ host, port, timeout: connectTimeout, signal })
        return { kind: 'connected', connection }
      } catch (error) {
        if (isMixnetError(error, 'ABORTED')) return { kind: 'aborted' }
        if (!isMixnetError(error)) throw error
        failure = { kind: 'unreachable', error }
      }
    }
    return failure
  }
}

/** Not of the Internet; or the exit's own, behind which a firewall lets through more than in front, and a node answers what only its operator may ask. */
export const isLocal = (address: Uint8Array, net: Pick<Net, 'ownAddresses'>): boolean =>
  !isGlobalAddress(address) || net.ownAddresses().has(formatIp(address))

/** The address, and the one it leads to where it is a translator's. */
export function addressesMeant(address: Uint8Array): Uint8Array[] {
  const translated = address.length === IPV6_BYTES && TRANSLATED.every((byte, index) => address[index] === byte)
  return translated ? [address, address.subarray(12)] : [address]
}
