/** Who is where in a simulated internet, and which link leads there. @module */

import { isIP } from 'node:net'
import { MixnetError } from '../../base/errors.ts'
import { machineError } from '../../base/machineError.ts'
import { millis } from '../../base/units.ts'
import type { Endpoint } from '../net.ts'
import type { Random } from '../random.ts'
import type { EventQueue } from './eventQueue.ts'
import type { Life, Machine, Service, ServiceKind } from './life.ts'
import { Link, type LinkShape, type Transmission } from './link.ts'
import { SimulatedRandom } from './simulatedRandom.ts'

const WILDCARDS = new Set(['0.0.0.0', '::', ''])
const LOOPBACK = /^(127\.|::1$)/
export const FIRST_EPHEMERAL_PORT = 49_152
const LAST_PORT = 65_535
/** From a machine to itself. */
const LOOPBACK_SHAPE: LinkShape = { latency: millis(0.02) }

export interface NetworkOptions {
  readonly seed: string
  readonly events: EventQueue
  /** The shape of a link nobody has shaped. */
  readonly shape: (from: string, to: string) => LinkShape
  readonly observe: (transmission: Transmission) => void
}

/** The way to a machine that may not exist. */
export interface Path {
  readonly ip: string
  readonly target: Machine | undefined
  readonly there: Link
  readonly back: Link
}

export class Network {
  readonly events: EventQueue
  readonly #options: NetworkOptions
  readonly #byIp = new Map<string, Machine>()
  readonly #byName = new Map<string, readonly string[]>()
  readonly #links = new Map<string, Link>()

  constructor(options: NetworkOptions) {
    this.events = options.events
    this.#options = options
  }

  add(machine: Machine): void {
    for (const ip of machine.ips) {
      if (this.#byIp.has(ip)) throw new MixnetError('BAD_ARGUMENT', { argument: 'ips', taken: ip })
      this.#byIp.set(ip, machine)
    }
    this.name(machine.name, machine.ips)
  }

  /** Makes `host` a name of these addresses. */
  name(host: string, ips: readonly string[]): void {
    this.#byName.set(host.toLowerCase(), ips)
  }

  resolve(host: string): readonly string[] {
    if (isIP(host) !== 0) return [host]
    if (host === 'localhost') return ['127.0.0.1']
    const ips = this.#byName.get(host.toLowerCase())
    if (ips === undefined || ips.length === 0) throw new MixnetError('HOST_UNKNOWN')
    return [...ips].sort((a, b) => isIP(a) - isIP(b))
  }

  /** The link between two machines by name; made when first asked for. */
  link(from: string, to: string): Link {
    const key = JSON.stringify([from, to])
    const known = this.#links.get(key)
    if (known) return known
    const { seed, events, shape, observe } = this.#options
    // Randomness per link: what happens on one leaves the others alone.
    const random: Random = new SimulatedRandom(seed, 'link', from, to)
    const ends = { from, to, shape: from === to ? LOOPBACK_SHAPE : shape(from, to) }
    const link = new Link(ends, { events, random, observe })
    this.#links.set(key, link)
    return link
  }

  /** From a process to `host`. Throws HOST_UNKNOWN, or CONNECTION_REFUSED for a source address that is not the machine's. */
  path(life: Life, host: string, localHost: string | undefined): Path & { readonly localIp: string } {
    const { machine } = life
    const [ip = host] = this.resolve(host)
    // 127.0.0.0/8 is the machine itself unless somebody was given the address.
    const target = this.#byIp.get(ip) ?? (LOOPBACK.test(ip) ? machine : undefined)
    const localIp = localHost ?? machine.ips.find((own) => isIP(own) === isIP(ip)) ?? '127.0.0.1'
    if (!machine.ips.includes(localIp) && !LOOPBACK.test(localIp)) {
      throw new MixnetError('CONNECTION_REFUSED', { system: 'EADDRNOTAVAIL' })
    }
    const there = this.link(machine.name, target?.name ?? ip)
    return { ip, target, there, back: this.link(there.to, machine.name), localIp }
  }

  /** What listens there now. */
  find<Accept>({ target, ip }: Path, port: number, kind: ServiceKind): Service<Accept> | undefined {
    const found = target?.services.get(port)?.find(({ host }) => WILDCARDS.has(host) || this.resolve(host).includes(ip))
    return found?.kind === kind ? (found as Service<Accept>) : undefined
  }

  listen<Accept>(life: Life, kind: ServiceKind, { host, port }: Endpoint, accept: Accept): Service<Accept> {
    const { machine } = life
    const own = WILDCARDS.has(host) || this.resolve(host).every((ip) => machine.ips.includes(ip) || LOOPBACK.test(ip))
    if (!own) throw new MixnetError('BAD_ARGUMENT', { argument: 'listen address', system: 'EADDRNOTAVAIL' })
    if (!Number.isInteger(port) || port < 0 || port > LAST_PORT)
      throw new MixnetError('BAD_ARGUMENT', { argument: 'port' })
    const chosen = port === 0 ? ephemeralPort(machine) : port
    const beside = machine.services.get(chosen) ?? []
    if (beside.some((other) => other.host === host || WILDCARDS.has(other.host) || WILDCARDS.has(host))) {
      throw machineError('ADDRESS_IN_USE')
    }
    const service: Service<Accept> = { kind, host, port: chosen, life, accept }
    machine.services.set(chosen, [...beside, service])
    return service
  }
}

/** The next port of the ephemeral range on which nothing listens. */
export function ephemeralPort(machine: Machine): number {
  for (;;) {
    const port = machine.nextPort
    machine.nextPort = port === LAST_PORT ? FIRST_EPHEMERAL_PORT : port + 1
    if (!machine.services.has(port)) return port
  }
}
