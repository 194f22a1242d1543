/**
 * The network of a whole Linux machine: a device that is ours, and rules of routing in front of all others that lead everything there, even where a
 * program names an interface or a server of addresses hands out routes. Around it go only TCP to places that were named, by address and port, and
 * questions for the machine's own address (DHCP). No firewall, no file of the system is changed. Behind the device stands a route that says
 * "unreachable": where the device is gone, with us or without us, nothing leaves. @module
 */
import { isIPv6 } from 'node:net'
import type { MachineNetwork } from '../programNetwork.ts'
import type { TunDevice } from '../tunDevice.ts'
import { mustRun, runCommand } from './nodeCommand.ts'
import { MTU, PROGRAMS, ROUTER } from './nodeProgramNetwork.ts'
import { engineUnavailable, findTools, mayAdministrate, openTunDevice, untilNameIsFree } from './nodeTunDevice.ts'

const DEVICE = 'starling'
const TABLE = '7231'
/** Of rules, the first that matches counts; the machine's own addresses have 0. What may go around does so as if we were not there, or nowhere. */
const [AROUND, NOT_ROUND, ALL] = ['110', '111', '112'] as const
/** Gateways that were tried: the ones of longest ago are taken back. */
const MAX_PLACES = 256
/** A rule that cannot be deleted must not be tried for ever. */
const MAX_RULES = 2 * MAX_PLACES + 8
const FAMILIES = ['-4', '-6'] as const
const DHCP = {
  '-4': ['ipproto', 'udp', 'sport', '68', 'dport', '67'],
  '-6': ['ipproto', 'udp', 'sport', '546', 'dport', '547'],
} as const

/** Changes nothing yet. Throws ENGINE_UNAVAILABLE. */
export async function openMachineNetwork(): Promise<MachineNetwork> {
  const tools = await findTools(['socat', 'ip'])
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
  readonly #tools: Readonly<Record<'socat' | 'ip', string>>
  readonly #lost = Promise.withResolvers<void>()
  /** By what stands in their rules; last named last. */
  readonly #places = new Map<string, readonly string[]>()
  #families: readonly ('-4' | '-6')[] = FAMILIES
  #device: TunDevice | undefined
  #handler: (packet: Uint8Array) => void = () => {}
  #isRaised = false

  constructor(tools: Readonly<Record<'socat' | 'ip', string>>) {
    this.#tools = tools
  }

  get isRaised(): boolean {
    return this.#isRaised
  }

  get lost(): Promise<void> {
    return this.#lost.promise
  }

  /** What a killed one has left. */
  async look(): Promise<void> {
    const { code, said } = await runCommand(this.#tools.ip, ['-6', 'rule', 'list'])
    if (code !== 0 || said.trim() === '') this.#families = ['-4']
    const left = await this.#ip('-4', 'rule', 'list', 'pref', ALL)
    this.#isRaised = left.said.trim() !== ''
  }

  onPacket(handler: (packet: Uint8Array) => void): void {
    this.#handler = handler
  }

  send(packet: Uint8Array): void {
    this.#device?.send(packet)
  }

  async letAround(address: string, port: number): Promise<void> {
    const family = isIPv6(address) ? '-6' : '-4'
    if (!this.#families.includes(family)) return
    const rule = [family, 'to', address, 'ipproto', 'tcp', 'dport', String(port)]
    const key = rule.join(' ')
    const isKnown = this.#places.delete(key)
    this.#places.set(key, rule)
    if (!this.#isRaised || isKnown) return
    await this.#addPlace(rule)
    const [oldest] = this.#places
    if (this.#places.size <= MAX_PLACES || oldest === undefined) return
    this.#places.delete(oldest[0])
    const [of = '-4', ...selector] = oldest[1]
    await this.#ip(of, 'rule', 'del', 'pref', AROUND, ...selector, 'lookup', 'main')
    await this.#ip(of, 'rule', 'del', 'pref', NOT_ROUND, ...selector, 'unreachable')
  }

  async raise(): Promise<void> {
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
      await mustRun(ip, [family, 'route', 'replace', 'unreachable', 'default', 'metric', '4000', 'table', TABLE])
      await this.#ip(family, 'route', 'replace', 'default', 'dev', DEVICE, 'metric', '1', 'table', TABLE)
      if (this.#isRaised) continue
      await mustRun(ip, [family, 'rule', 'add', 'pref', AROUND, ...DHCP[family], 'lookup', 'main'])
    }
    if (!this.#isRaised) for (const rule of this.#places.values()) await this.#addPlace(rule)
    for (const family of this.#families) {
      if (!this.#isRaised) await mustRun(ip, [family, 'rule', 'add', 'pref', ALL, 'lookup', TABLE])
      await this.#ip(family, 'route', 'flush', 'cache')
    }
    this.#isRaised = true
  }

  async restore(): Promise<void> {
    for (const family of FAMILIES) {
      for (const pref of [ALL, AROUND, NOT_ROUND]) {
        for (let i = 0; i < MAX_RULES; i++) {
          if ((await this.#ip(family, 'rule', 'del', 'pref', pref)).code !== 0) break
        }
      }
      await this.#ip(family, 'route', 'flush', 'table', TABLE)
    }
    this.#isRaised = false
    await this.#device?.close()
  }

  async #addPlace([family = '-4', ...selector]: readonly string[]): Promise<void> {
    const { ip } = this.#tools
    // Where a killed one has left it, it is there.
    await this.#ip(family, 'rule', 'del', 'pref', AROUND, ...selector, 'lookup', 'main')
    await this.#ip(family, 'rule', 'del', 'pref', NOT_ROUND, ...selector, 'unreachable')
    await mustRun(ip, [family, 'rule', 'add', 'pref', NOT_ROUND, ...selector, 'unreachable'])
    await mustRun(ip, [family, 'rule', 'add', 'pref', AROUND, ...selector, 'lookup', 'main'])
  }

  #ip(...args: string[]): ReturnType<typeof runCommand> {
    return runCommand(this.#tools.ip, args)
  }
}
