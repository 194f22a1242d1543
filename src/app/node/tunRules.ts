/**
 * The firewall around the device of an exit, as text for nft: one table of our own, which is made and removed whole, so that nothing of the
 * operator's is ever touched. Packets of clients go out and nowhere else, answers come in and nothing else; what other tables forbid stays forbidden.
 * The table also holds what the machine's settings were before us: it lives as long as they do, whatever ends us. @module
 */
import { fromHex, fromUtf8Lossy, toHex, utf8 } from '../../foundation/base/bytes.ts'
import { NOT_GLOBAL, STILL_GLOBAL } from '../../protocol/wire/exit/globalAddress.ts'
import type { Before } from './tunForwarding.ts'

/** Of clients: those of `AddressPool`. */
export const CLIENT_NETWORKS = { ipv4: '10.0.0.0/16', ipv6: 'fc00::/112' } as const
/**
 * Connections that the kernel remembers for clients: its table is the whole machine's, and full it would cut everybody off. So all clients together
 * have half of it at most. Whoever wants to take all there are needs 128 of the 256 addresses that a router gives at once, or 64 that use both
 * families: with half of those it could keep others out anyway. No limit of new ones a second besides: the kernel forgets none in less than 10 s, so a
 * share of 256 is 25 a second at most.
 */
const MAX_FLOWS = 32_768
const SHARES = 128

export interface FlowLimits {
  /** Of all clients. */
  readonly total: number
  /** Of a client, in each family. */
  readonly ofClient: number
}

/** `kernelMax`: net.netfilter.nf_conntrack_max, where 0 is no limit; undefined where it is not known. */
export function flowLimits(kernelMax: number | undefined): FlowLimits {
  const total = kernelMax === undefined || kernelMax === 0 ? MAX_FLOWS : Math.min(MAX_FLOWS, Math.floor(kernelMax / 2))
  return { total, ofClient: Math.max(1, Math.floor(total / SHARES)) }
}

export interface TunRules {
  readonly table: string
  readonly device: string
  readonly before: Before
  /** Linux has one switch for all of IPv6, and who else wants it on cannot be told. */
  readonly isIpv6Whole: boolean
  readonly limits: FlowLimits
  /** Clients may reach the machine and its neighbours: for tests only. */
  readonly allowLocalAddresses: boolean
}

/**
 * Without the device the kernel still translates answers back, and has no route to clients but its default: the first rules of `forward` keep them
 * from leaving with a client's address in the clear. A client's own limit comes before that of all, which counts what a later rule drops as well.
 */
export function tunRules({ table, device, before, isIpv6Whole, limits, allowLocalAddresses }: TunRules): string {
  const tun = `"${device}"`
  const { guarded } = before
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
  ${chainsOf(before)
    .map((name) => `chain ${name} { }`)
    .join('\n  ')}
  set guarded4 { type ifname; ${elements(quoted(guarded.ipv4))} }
  set guarded6 { type ifname; ${elements(quoted(guarded.ipv6))} }
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
    meta nfproto ipv4 iifname @guarded4 oifname != ${tun} drop
    meta nfproto ipv6 iifname @guarded6 oifname ${isIpv6Whole ? '@guarded6' : `!= ${tun}`} drop
    iifname ${tun} jump clients
    oifname ${tun} ct state != { established, related } drop
  }
  chain clients {
    oifname ${tun} drop
    ct state invalid drop
    ip saddr != ${CLIENT_NETWORKS.ipv4} drop
    ip6 saddr != ${CLIENT_NETWORKS.ipv6} drop
    ${local.join('\n    ')}
    ct state new add @flows4 { ip saddr ct count over ${limits.ofClient} } drop
    ct state new add @flows6 { ip6 saddr ct count over ${limits.ofClient} } drop
    ct state new ct count over ${limits.total} drop
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    iifname ${tun} masquerade fully-random
  }
}`
}

/** What turns a table that says `from` into one that says `to`, and leaves the rest of it alone. Empty where they say the same. */
export function beforeChange(table: string, from: Before, to: Before): string {
  const [old, wanted] = [chainsOf(from), chainsOf(to)]
  const lines = [
    ...wanted.filter((name) => !old.includes(name)).map((name) => `add chain inet ${table} ${name}`),
    ...old.filter((name) => !wanted.includes(name)).map((name) => `delete chain inet ${table} ${name}`),
  ]
  for (const [set, had, has] of [
    ['guarded4', from.guarded.ipv4, to.guarded.ipv4],
    ['guarded6', from.guarded.ipv6, to.guarded.ipv6],
  ] as const) {
    const [added, gone] = [has.filter((name) => !had.includes(name)), had.filter((name) => !has.includes(name))]
    if (added.length > 0) lines.push(`add element inet ${table} ${set} { ${quoted(added).join(', ')} }`)
    if (gone.length > 0) lines.push(`delete element inet ${table} ${set} { ${quoted(gone).join(', ')} }`)
  }
  return lines.join('\n')
}

/** What a table of ours that is there still says of the time before it, from nft's listing of its chains and of its sets of interfaces. */
export function beforeOf(listing: string): Before {
  const named = (kind: string): Map<string, string> => {
    const found = listing.matchAll(new RegExp(`^\\s*chain ${kind}_(\\d{1,3})_([0-9a-f]+) \\{`, 'gm'))
    return new Map(
      [...found].map(([, value, path]) => [fromUtf8Lossy(fromHex(path as string, 'setting')), value as string]),
    )
  }
  const guarded = (set: string): string[] => {
    const [, names = ''] = new RegExp(`set ${set} \\{[^{}]*elements = \\{([^}]*)\\}`).exec(listing) ?? []
    return [...names.matchAll(/"([^"]+)"/g)].map(([, name]) => name as string)
  }
  return {
    settings: named('was'),
    seen: named('seen'),
    guarded: { ipv4: guarded('guarded4'), ipv6: guarded('guarded6') },
  }
}

/**
 * What of `rules`, which `tunRules` made with `before`, is not in nft's listing of its chains and of `CONTENT_SETS`; undefined where nothing is
 * missing. Rules are counted, not compared, since each version of nft writes them in its own way: this finds what was flushed, and not what somebody
 * with all rights has put in the place of ours.
 */
export function missingRules(rules: string, before: Before, listing: string): string | undefined {
  const there = partsOf(listing)
  const missing = [...partsOf(rules)].find(([part, count]) => (there.get(part) ?? 0) < count)
  if (missing !== undefined) return missing[0]
  return beforeChange('', beforeOf(listing), before) === '' ? undefined : 'what the machine was before'
}

/** Those that only we fill, by interface and by address. */
export const CONTENT_SETS = ['guarded4', 'guarded6', 'local4', 'local6', 'islands4', 'islands6'] as const

/** Chains with how many lines they have, and sets that are not empty with one. */
function partsOf(text: string): ReadonlyMap<string, number> {
  const parts = new Map<string, number>()
  let chain: string | undefined
  for (const line of text.split('\n').map((line) => line.trim())) {
    const [, start] = /^(chain \w+) \{$/.exec(line) ?? []
    if (start !== undefined) chain = start
    else if (line === '}') chain = undefined
    else if (chain !== undefined && line !== '') parts.set(chain, (parts.get(chain) ?? 0) + 1)
  }
  for (const [, set = ''] of text.matchAll(/^\s*(set \w+) \{[^{}]*elements = \{/gm)) parts.set(set, 1)
  return parts
}

/** nft knows no strings that lead to strings; names of chains may hold letters, digits and underscores. */
const chainsOf = ({ settings, seen }: Before): string[] => [
  ...[...settings].map(([path, value]) => `was_${value}_${toHex(utf8(path))}`),
  ...[...seen].map(([path, value]) => `seen_${value}_${toHex(utf8(path))}`),
]

const quoted = (names: readonly string[]): string[] => names.map((name) => `"${name}"`)

const elements = (all: readonly string[]): string => (all.length === 0 ? '' : `elements = { ${all.join(', ')} };`)

function addressSet(name: string, type: 'ipv4_addr' | 'ipv6_addr', prefixes: readonly string[]): string {
  const ofType = prefixes.filter((prefix) => prefix.includes(':') === (type === 'ipv6_addr'))
  return `set ${name} { type ${type}; flags interval; ${elements(ofType)} }`
}
