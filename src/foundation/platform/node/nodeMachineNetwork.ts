/**
 * The network of a whole Linux machine: a device that is ours, rules of routing that lead everything there, and a table of nft that is the last word.
 * Rules alone are not enough: Linux finds a way out for whoever names an interface even where every rule says "unreachable", multicast and broadcast
 * are not asked about, and somebody else's rule may stand in front. So whatever leaves by another device than ours is dropped, but for TCP of our own
 * user to places that were named, by address and port, questions for the machine's own address (DHCP), and those for its neighbours' (of IPv6; ARP is
 * no matter of nft). Rules and table outlive us: where the device is gone, with us or without us, nothing leaves. All that is ours is marked so, and
 * nothing else is changed or taken back. @module
 */
import { createServer, isIPv6, type Server } from 'node:net'
import type { MixnetError } from '../../base/errors.ts'
import { machineError } from '../../base/machineError.ts'
import type { MachineNetwork } from '../programNetwork.ts'
import type { TunDevice } from '../tunDevice.ts'
import { commandFailed, mustRun, runCommand } from './nodeCommand.ts'
import { GUARD, MachineGuard, type Place } from './nodeMachineGuard.ts'
import { MTU, PROGRAMS, ROUTER } from './nodeProgramNetwork.ts'
import { RuleWatch } from './nodeRuleWatch.ts'
import {
  engineUnavailable,
  findTools,
  hasInterface,
  mayAdministrate,
  openTunDevice,
  untilNameIsFree,
} from './nodeTunDevice.ts'

const DEVICE = 'starling'
/** A socket's name that no file has: it is of this network alone, and gone with whoever holds it. */
const CLAIM = '\0starling-tunnel'
/** Of routing. */
const TABLE = '7231'
/** Rules and routes say who made them: this number is nobody's (rt_protos), so what has it is ours. */
const OURS = ['protocol', '231'] as const
/** Of rules, the first that matches counts; the machine's own addresses have 0. What may go around does so as if we were not there, or nowhere. */
const [AROUND, NOT_ROUND, ALL, NOTHING] = ['110', '111', '112', '113'] as const
/** Gateways that were tried: the ones of longest ago are taken back. */
const MAX_PLACES = 256
/** Between two times that something is put back, or whoever takes it away again at once would have us do nothing else. */
const MEND_PAUSE_MS = 1000
const FAMILIES = ['-4', '-6'] as const
type Family = (typeof FAMILIES)[number]
const DHCP = {
  '-4': ['ipproto', 'udp', 'sport', '68', 'dport', '67'],
  '-6': ['ipproto', 'udp', 'sport', '546', 'dport', '547'],
} as const

type Tools = Readonly<Record<'socat' | 'ip' | 'nft', string>>

/**
 * Changes nothing yet. `mended` hears each time that something of ours was taken away by another, and put back. Throws ENGINE_UNAVAILABLE, also where
 * a tunnel runs.
 */
export async function openMachineNetwork(mended: () => void = () => {}): Promise<MachineNetwork> {
  if (process.platform === 'linux' && !(await mayAdministrate())) {
    throw engineUnavailable(
      'CAP_NET_ADMIN',
      'Run it as root: sudo starling tunnel. Without it: starling run -- PROGRAM',
      'only root may change the network of a machine',
    )
  }
  const tools = await findTools(['socat', 'ip', 'nft'])
  // Any user may take the name, but only root makes the device: nobody else can keep a tunnel from starting.
  const claim = await claimed()
  if (claim === undefined && (await hasInterface(DEVICE))) {
    throw machineError(
      'ENGINE_UNAVAILABLE',
      { device: DEVICE },
      { message: 'a tunnel runs on this machine already', nextStep: 'Stop that one first: Ctrl-C where it runs.' },
    )
  }
  try {
    // Of one that was killed.
    await untilNameIsFree(DEVICE)
    const network = new NodeMachineNetwork(tools, mended, () => claim?.close())
    await network.look()
    return network
  } catch (error) {
    claim?.close()
    throw error
  }
}

/** undefined where a process that lives has it. */
function claimed(): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', () => resolve(undefined))
    server.listen(CLAIM, () => resolve(server)).unref()
  })
}

class NodeMachineNetwork implements MachineNetwork {
  readonly mtu = MTU
  readonly programs = PROGRAMS
  readonly router = ROUTER
  readonly #tools: Tools
  readonly #guard: MachineGuard
  readonly #watch: RuleWatch
  readonly #mended: () => void
  readonly #over: () => void
  readonly #lost = Promise.withResolvers<void>()
  /** Last named last. */
  readonly #places = new Map<string, Place>()
  /** Who may go around: sockets are their maker's. */
  readonly #user = process.geteuid?.() ?? 0
  #families: readonly Family[] = FAMILIES
  #device: TunDevice | undefined
  readonly #led = new Set<Family>()
  #handler: (packet: Uint8Array) => void = () => {}
  #isRaised = false
  /** What a killed one let around is taken back once. */
  #isSwept = false
  /** One change at a time, or a place that is named meanwhile would be in half of it. */
  #last: Promise<unknown> = Promise.resolve()

  /** Somebody took something away, it seems, and nobody has looked yet. */
  #isToLook = false
  #mendedAt = Number.NEGATIVE_INFINITY

  constructor(tools: Tools, mended: () => void, over: () => void) {
    this.#tools = tools
    this.#mended = mended
    this.#over = over
    this.#guard = new MachineGuard(tools.nft, DEVICE, this.#user, () => this.#lookSoon())
    this.#watch = new RuleWatch(
      tools,
      ['link', 'route', 'rule'],
      // A device that is taken down loses its routes without a word of them.
      (line) => [GUARD, `proto ${OURS[1]}`, `: ${DEVICE}:`].some((ours) => line.includes(ours)),
      () => this.#lookSoon(),
    )
    // Whoever waits for it hears; nobody has to.
    this.#lost.promise.catch(() => {})
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
    const rules = await Promise.all(this.#families.map((family) => this.#rules(family)))
    this.#isRaised = (await this.#guard.isThere()) || rules.flat().some(isOurs)
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
      // Where another has flushed all of nft, the table is made again, with all places.
      if (!(await this.#guard.add(place))) await this.#shut()
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

  leave(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#watch.stop()
      try {
        // What was flushed since the last look is put back by nobody once we are gone, and the guard that nobody can flush goes with us.
        if (this.#isRaised && (await this.#fault()) !== undefined) await this.#shut()
      } finally {
        // Started by `#shut`.
        await this.#watch.stop()
        await this.#guard.leave()
        await this.#device?.close()
        this.#over()
      }
    })
  }

  async #openDevice(): Promise<void> {
    const { socat } = this.#tools
    this.#device = await openTunDevice(DEVICE, socat)
    this.#device.onPacket((packet) => this.#handler(packet))
    void this.#device.ended.then(() => this.#lost.resolve())
    await this.#leadToDevice()
  }

  /** As often as one likes: who takes the device down takes its routes with it, and it comes up without. */
  async #leadToDevice(): Promise<void> {
    const { ip } = this.#tools
    const [ipv4, ipv6] = [`${PROGRAMS.ipv4}/30`, `${PROGRAMS.ipv6}/126`]
    await mustRun(ip, ['link', 'set', DEVICE, 'addrgenmode', 'none', 'mtu', String(MTU), 'up'])
    await mustRun(ip, ['-4', 'addr', 'replace', ipv4, 'dev', DEVICE])
    // Where a machine has switched IPv6 off for new devices its packets go nowhere, which is what it wanted.
    await this.#ip('-6', 'addr', 'replace', ipv6, 'dev', DEVICE, 'nodad')
    for (const family of this.#families) {
      const way = ['default', 'dev', DEVICE, 'metric', '1', 'table', TABLE, ...OURS]
      const { code, said } = await this.#ip(family, 'route', 'replace', ...way)
      if (code !== 0 && family === '-4') throw commandFailed(ip, said)
      if (code === 0) this.#led.add(family)
    }
  }

  /** Of the families that could be led to the device. */
  async #isLed(): Promise<boolean> {
    if (this.#device === undefined) return true
    for (const family of this.#led) {
      const { said } = await this.#ip(family, 'route', 'show', 'default', 'dev', DEVICE, 'table', TABLE)
      if (!said.includes('default')) return false
    }
    return true
  }

  /** Everything that is not there yet: as often as one likes. */
  async #shut(): Promise<void> {
    const { ip } = this.#tools
    this.#isRaised = true
    await this.#guard.set(this.#places.values())
    this.#watch.start()
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
    const fault = await this.#fault()
    if (fault !== undefined) throw fault
  }

  /** ENGINE_FAILED where a part of it does not stand. */
  async #fault(): Promise<MixnetError | undefined> {
    const { ip, nft } = this.#tools
    const missing = await this.#guard.fault()
    if (missing !== undefined) return commandFailed(nft, missing)
    for (const family of this.#families) {
      const rules = (await this.#rules(family)).filter(isOurs)
      const hasAll = rules.some((rule) => isForAll(rule, ALL) && rule.table === TABLE)
      const hasNothing = rules.some((rule) => isForAll(rule, NOTHING) && rule.action === UNREACHABLE)
      if (!hasAll || !hasNothing) return commandFailed(ip, `the rules of ${family} are not there`)
    }
    return undefined
  }

  /** What is not there is put back; where that cannot be, the tunnel is lost. */
  #lookSoon(): void {
    if (this.#isToLook || !this.#isRaised) return
    this.#isToLook = true
    const pause = Math.max(0, this.#mendedAt + MEND_PAUSE_MS - performance.now())
    setTimeout(() => {
      this.#isToLook = false
      this.#inTurn(() => this.#mend()).catch((error) => this.#lost.reject(error))
    }, pause)
  }

  async #mend(): Promise<void> {
    if (!this.#isRaised || !this.#watch.isStarted) return
    const [isWhole, isLed] = [(await this.#fault()) === undefined, await this.#isLed()]
    if (isWhole && isLed) return
    this.#mendedAt = performance.now()
    if (!isWhole) await this.#shut()
    if (!isLed) await this.#leadToDevice()
    this.#mended()
  }

  async #restore(): Promise<void> {
    await this.#watch.stop()
    for (const family of this.#families) {
      for (const pref of [ALL, NOTHING, AROUND, NOT_ROUND]) await this.#flushRules(family, pref)
      await this.#ip(family, 'route', 'flush', 'table', TABLE, ...OURS)
    }
    await this.#device?.close()
    await this.#guard.takeAway()
    await this.look()
    this.#isSwept = false
    this.#over()
    if (this.#isRaised)
      throw commandFailed(this.#tools.ip, `not taken back: rules of protocol 231, or the table inet ${GUARD} of nft`)
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
    await this.#guard.remove(place)
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
