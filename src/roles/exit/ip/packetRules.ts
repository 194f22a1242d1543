/**
 * Which packets of clients leave: the policy that the network requester holds connections to, on every packet. A packet has no name to look
 * up and no connection to remember, so the address in it is all there is. @module
 */
import { canonicalIp, formatIp, IPV6_BYTES } from '../../../foundation/base/ipAddress.ts'
import type { Net } from '../../../foundation/platform/net.ts'
import { type ExitPolicy, evaluateExitPolicy, type PolicyRule } from '../../../protocol/wire/exit/exitPolicy.ts'
import { hasPrefix } from '../../../protocol/wire/exit/ipPrefix.ts'
import { type IpPacket, PROTOCOL } from '../../../protocol/wire/ip/ipPacket.ts'
import { addressesMeant, isLocal } from '../destinations.ts'
import type { ExitRules } from '../exitRules.ts'

export type PacketVerdict =
  | 'accepted'
  /** To one network, or to all of it: would reach everybody beside the exit. */
  | 'multicast'
  | 'local-address'
  | 'policy'

export interface PacketRulesOptions {
  readonly rules: ExitRules
  readonly net: Pick<Net, 'ownAddresses'>
}

const MULTICAST_4 = { network: Uint8Array.of(224, 0, 0, 0), bits: 4 }
const MULTICAST_6 = { network: Uint8Array.of(0xff, ...new Uint8Array(IPV6_BYTES - 1)), bits: 8 }
const MAX_PORT = 65_535
/** Asked at every ping. */
const PORTLESS = new WeakMap<ExitPolicy, ExitPolicy>()
const BROADCAST = Uint8Array.of(255, 255, 255, 255)

export function judgePacket(
  { destination, destinationPort, protocol }: Pick<IpPacket, 'destination' | 'destinationPort' | 'protocol'>,
  { rules, net }: PacketRulesOptions,
): PacketVerdict {
  const hasPorts = protocol === PROTOCOL.tcp || protocol === PROTOCOL.udp
  // To policies 0 is "no port", and matches rules of any.
  if (hasPorts && destinationPort === 0) return 'policy'
  const policy = hasPorts ? rules.policy : withoutPorts(rules.policy)
  for (const meant of addressesMeant(destination)) {
    if (isForMany(meant)) return 'multicast'
    if (!rules.allowLocalAddresses && isLocal(meant, net)) return 'local-address'
    if (evaluateExitPolicy(policy, canonicalIp(meant), destinationPort) !== 'accept') return 'policy'
  }
  return 'accepted'
}

/**
 * For what has no ports. Officially a rule for some ports decides of it as well, and `reject *:25` would forbid pings to everybody who wants
 * no mail.
 */
function withoutPorts(policy: ExitPolicy): ExitPolicy {
  const known = PORTLESS.get(policy)
  if (known !== undefined) return known
  const isOfSomePorts = ({ action, ports }: PolicyRule): boolean =>
    action.startsWith('reject') && (ports.start > 1 || ports.end < MAX_PORT)
  const portless = { rules: policy.rules.filter((rule) => !isOfSomePorts(rule)) }
  PORTLESS.set(policy, portless)
  return portless
}

const isForMany = (address: Uint8Array): boolean =>
  hasPrefix(address, MULTICAST_4.network, MULTICAST_4.bits) ||
  hasPrefix(address, MULTICAST_6.network, MULTICAST_6.bits) ||
  hasPrefix(address, BROADCAST, 32)

/** As a client is told of it: `ip:port`, brackets around IPv6, as officially. */
export function destinationText({ destination, destinationPort }: IpPacket): string {
  const ip = formatIp(destination)
  return `${ip.includes(':') ? `[${ip}]` : ip}:${destinationPort}`
}
