/**
 * What Linux needs to carry packets of an exit's clients through a device: the device, routes to it and to nowhere without it, forwarding, and a
 * table of rules around it (tunRules.ts). Nothing else is changed. All of it is taken back at the end; what a killed node has left, the next one finds, goes on with and takes
 * back. @module
 */
import { fromUtf8Lossy } from '../../foundation/base/bytes.ts'
import { formatIp } from '../../foundation/base/ipAddress.ts'
import type { Files } from '../../foundation/platform/files.ts'
import { commandFailed, mustRun, runCommand } from '../../foundation/platform/node/nodeCommand.ts'
import {
  engineUnavailable,
  findTools,
  mayAdministrate,
  openTunDevice,
  untilNameIsFree,
} from '../../foundation/platform/node/nodeTunDevice.ts'
import type { TunDevice } from '../../foundation/platform/tunDevice.ts'
import type { IpPair } from '../../protocol/wire/exit/bincode.ts'
import { ROUTER_IPS } from '../../roles/exit/ip/addressPool.ts'
import type { TunMachine } from '../../roles/exit/ip/tunWayOut.ts'
import { type Before, beforeOf, CLIENT_NETWORKS, FORWARDING, tunRules } from './tunRules.ts'

export interface TunMachineOptions {
  readonly files: Pick<Files, 'read' | 'list'>
  /** Clients may reach the machine and its neighbours: for tests only. */
  readonly allowLocalAddresses: boolean
}

type Tools = Readonly<Record<'socat' | 'ip' | 'nft' | 'conntrack', string>>

const DEVICE = 'starling-exit'
const TABLE = 'starling_exit'
const MTU = 1500
/** Of the route that is there when the device is not: any other of the same network goes first. */
const LAST_METRIC = '1000000'
const USE_PASST = 'Or use passt, which needs no rights: packets = "passt"'

/** Throws ENGINE_UNAVAILABLE: what is missing, and how to get it; ENGINE_FAILED. */
export async function prepareTunMachine(options: TunMachineOptions): Promise<TunMachine> {
  const tools = await findTools(['socat', 'ip', 'nft', 'conntrack'])
  if (!(await mayAdministrate())) {
    throw engineUnavailable(
      'CAP_NET_ADMIN',
      `Run it as root, or let systemd give it: AmbientCapabilities=CAP_NET_ADMIN. ${USE_PASST}`,
      'this process may not make network devices',
    )
  }
  // Before anything is changed that is another node's.
  await untilNameIsFree(DEVICE)
  const machine = new LinuxTunMachine(options, tools)
  await machine.refuseOverlaps()
  try {
    await machine.protect()
    return machine
  } catch (error) {
    await machine.close()
    throw error
  }
}

class LinuxTunMachine implements TunMachine {
  readonly mtu = MTU
  readonly #options: TunMachineOptions
  readonly #tools: Tools
  #before: Before = { settings: new Map(), interfaces: [] }
  #hasIpv6 = false

  constructor(options: TunMachineOptions, tools: Tools) {
    this.#options = options
    this.#tools = tools
  }

  /** A network of this machine in the clients' range would be cut off by the route to them. Throws ENGINE_UNAVAILABLE. */
  async refuseOverlaps(): Promise<void> {
    const { ip } = this.#tools
    for (const [version, network] of [
      ['-4', CLIENT_NETWORKS.ipv4],
      ['-6', CLIENT_NETWORKS.ipv6],
    ] as const) {
      for (const relation of ['root', 'match']) {
        const { said } = await runCommand(ip, [version, 'route', 'show', relation, network])
        const other = said
          .split('\n')
          .find((line) => line !== '' && !/^(default|unreachable) |starling-exit/.test(line))
        if (other === undefined) continue
        throw engineUnavailable(
          `a free ${network}`,
          `Clients have addresses of ${network}, and this machine a network there: ${other.trim()}. Use passt: packets = "passt"`,
          'the addresses of clients are those of a network of this machine',
        )
      }
    }
  }

  /** The rules, before there is anything that they hold back; then the settings. */
  async protect(): Promise<void> {
    const { nft } = this.#tools
    const { allowLocalAddresses, files } = this.#options
    // Without what is in its sets, which may be many addresses, but for one of them.
    const left = await runCommand(nft, ['-t', 'list', 'table', 'inet', TABLE])
    const guarded = await runCommand(nft, ['list', 'set', 'inet', TABLE, 'guarded'])
    const known = left.code === 0 ? beforeOf(left.said + guarded.said) : undefined
    const wanted = await this.#wantedSettings()
    // What a killed node has changed is as it wanted it already: what it was before, its table knows.
    this.#before = {
      settings: new Map([...wanted.changes.entries(), ...(known?.settings ?? [])]),
      interfaces: known?.interfaces ?? (await interfaces(files)),
    }
    this.#hasIpv6 = wanted.hasIpv6
    await mustRun(nft, [tunRules({ table: TABLE, device: DEVICE, before: this.#before, allowLocalAddresses })])
    for (const [version, network] of this.#networks()) {
      await mustRun(this.#tools.ip, [version, 'route', 'replace', 'unreachable', network, 'metric', LAST_METRIC])
    }
    // Interfaces before the whole: a router does not listen to routers, unless it is told to.
    for (const path of wanted.changes.keys()) await mustRun(...setting(path, ours(path)))
  }

  #networks(): readonly (readonly ['-4' | '-6', string])[] {
    const { ipv4, ipv6 } = CLIENT_NETWORKS
    return this.#hasIpv6
      ? [
          ['-4', ipv4],
          ['-6', ipv6],
        ]
      : [['-4', ipv4]]
  }

  /** Those that have to change, with what they hold now. */
  async #wantedSettings(): Promise<{ readonly changes: Map<string, string>; readonly hasIpv6: boolean }> {
    const { files } = this.#options
    const changes = new Map<string, string>()
    const ipv6 = await this.#read(FORWARDING.ipv6)
    if (ipv6 === '0') {
      for (const name of await files.list('/proc/sys/net/ipv6/conf')) {
        const path = `net/ipv6/conf/${name}/accept_ra`
        if (!['all', 'lo', DEVICE].includes(name) && (await this.#read(path)) === '1') changes.set(path, '1')
      }
      changes.set(FORWARDING.ipv6, '0')
    }
    if ((await this.#read(FORWARDING.ipv4)) === '0') changes.set(FORWARDING.ipv4, '0')
    return { changes, hasIpv6: ipv6 !== undefined }
  }

  async #read(path: string): Promise<string | undefined> {
    const bytes = await this.#options.files.read(`/proc/sys/${path}`)
    return bytes === undefined ? undefined : fromUtf8Lossy(bytes).trim()
  }

  async openDevice(): Promise<TunDevice> {
    const { socat, ip } = this.#tools
    const device = await openTunDevice(DEVICE, socat)
    try {
      // No address of the link, and no questions for routers there: nobody would answer.
      await mustRun(ip, ['link', 'set', DEVICE, 'addrgenmode', 'none', 'mtu', String(MTU), 'up'])
      // What the kernel says itself (too big, too many hops) it says as the router, and not as an address of this machine.
      await mustRun(ip, ['addr', 'add', `${formatIp(ROUTER_IPS.ipv4)}/32`, 'dev', DEVICE])
      await mustRun(ip, ['route', 'replace', CLIENT_NETWORKS.ipv4, 'dev', DEVICE])
      if (this.#hasIpv6) {
        await mustRun(ip, ['-6', 'addr', 'add', `${formatIp(ROUTER_IPS.ipv6)}/128`, 'dev', DEVICE, 'nodad'])
        await mustRun(ip, ['-6', 'route', 'replace', CLIENT_NETWORKS.ipv6, 'dev', DEVICE])
      }
      return device
    } catch (error) {
      await device.close()
      throw error
    }
  }

  async forget({ ipv4, ipv6 }: IpPair): Promise<void> {
    const families = [
      ['ipv4', ipv4],
      ['ipv6', ipv6],
    ] as const
    await Promise.all(
      families.map(async ([family, address]) => {
        // It fails as well where there was nothing to forget.
        const args = ['-D', '-f', family, '-s', formatIp(address)]
        const { code, said } = await runCommand(this.#tools.conntrack, args)
        if (code !== 0 && !/\b0 flow entries/.test(said)) throw commandFailed(this.#tools.conntrack, said)
      }),
    )
  }

  /**
   * What somebody else has set meanwhile stays. Who found forwarding switched on and relies on it has set nothing, and cannot be told from nobody:
   * it is switched off all the same, for a machine that forwards unasked is worse than one that stops.
   */
  async close(): Promise<void> {
    const { ip, conntrack } = this.#tools
    // Interfaces may have gone meanwhile.
    for (const [path, value] of [...this.#before.settings].reverse()) {
      if ((await this.#read(path).catch(() => undefined)) === ours(path)) await runCommand(...setting(path, value))
    }
    // While nothing for clients can leave yet: what is forgotten is not translated back any more, should the machine go on forwarding.
    for (const [version, network] of this.#networks()) {
      await runCommand(conntrack, ['-D', '-f', version === '-4' ? 'ipv4' : 'ipv6', '-s', network])
      await runCommand(ip, [version, 'route', 'del', 'unreachable', network, 'metric', LAST_METRIC])
    }
    await runCommand(this.#tools.nft, ['delete', 'table', 'inet', TABLE])
  }
}

/** Names of those there are, without loopback. */
async function interfaces(files: Pick<Files, 'read'>): Promise<string[]> {
  const table = fromUtf8Lossy((await files.read('/proc/net/dev')) ?? new Uint8Array(0))
  const names = [...table.matchAll(/^\s*([^\s:]+):/gm)].map(([, name]) => name as string)
  return names.filter((name) => name !== 'lo' && name !== DEVICE)
}

/** What a setting is while we run. */
const ours = (path: string): string => (path.endsWith('accept_ra') ? '2' : '1')

const setting = (path: string, value: string): [string, string[]] => [
  '/bin/sh',
  ['-c', 'echo "$2" > "/proc/sys/$1"', 'sh', path, value],
]
