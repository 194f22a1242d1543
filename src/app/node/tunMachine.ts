/**
 * What Linux needs to carry packets of an exit's clients through a device: the device, routes to it and to nowhere without it, forwarding
 * (tunForwarding.ts), and a table of rules around it (tunRules.ts). Nothing else is changed. All of it is taken back at the end; what a killed node has
 * left, the next one finds, goes on with and takes back. @module
 */
import { fromUtf8Lossy } from '../../foundation/base/bytes.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { formatIp } from '../../foundation/base/ipAddress.ts'
import type { Log } from '../../foundation/base/observe.ts'
import { millis, seconds } from '../../foundation/base/units.ts'
import type { Clock, Timer } from '../../foundation/platform/clock.ts'
import type { Files } from '../../foundation/platform/files.ts'
import { commandFailed, mustRun, runCommand } from '../../foundation/platform/node/nodeCommand.ts'
import { RuleWatch } from '../../foundation/platform/node/nodeRuleWatch.ts'
import {
  engineUnavailable,
  findTools,
  openTunDevice,
  untilNameIsFree,
} from '../../foundation/platform/node/nodeTunDevice.ts'
import type { TunDevice } from '../../foundation/platform/tunDevice.ts'
import type { IpPair } from '../../protocol/wire/exit/bincode.ts'
import { ROUTER_IPS } from '../../roles/exit/ip/addressPool.ts'
import type { TunMachine } from '../../roles/exit/ip/tunWayOut.ts'
import {
  type Before,
  hasIpv6,
  isIpv6Whole,
  type Plan,
  planForwarding,
  planReturn,
  renamed,
  UNTOUCHED,
} from './tunForwarding.ts'
import {
  beforeChange,
  beforeOf,
  CLIENT_NETWORKS,
  CONTENT_SETS,
  flowLimits,
  missingRules,
  tunRules,
} from './tunRules.ts'

export interface TunMachineOptions {
  readonly files: Pick<Files, 'read'>
  readonly clock: Clock
  /** Clients may reach the machine and its neighbours: for tests only. */
  readonly allowLocalAddresses: boolean
  readonly log: Log
}

type Tools = Readonly<Record<'socat' | 'ip' | 'nft' | 'conntrack', string>>

const DEVICE = 'starling-exit'
const TABLE = 'starling_exit'
const MTU = 1500
/** Of the route that is there when the device is not: any other of the same network goes first. */
const LAST_METRIC = '1000000'
const USE_PASST = 'Or use passt, which needs no rights: packets = "passt"'
const RIGHTS = `Run it as root, or let systemd give it: AmbientCapabilities=CAP_NET_ADMIN. ${USE_PASST}`
/** Others switch forwarding, and what we are told of (interfaces, rules that are gone) may be missed. */
const REVIEW_INTERVAL = seconds(10)
/** Between two times that rules are put back, or whoever takes them away again at once would have us do nothing else. */
const MEND_PAUSE = seconds(1)
const KERNEL_FLOWS = 'net/netfilter/nf_conntrack_max'
/** Names that nft takes as they are. */
const ORDINARY = /^[\w.-]{1,15}$/

/** As `ip monitor` writes of one that came, went or was renamed. */
const INTERFACE = /^(Deleted )?\d+: /

/** Throws ENGINE_UNAVAILABLE: what is missing, and how to get it; ENGINE_FAILED. */
export async function prepareTunMachine(options: TunMachineOptions): Promise<TunMachine> {
  const tools = await findTools(['socat', 'ip', 'nft', 'conntrack'], RIGHTS)
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
  #limits = flowLimits(undefined)
  #before = UNTOUCHED
  #hasIpv6 = false
  #isIpv6Whole = false
  #isClosed = false
  #timer: Timer | undefined
  readonly #watch: RuleWatch
  /** Something has changed, it seems, and nobody has looked yet. */
  #isToLook = false
  #mendedAt = Number.NEGATIVE_INFINITY
  /** By index, which they keep, as they were called when we looked last. */
  #names: ReadonlyMap<number, string> = new Map()
  /** Changes of the rules and settings, one after the other. */
  #turn: Promise<void> = Promise.resolve()

  constructor(options: TunMachineOptions, tools: Tools) {
    this.#options = options
    this.#tools = tools
    const isOurs = (line: string): boolean => line.includes(TABLE) || INTERFACE.test(line)
    this.#watch = new RuleWatch(tools, ['link'], isOurs, () => this.#lookSoon())
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
    this.#hasIpv6 = await hasIpv6(this.#read)
    this.#isIpv6Whole = await isIpv6Whole(this.#read)
    await this.#limitFlows()
    // Without what is in its sets, which may be many addresses, but for two of them.
    const left = await runCommand(nft, ['-t', 'list', 'table', 'inet', TABLE])
    if (left.code === 0) {
      const sets = ['guarded4', 'guarded6'].map((set) => runCommand(nft, ['list', 'set', 'inet', TABLE, set]))
      this.#before = beforeOf(left.said + (await Promise.all(sets)).map(({ said }) => said).join(''))
    }
    await this.#putTable()
    for (const [version, network] of this.#networks()) {
      await mustRun(this.#tools.ip, [version, 'route', 'replace', 'unreachable', network, 'metric', LAST_METRIC])
    }
    this.#watch.start()
    await this.#settle()
    this.#scheduleReview()
  }

  /** The table of connections is the machine's. Asking for their number loads what knows of them. */
  async #limitFlows(): Promise<void> {
    await mustRun(this.#tools.conntrack, ['--count'])
    const kernel = await this.#read(KERNEL_FLOWS)
    this.#limits = flowLimits(kernel === undefined ? undefined : Number(kernel))
    const { total, ofClient } = this.#limits
    if (total === flowLimits(undefined).total) return
    const fix = `sysctl -w net.netfilter.nf_conntrack_max=${2 * flowLimits(undefined).total}`
    this.#options.log.warn('packets.few-flows', { kernel, total, ofClient, fix })
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

  readonly #read = async (path: string): Promise<string | undefined> => {
    // An interface may go while it is looked at.
    const bytes = await this.#options.files.read(`/proc/sys/${path}`).catch(() => undefined)
    return bytes === undefined ? undefined : fromUtf8Lossy(bytes).trim()
  }

  /** Names of those there are, by index, without loopback. Throws ENGINE_FAILED. */
  async #interfaces(): Promise<Map<number, string>> {
    const { ip } = this.#tools
    // One by one, in lines: an interface that another calls strangely does not make all of it unreadable.
    const { code, said } = await runCommand(ip, ['-o', 'link', 'show'])
    if (code !== 0) throw commandFailed(ip, said)
    const all = [...said.matchAll(/^(\d+): ([^\s:@]+)/gm)].map(
      ([, index, name]) => [Number(index), name as string] as const,
    )
    return new Map(all.filter(([, name]) => name !== 'lo' && ORDINARY.test(name)))
  }

  #rules(): string {
    const { allowLocalAddresses } = this.#options
    const [before, limits, whole] = [this.#before, this.#limits, this.#isIpv6Whole]
    return tunRules({ table: TABLE, device: DEVICE, before, limits, isIpv6Whole: whole, allowLocalAddresses })
  }

  #putTable(): Promise<void> {
    return mustRun(this.#tools.nft, [this.#rules()])
  }

  #settle(): Promise<void> {
    return this.#inTurn(() => this.#settleNow())
  }

  /** Forwarding as it has to be now, and the guard of it first. Throws ENGINE_FAILED. */
  async #settleNow(): Promise<void> {
    const interfaces = await this.#interfaces()
    const names = new Map<string, string>()
    for (const [index, name] of this.#names) names.set(name, interfaces.get(index) ?? name)
    const before = renamed(this.#before, names)
    const plan = await planForwarding(this.#read, [...interfaces.values()], DEVICE, before)
    await this.#remember(plan.before)
    this.#names = interfaces
    await this.#write(plan.changes, mustRun)
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => {})
    return done
  }

  async #remember(before: Before): Promise<void> {
    const change = beforeChange(TABLE, this.#before, before)
    if (change !== '') await mustRun(this.#tools.nft, [change])
    this.#before = before
  }

  async #write(
    changes: Plan['changes'],
    run: (program: string, args: readonly string[]) => Promise<unknown>,
  ): Promise<void> {
    for (const [path, value] of changes) {
      await run('/bin/sh', ['-c', 'echo "$2" > "/proc/sys/$1"', 'sh', path, value])
    }
  }

  #scheduleReview(): void {
    if (this.#isClosed) return
    this.#timer = this.#options.clock.after(REVIEW_INTERVAL, () => void this.#review())
  }

  async #review(): Promise<void> {
    await this.#inTurn(() => this.#look())
    this.#scheduleReview()
  }

  #lookSoon(): void {
    if (this.#isToLook || this.#isClosed) return
    this.#isToLook = true
    const { clock } = this.#options
    const pause = Math.max(0, this.#mendedAt + MEND_PAUSE - clock.monotonic())
    clock.after(millis(pause), () => void this.#inTurn(() => this.#look()))
  }

  async #look(): Promise<void> {
    // What comes from now on is looked at again.
    this.#isToLook = false
    if (this.#isClosed) return
    try {
      await this.#putBackTable()
      await this.#settleNow()
    } catch (error) {
      if (!isMixnetError(error)) throw error
      this.#options.log.warn('packets.not-settled', { code: error.code, said: String(error.details.said ?? '') })
    }
  }

  /** Without it packets would leave with addresses of clients, and the machine be a router for everybody. Throws ENGINE_FAILED. */
  async #putBackTable(): Promise<void> {
    const missing = await this.#missing()
    if (missing === undefined) return
    this.#mendedAt = this.#options.clock.monotonic()
    const next = 'put back: something has flushed the rules of this machine'
    this.#options.log.warn('packets.rules-gone', { missing, next })
    try {
      await this.#putTable()
    } catch (error) {
      // Better no exit than a router for everybody. It is switched on again when there are rules again.
      await this.#write(await planReturn(this.#read, this.#before), runCommand)
      throw error
    }
  }

  /** What of the table is not there, as it may be without its rules; undefined where all is. */
  async #missing(): Promise<string | undefined> {
    const { nft } = this.#tools
    // One by one: nft 1.0.6 finds only the first of several.
    const questions = [
      ['-t', 'list', 'table', 'inet', TABLE],
      ...CONTENT_SETS.map((set) => ['list', 'set', 'inet', TABLE, set]),
    ]
    const listings = await Promise.all(questions.map((question) => runCommand(nft, question)))
    if (listings.some(({ code }) => code !== 0)) return 'the table'
    return missingRules(this.#rules(), this.#before, listings.map(({ said }) => said).join(''))
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
      await this.#settle()
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

  /** What another has switched meanwhile is looked at once more. */
  async close(): Promise<void> {
    const { ip, nft, conntrack } = this.#tools
    this.#isClosed = true
    this.#timer?.cancel()
    await this.#watch.stop()
    await this.#settle().catch(() => {})
    await this.#write(await planReturn(this.#read, this.#before), runCommand)
    // While nothing for clients can leave yet: what is forgotten is not translated back any more, should the machine go on forwarding.
    for (const [version, network] of this.#networks()) {
      await runCommand(conntrack, ['-D', '-f', version === '-4' ? 'ipv4' : 'ipv6', '-s', network])
      await runCommand(ip, [version, 'route', 'del', 'unreachable', network, 'metric', LAST_METRIC])
    }
    await runCommand(nft, ['delete', 'table', 'inet', TABLE])
  }
}
