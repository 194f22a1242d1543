/**
 * The firewall around the device of an exit, as text for nft: one table of our own, which is made and removed whole, so that nothing of the
 * operator's is ever touched. Packets of clients go out and nowhere else, answers come in and nothing else; what other tables forbid stays forbidden.
 * The table also holds what the machine's settings were before us: it lives as long as they do, whatever ends us. @module
 */
import { fromHex, fromUtf8Lossy, toHex, utf8 } from '../../foundation/base/bytes.ts'
import { NOT_GLOBAL, STILL_GLOBAL } from '../../protocol/wire/exit/globalAddress.ts'

/** Of clients: those of `AddressPool`. */
export const CLIENT_NETWORKS = { ipv4: '10.0.0.0/16', ipv6: 'fc00::/112' } as const
/**
 * Connections that the kernel remembers for clients: its table is the whole machine's, and full it would cut everybody off. Whoever wants to take
 * all there are needs 128 of the 256 addresses that a router gives at once, or 64 that use both families: with half of those it could keep others
 * out anyway. No limit of new ones a second besides: the kernel forgets none in less than 10 s, so a share of 256 is 25 a second at most.
 */
const MAX_FLOWS = 32_768
const MAX_FLOWS_OF_CLIENT = 256

/** What a machine was before us. */
export interface Before {
  /** By path below /proc/sys, with what they held. */
  readonly settings: ReadonlyMap<string, string>
  /** The interfaces there were. */
  readonly interfaces: readonly string[]
}

export const FORWARDING = { ipv4: 'net/ipv4/ip_forward', ipv6: 'net/ipv6/conf/all/forwarding' } as const

export interface TunRules {
  readonly table: string
  readonly device: string
  readonly before: Before
  /** Clients may reach the machine and its neighbours: for tests only. */
  readonly allowLocalAddresses: boolean
}

/**
 * Without the device the kernel still translates answers back, and has no route to clients but its default: the first rules of `forward` keep them
 * from leaving with a client's address in the clear. A client's own limit comes before that of all, which counts what a later rule drops as well.
 */
export function tunRules({ table, device, before, allowLocalAddresses }: TunRules): string {
  const tun = `"${device}"`
  const { settings, interfaces } = before
  const remembered = [...settings].map(([path, value]) => `chain ${nameOf(path, value)} { }`)
  // What forwarded nothing before goes on not forwarding between the networks it was in, though Linux knows only "all" or "nothing".
  const guarded = (['ipv4', 'ipv6'] as const)
    .filter((family) => settings.has(FORWARDING[family]) && interfaces.length > 0)
    .map((family) => `meta nfproto ${family} iifname @guarded oifname @guarded drop`)
  const local = allowLocalAddresses
    ? []
    : [
        'ip daddr @local4 ip daddr != @islands4 drop',
        'ip6 daddr @local6 ip6 daddr != @islands6 drop',
        // Where another rule of this machine gave it another destination.
        'fib daddr type { local, broadcast, multicast, anycast } drop',
      ]
  return `
add table inet ${table}
delete table inet ${table}
table inet ${table} {
  ${remembered.join('\n  ')}
  set guarded { type ifname; ${elements(interfaces.map((name) => `"${name}"`))} }
  ${addressSet('local4', 'ipv4_addr', NOT_GLOBAL)}
  ${addressSet('local6', 'ipv6_addr', NOT_GLOBAL)}
  ${addressSet('islands4', 'ipv4_addr', STILL_GLOBAL)}
  ${addressSet('islands6', 'ipv6_addr', STILL_GLOBAL)}
  set flows4 { type ipv4_addr; size 65536; flags dynamic; }
  set flows6 { type ipv6_addr; size 65536; flags dynamic; }
  chain input {
    type filter hook input priority filter - 10; policy accept;
    ${allowLocalAddresses ? '' : `iifname ${tun} drop`}
  }
  chain output {
    type filter hook output priority filter - 10; policy accept;
    oifname ${tun} ct state != { established, related } drop
  }
  chain forward {
    type filter hook forward priority filter - 10; policy accept;
    ip daddr ${CLIENT_NETWORKS.ipv4} oifname != ${tun} drop
    ip6 daddr ${CLIENT_NETWORKS.ipv6} oifname != ${tun} drop
    ${guarded.join('\n    ')}
    iifname ${tun} jump clients
    oifname ${tun} ct state != { established, related } drop
  }
  chain clients {
    oifname ${tun} drop
    ct state invalid drop
    ip saddr != ${CLIENT_NETWORKS.ipv4} drop
    ip6 saddr != ${CLIENT_NETWORKS.ipv6} drop
    ${local.join('\n    ')}
    ct state new add @flows4 { ip saddr ct count over ${MAX_FLOWS_OF_CLIENT} } drop
    ct state new add @flows6 { ip6 saddr ct count over ${MAX_FLOWS_OF_CLIENT} } drop
    ct state new ct count over ${MAX_FLOWS} drop
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    iifname ${tun} masquerade fully-random
  }
}`
}

/** What a table of ours that is there still says of the time before it, from nft's listing. */
export function beforeOf(listing: string): Before {
  const settings = new Map<string, string>()
  for (const [, value, path] of listing.matchAll(/^\s*chain was_(\d{1,3})_([0-9a-f]+) \{/gm)) {
    settings.set(fromUtf8Lossy(fromHex(path as string, 'setting')), value as string)
  }
  const [, names = ''] = /set guarded \{[^{}]*elements = \{([^}]*)\}/.exec(listing) ?? []
  return { settings, interfaces: [...names.matchAll(/"([^"]+)"/g)].map(([, name]) => name as string) }
}

/** nft knows no strings that lead to strings; names of chains may hold letters, digits and underscores. */
const nameOf = (path: string, value: string): string => `was_${value}_${toHex(utf8(path))}`

const elements = (all: readonly string[]): string => (all.length === 0 ? '' : `elements = { ${all.join(', ')} };`)

function addressSet(name: string, type: 'ipv4_addr' | 'ipv6_addr', prefixes: readonly string[]): string {
  const ofType = prefixes.filter((prefix) => prefix.includes(':') === (type === 'ipv6_addr'))
  return `set ${name} { type ${type}; flags interval; ${elements(ofType)} }`
}
