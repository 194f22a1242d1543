/**
 * The network of a whole Linux machine: a device that is ours, rules of routing that lead everything there, and a table of nft that is the last word.
 * Rules alone are not enough: Linux finds a way out for whoever names an interface even where every rule says "unreachable", multicast and broadcast
 * are not asked about, and somebody else's rule may stand in front. So whatever leaves by another device than ours is dropped, but for TCP of our own
 * user to places that were named, by address and port, questions for the machine's own address (DHCP), and those for its neighbours' (of IPv6; ARP is
 * no matter of nft). Rules and table outlive us: where the device is gone, with us or without us, nothing leaves. All that is ours is marked so, and
 * nothing else is changed or taken back. @module
 */
import { isIPv6 } from 'node:net'
import type { MachineNetwork } from '../programNetwork.ts'
import type { TunDevice } from '../tunDevice.ts'
import { commandFailed, mustRun, runCommand } from './nodeCommand.ts'
import { MTU, PROGRAMS, ROUTER } from './nodeProgramNetwork.ts'
import { engineUnavailable, findTools, mayAdministrate, openTunDevice, untilNameIsFree } from './nodeTunDevice.ts'

const DEVICE = 'starling'
/** Of nft. */
const GUARD = 'starling_tunnel'
/** Of routing. */
const TABLE = '7231'
/** Rules and routes say who made them: this number is nobody's (rt_protos), so what has it is ours. */
const OURS = ['protocol', '231'] as const
/** Of rules, the first that matches counts; the machine's own addresses have 0. What may go around does so as if we were not there, or nowhere. */
const [AROUND, NOT_ROUND, ALL, NOTHING] = ['110', '111', '112', '113'] as const
/** Gateways that were tried: the ones of longest ago are taken back. */
const MAX_PLACES = 256
const FAMILIES = ['-4', '-6'] as const
type Family = (typeof FAMILIES)[number]
const DHCP = {
  '-4': ['ipproto', 'udp', 'sport', '68', 'dport', '67'],
  '-6': ['ipproto', 'udp', 'sport', '546', 'dport', '547'],
} as const

interface Place {
  readonly family: Family
  readonly address: string
  readonly port: number
}

type Tools = Readonly<Record<'socat' | 'ip' | 'nft', string>>

/** Changes nothing yet. Throws ENGINE_UNAVAILABLE. */
export async function openMachineNetwork(): Promise<MachineNetwork> {
  const tools = await findTools(['socat', 'ip', 'nft'])
  if (!(await mayAdministrate())) {
    throw engineUnavailable(
      'CAP_NET_ADMIN',
      'Run it as root: sudo starling tunnel. Without it: starling run -- PROGRAM',
      'only root may change the network of a machine',
    )
  }
  await untilNameIsFree(DEVICE)
  const network = new NodeMachineNetwork(tools)
  await network.look()
  return network
}

class NodeMachineNetwork implements MachineNetwork {
  readonly mtu = MTU
  readonly programs = PROGRAMS
  readonly router = ROUTER
  readonly #tools: Tools
  readonly #lost = Promise.withResolvers<void>()
  /** Last named last. */
  readonly #places = new Map<string, Place>()
  /** Who may go around: sockets are their maker's. */
  readonly #user = process.geteuid?.() ?? 0
  #families: readonly Family[] = FAMILIES
  #device: TunDevice | undefined
  #handler: (packet: Uint8Array) => void = () => {}
  #isRaised = false
  /** What a killed one let around is taken back once. */
  #isSwept = false
  /** One change at a time, or a place that is named meanwhile would be in half of it. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(tools: Tools) {
    this.#tools = tools
  }

  get isRaised(): boolean {
    return this.#isRaised
  }

  get lost(): Promise<void> {
    return this.#lost.promise
  }

  /** What a killed one has left, be it a part. */
  async look(): Promise<void> {
    if ((await this.#rules('-6')).length === 0) this.#families = ['-4']
    const guard = await runCommand(this.#tools.nft, ['list', 'table', 'inet', GUARD])
    const rules = await Promise.all(this.#families.map((family) => this.#rules(family)))
    this.#isRaised = guard.code === 0 || rules.flat().some(isOurs)
  }

  onPacket(handler: (packet: Uint8Array) => void): void {
    this.#handler = handler
  }

  send(packet: Uint8Array): void {
    this.#device?.send(packet)
  }

  letAround(address: string, port: number): Promise<void> {
    return this.#inTurn(async () => {
      const family = isIPv6(address) ? '-6' : '-4'
      if (!this.#families.includes(family)) return
      const key = `${address} ${port}`
      const place: Place = { family, address, port }
      const isKnown = this.#places.delete(key)
      this.#places.set(key, place)
      if (!this.#isRaised || isKnown) return
      await this.#addPlace(place)
      const element = ['add', 'element', 'inet', GUARD, setOf(family), `{ ${elementOf(place)} }`]
      // Where another has flushed all of nft, the table is made again, with all places.
      if ((await runCommand(this.#tools.nft, element)).code !== 0) await this.#shut()
      const [oldest] = this.#places
      if (this.#places.size <= MAX_PLACES || oldest === undefined) return
      this.#places.delete(oldest[0])
      await this.#removePlace(oldest[1])
    })
  }

  shut(): Promise<void> {
    return this.#inTurn(() => this.#shut())
  }

  raise(): Promise<void> {
    return this.#inTurn(async () => {
      const wasRaised = this.#isRaised
      try {
        await this.#openDevice()
        await this.#shut()
      } catch (error) {
        // Half of it would be neither a tunnel nor the machine's own network. Where it cannot be taken back, `isRaised` goes on saying so.
        if (!wasRaised) await this.#restore().catch(() => {})
        throw error
      }
    })
  }

  restore(): Promise<void> {
    return this.#inTurn(() => this.#restore())
  }

  async #openDevice(): Promise<void> {
    const { socat, ip } = this.#tools
    this.#device = await openTunDevice(DEVICE, socat)
    this.#device.onPacket((packet) => this.#handler(packet))
    void this.#device.ended.then(() => this.#lost.resolve())
    const [ipv4, ipv6] = [`${PROGRAMS.ipv4}/30`, `${PROGRAMS.ipv6}/126`]
    await mustRun(ip, ['link', 'set', DEVICE, 'addrgenmode', 'none', 'mtu', String(MTU), 'up'])
    await mustRun(ip, ['-4', 'addr', 'add', ipv4, 'dev', DEVICE])
    // Where a machine has switched IPv6 off for new devices its packets go nowhere, which is what it wanted.
    await this.#ip('-6', 'addr', 'add', ipv6, 'dev', DEVICE, 'nodad')
    for (const family of this.#families) {
      const way = ['default', 'dev', DEVICE, 'metric', '1', 'table', TABLE, ...OURS]
      const { code, said } = await this.#ip(family, 'route', 'replace', ...way)
      if (code !== 0 && family === '-4') throw commandFailed(ip, said)
    }
  }

  /** Everything that is not there yet: as often as one likes. */
  async #shut(): Promise<void> {
    const { ip, nft } = this.#tools
    this.#isRaised = true
    await mustRun(nft, [guardText(this.#places.values(), this.#user)])
    for (const family of this.#families) {
      const nowhere = ['unreachable', 'default', 'metric', '4000', 'table', TABLE, ...OURS]
      await mustRun(ip, [family, 'route', 'replace', ...nowhere])
      await this.#addRule(family, NOTHING, 'unreachable')
      await this.#addRule(family, ALL, 'lookup', TABLE)
      if (!this.#isSwept) for (const pref of [AROUND, NOT_ROUND]) await this.#flushRules(family, pref)
      await this.#addRule(family, AROUND, ...DHCP[family], 'lookup', 'main')
    }
    this.#isSwept = true
    for (const place of this.#places.values()) await this.#addPlace(place)
    for (const family of this.#families) await this.#ip(family, 'route', 'flush', 'cache')
    await this.#check()
  }

  /** Throws ENGINE_FAILED where a part of it does not stand. */
  async #check(): Promise<void> {
    const { ip, nft } = this.#tools
    const guard = await runCommand(nft, ['list', 'chain', 'inet', GUARD, 'leaving'])
    if (guard.code !== 0) throw commandFailed(nft, guard.said)
    for (const family of this.#families) {
      const rules = (await this.#rules(family)).filter(isOurs)
      const hasAll = rules.some((rule) => isForAll(rule, ALL) && rule.table === TABLE)
      const hasNothing = rules.some((rule) => isForAll(rule, NOTHING) && rule.action === UNREACHABLE)
      if (!hasAll || !hasNothing) throw commandFailed(ip, `the rules of ${family} are not there`)
    }
  }

  async #restore(): Promise<void> {
    const { ip, nft } = this.#tools
    for (const family of this.#families) {
      for (const pref of [ALL, NOTHING, AROUND, NOT_ROUND]) await this.#flushRules(family, pref)
      await this.#ip(family, 'route', 'flush', 'table', TABLE, ...OURS)
    }
    await this.#device?.close()
    await runCommand(nft, ['delete', 'table', 'inet', GUARD])
    await this.look()
    this.#isSwept = false
    if (this.#isRaised)
      throw commandFailed(ip, `not taken back: rules of protocol 231, or the table inet ${GUARD} of nft`)
  }

  async #addPlace(place: Place): Promise<void> {
    await this.#addRule(place.family, NOT_ROUND, ...this.#selector(place), 'unreachable')
    await this.#addRule(place.family, AROUND, ...this.#selector(place), 'lookup', 'main')
  }

  async #removePlace(place: Place): Promise<void> {
    const { family } = place
    const selector = this.#selector(place)
    await this.#ip(family, 'rule', 'del', 'pref', AROUND, ...selector, ...OURS, 'lookup', 'main')
    await this.#ip(family, 'rule', 'del', 'pref', NOT_ROUND, ...selector, ...OURS, 'unreachable')
    const element = ['delete', 'element', 'inet', GUARD, setOf(family), `{ ${elementOf(place)} }`]
    await runCommand(this.#tools.nft, element)
  }

  /** Programs of other users reach it as they reach everything, through us. */
  #selector({ address, port }: Place): string[] {
    return ['to', address, 'uidrange', `${this.#user}-${this.#user}`, 'ipproto', 'tcp', 'dport', String(port)]
  }

  /** Where just this rule is there already, and it is ours, that is as well. */
  async #addRule(family: Family, pref: string, ...rule: readonly string[]): Promise<void> {
    const { code, said } = await this.#ip(family, 'rule', 'add', 'pref', pref, ...OURS, ...rule)
    if (code !== 0 && !said.includes('File exists')) throw commandFailed(this.#tools.ip, said)
  }

  #flushRules(family: Family, pref: string): ReturnType<typeof runCommand> {
    return this.#ip(family, 'rule', 'flush', 'pref', pref, ...OURS)
  }

  /** None where the machine does not know this family. */
  async #rules(family: Family): Promise<readonly Rule[]> {
    const { code, said } = await this.#ip('-N', '-j', family, 'rule', 'list')
    if (code !== 0 || said.trim() === '') return []
    try {
      return JSON.parse(said)
    } catch {
      throw commandFailed(this.#tools.ip, said)
    }
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#last.then(change)
    this.#last = result.catch(() => {})
    return result
  }

  #ip(...args: string[]): ReturnType<typeof runCommand> {
    return runCommand(this.#tools.ip, args)
  }
}

/** As a number, as `ip -N` says it. */
const UNREACHABLE = '7'

/** As `ip -j` says it; other members are what it selects by. */
interface Rule {
  readonly priority?: unknown
  readonly src?: unknown
  readonly protocol?: unknown
  readonly table?: unknown
  readonly action?: unknown
}

const isOurs = ({ priority, protocol }: Rule): boolean =>
  String(protocol) === OURS[1] && [ALL, NOTHING].some((pref) => pref === String(priority))

const isForAll = (rule: Rule, pref: string): boolean =>
  String(rule.priority) === pref &&
  rule.src === 'all' &&
  Object.keys(rule).every((key) => ['priority', 'src', 'protocol', 'table', 'action'].includes(key))

const setOf = (family: Family): string => (family === '-4' ? 'places4' : 'places6')

const elementOf = ({ address, port }: Place): string => `${address} . ${port}`

/**
 * Replaces the table at once, so that it is never not there. Looked at where packets leave, since only there is the device the one that another's
 * rules (marks, translation) have come to. A packet without a user is the kernel's: the end of a connection whose program is gone. What is forwarded
 * has none either, and is not ours: it has its own chain. Multicast reports are not let around, which tell the groups that programs listen to.
 */
function guardText(places: Iterable<Place>, user: number): string {
  const all = [...places]
  const set = (family: Family, type: string): string => {
    const elements = all.filter((place) => place.family === family).map(elementOf)
    const held = elements.length === 0 ? '' : ` elements = { ${elements.join(', ')} };`
    return `set ${setOf(family)} { type ${type} . inet_service;${held} }`
  }
  return `
add table inet ${GUARD}
delete table inet ${GUARD}
table inet ${GUARD} {
  ${set('-4', 'ipv4_addr')}
  ${set('-6', 'ipv6_addr')}
  chain leaving {
    type filter hook postrouting priority 300; policy drop;
    oifname { "lo", "${DEVICE}" } accept
    meta nfproto ipv4 udp sport 68 udp dport 67 accept
    meta nfproto ipv6 udp sport 546 udp dport 547 accept
    ip6 hoplimit 255 icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept
    meta skuid != ${user} drop
    ip daddr . tcp dport @places4 accept
    ip6 daddr . tcp dport @places6 accept
  }
  chain forwarded {
    type filter hook forward priority 300; policy drop;
    oifname "${DEVICE}" accept
  }
}`
}
