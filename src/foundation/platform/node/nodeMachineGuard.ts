/**
 * The table of nft that is the last word on what leaves a machine. There are two that say the same. One outlives us. The other is owned: Linux lets
 * nobody else change it while the process lives that made it, root neither, so it stands also where somebody flushes all of nft, as a firewall does
 * when it starts again; without it, packets that name an interface would leave until we had noticed. Kernels before 5.12 know no owners: there they
 * do. nft is kept running for it, since an owner is a socket of the kernel's. @module
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { mustRun, runCommand } from './nodeCommand.ts'

export const GUARD = 'starling_tunnel'
const HELD = 'starling_tunnel_held'
/** As often it is asked whether what was written to the one that holds is there. */
const TRIES = 100
const AGAIN_MS = 10
const END_LIMIT_MS = 1000

export interface Place {
  readonly family: '-4' | '-6'
  readonly address: string
  readonly port: number
}

export class MachineGuard {
  readonly #nft: string
  readonly #device: string
  readonly #user: number
  readonly #unheld: () => void
  #holder: ChildProcess | undefined
  /** Until the one that holds complains. */
  #knowsOwners = true

  /** `user` may go around, over `device` everybody may go. `unheld` hears that the owned one has ended by itself. */
  constructor(nft: string, device: string, user: number, unheld: () => void) {
    this.#nft = nft
    this.#device = device
    this.#user = user
    this.#unheld = unheld
  }

  /** Whether there is a trace of the one that outlives us. */
  async isThere(): Promise<boolean> {
    return (await runCommand(this.#nft, ['list', 'table', 'inet', GUARD])).code === 0
  }

  /** What is missing, as nft says it. */
  async fault(): Promise<string | undefined> {
    const { code, said } = await runCommand(this.#nft, ['list', 'chain', 'inet', GUARD, 'leaving'])
    if (code !== 0) return said
    // Flushed, or with another policy.
    if (!said.includes('policy drop') || !said.includes('skuid')) return `the table ${GUARD} was changed`
    return this.#holder === undefined ? `the table ${HELD} has no owner` : undefined
  }

  /** Replaces what there is at once, so that it is never not there. Throws ENGINE_FAILED. */
  async set(places: Iterable<Place>): Promise<void> {
    const all = [...places]
    const anew = [`add table inet ${GUARD}`, `delete table inet ${GUARD}`, `add table inet ${GUARD}`]
    await mustRun(this.#nft, [[...anew, ...this.#rules(GUARD, all)].join('\n')])
    if (this.#holder === undefined) await this.#hold(all)
    else for (const place of all) this.#write(element('add', HELD, place))
  }

  /** False where the table is not there any more. */
  async add(place: Place): Promise<boolean> {
    this.#write(element('add', HELD, place))
    await this.#untilTaken(element('get', HELD, place))
    return (await runCommand(this.#nft, [element('add', GUARD, place)])).code === 0
  }

  async remove(place: Place): Promise<void> {
    this.#write(element('delete', HELD, place))
    await runCommand(this.#nft, [element('delete', GUARD, place)])
  }

  /** Lets go of the one that is held; the other stays. */
  async leave(): Promise<void> {
    const holder = this.#holder
    this.#holder = undefined
    if (holder === undefined || holder.pid === undefined || holder.exitCode !== null || holder.signalCode !== null)
      return
    holder.stdin?.end()
    const late = setTimeout(() => holder.kill('SIGKILL'), END_LIMIT_MS)
    await once(holder, 'exit')
    clearTimeout(late)
  }

  async takeAway(): Promise<void> {
    await this.leave()
    await runCommand(this.#nft, ['delete', 'table', 'inet', GUARD])
  }

  /** Ends with us, however we end: its input closes. A session of its own, for no Ctrl-C is meant for it; and no home, where it would note what we say. */
  async #hold(places: readonly Place[]): Promise<void> {
    const holder = spawn(this.#nft, ['-i'], {
      stdio: ['pipe', 'ignore', 'pipe'],
      env: { HOME: '/dev/null' },
      detached: true,
    })
    this.#holder = holder
    this.#knowsOwners = true
    for (const stream of [holder.stdin, holder.stderr, holder]) stream.on('error', () => {})
    holder.stderr.once('data', () => {
      this.#knowsOwners = false
    })
    holder.once('exit', () => {
      if (this.#holder !== holder) return
      this.#holder = undefined
      this.#unheld()
    })
    this.#write([`add table inet ${HELD} { flags owner; }`, ...this.#rules(HELD, places)].join('; '))
    await this.#untilTaken(`list chain inet ${HELD} leaving`)
  }

  #write(command: string): void {
    this.#holder?.stdin?.write(`${command}\n`)
  }

  /** By the kernel: nobody tells us when it has what was written. */
  async #untilTaken(question: string): Promise<void> {
    for (let tries = 0; tries < TRIES && this.#holder !== undefined && this.#knowsOwners; tries++) {
      if ((await runCommand(this.#nft, [question])).code === 0) return
      await sleep(AGAIN_MS)
    }
  }

  /**
   * Looked at where packets leave, since only there is the device the one that another's rules (marks, translation) have come to. A packet without a
   * user is the kernel's: the end of a connection whose program is gone. What is forwarded has none either, and is not ours: it has its own chain.
   * Multicast reports are not let around, which tell the groups that programs listen to.
   */
  #rules(table: string, places: readonly Place[]): readonly string[] {
    const rule = (chain: string, text: string): string => `add rule inet ${table} ${chain} ${text}`
    return [
      `add set inet ${table} places4 { type ipv4_addr . inet_service; }`,
      `add set inet ${table} places6 { type ipv6_addr . inet_service; }`,
      `add chain inet ${table} leaving { type filter hook postrouting priority 300; policy drop; }`,
      `add chain inet ${table} forwarded { type filter hook forward priority 300; policy drop; }`,
      ...places.map((place) => element('add', table, place)),
      ...[
        `oifname { "lo", "${this.#device}" } accept`,
        'meta nfproto ipv4 udp sport 68 udp dport 67 accept',
        'meta nfproto ipv6 udp sport 546 udp dport 547 accept',
        'ip6 hoplimit 255 icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept',
        `meta skuid != ${this.#user} drop`,
        'ip daddr . tcp dport @places4 accept',
        'ip6 daddr . tcp dport @places6 accept',
      ].map((text) => rule('leaving', text)),
      rule('forwarded', `oifname "${this.#device}" accept`),
    ]
  }
}

const element = (how: 'add' | 'delete' | 'get', table: string, { family, address, port }: Place): string =>
  `${how} element inet ${table} ${family === '-4' ? 'places4' : 'places6'} { ${address} . ${port} }`
