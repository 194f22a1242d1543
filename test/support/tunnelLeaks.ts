/**
 * Ways to say something on the cable of test/inside/tunnel.inside.ts past its tunnel, and an ear at the other end. Each goes to a port of its own, so
 * that what is heard tells which way it went. @module
 */
import { spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { WorldNamespace } from './worldNamespace.ts'

const BOUND = 'so-bindtodevice=cable'
const NOBODY = ['setpriv', '--reuid', '65534', '--clear-groups']

/** What may be heard: connections to the places, questions for an address, and who is where among neighbours, of whom only the places are sought. */
const ALLOWED = [
  /^IP 9\.9\.9\.1\.\d+ > 9\.9\.9\.2\.7000: Flags/,
  /^IP6 2600::1\.\d+ > 2600::2\.7000: Flags/,
  /^IP 9\.9\.9\.1\.68 > 9\.9\.9\.255\.67: /,
  /^ARP, Request who-has 9\.9\.9\.2 /,
  /^ARP, Reply 9\.9\.9\.1 is-at/,
  /ICMP6, neighbor solicitation, who has (2600::2|fe80::[0-9a-f:]+),/,
  /ICMP6, (neighbor advertisement|router solicitation),/,
]

type Way = (port: number) => Promise<void> | void

/** One that is stopped has said it, or has asked for its neighbour, long before. */
function socat(to: string, user: readonly string[] = []): void {
  const [program = 'socat', ...args] = [...user, 'socat', '-u', '-', to]
  spawnSync(program, args, { input: 'secret', timeout: 3000, killSignal: 'SIGKILL' })
}

function send(type: 'udp4' | 'udp6', to: string, port: number, from: string, prepare = false): Promise<void> {
  return new Promise((resolve) => {
    const socket = createSocket(type)
    const end = (): void => {
      socket.close(() => resolve())
    }
    socket.once('error', end)
    socket.bind({ address: type === 'udp4' ? from : '::', port: prepare ? 68 : 0 }, () => {
      if (type === 'udp4') socket.setBroadcast(true)
      if (type === 'udp6') socket.setMulticastInterface(from)
      socket.send('secret', port, to, end)
    })
  })
}

/** As the kernel wants the interface of IP_UNICAST_IF: in the order of the network. */
function unicastIf(): number {
  const [, index = '0'] =
    /^ifindex=?\s*(\d+)/m.exec(readFileSync('/sys/class/net/cable/uevent', 'utf8').toLowerCase()) ?? []
  return Number(index) << 24
}

const WAYS: Readonly<Record<string, Way>> = {
  'bound, neighbour': (port) => socat(`UDP4-SENDTO:9.9.9.3:${port},${BOUND}`),
  'bound, far': (port) => socat(`UDP4-SENDTO:8.8.4.4:${port},${BOUND}`),
  'bound, connection': (port) => socat(`TCP4:9.9.9.3:${port},${BOUND},connect-timeout=1`),
  'bound, a place, another user': (port) =>
    socat(`TCP4:9.9.9.2:7000,sourceport=${port},${BOUND},connect-timeout=1`, NOBODY),
  'bound, a place, no connection': (port) => socat(`UDP4-SENDTO:9.9.9.2:${port},${BOUND}`),
  unicast_if: (port) => socat(`UDP4-SENDTO:9.9.9.3:${port},setsockopt-int=0:50:${unicastIf()}`),
  'its address': (port) => send('udp4', '9.9.9.3', port, '9.9.9.1'),
  'IPv6: bound, neighbour': (port) => socat(`UDP6-SENDTO:[2600::2]:${port},${BOUND}`),
  'IPv6: bound, far': (port) => socat(`UDP6-SENDTO:[2620::9]:${port},${BOUND}`),
  'IPv6: bound, connection': (port) => socat(`TCP6:[2600::2]:${port},${BOUND},connect-timeout=1`),
  'IPv6: unicast_if': (port) => socat(`UDP6-SENDTO:[2620::9]:${port},setsockopt-int=41:76:${unicastIf()}`),
  'multicast (mDNS)': (port) => send('udp4', '224.0.0.251', port, '9.9.9.1'),
  'multicast (SSDP)': (port) => send('udp4', '239.255.255.250', port, '9.9.9.1'),
  broadcast: (port) => send('udp4', '9.9.9.255', port, '9.9.9.1'),
  'broadcast to all': (port) => send('udp4', '255.255.255.255', port, '9.9.9.1'),
  'IPv6: multicast (mDNS)': (port) => send('udp6', 'ff02::fb', port, '::%cable'),
  "another's rule in front": (port) => socat(`UDP4-SENDTO:9.9.9.4:${port}`),
  "another's mark": (port) => socat(`UDP4-SENDTO:9.9.9.5:${port}`),
}
const FIRST_PORT = 7101

export class TunnelLeaks {
  readonly names: readonly string[] = Object.keys(WAYS)
  /** What came in at the other end, as tcpdump says it. */
  readonly lines: string[] = []
  readonly #outside: WorldNamespace
  #knock: () => Promise<boolean> = () => Promise.resolve(false)

  constructor(outside: WorldNamespace) {
    this.#outside = outside
  }

  /** `knock` is a connection that may be heard. */
  async start(knock: () => Promise<boolean>): Promise<void> {
    this.#knock = knock
    const how = ['-Z', 'root', '-tlnni', 'up0', '-Q', 'in', '-s', '200', '--immediate-mode']
    const tcpdump = this.#outside.start('tcpdump', ...how)
    createInterface({ input: tcpdump.stdout as NodeJS.ReadableStream }).on('line', (line) => this.lines.push(line))
    for (let tries = 0; this.lines.length === 0; tries++) {
      if (tries === 100) throw new Error('nothing is heard')
      await knock()
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  forget(): void {
    this.lines.length = 0
  }

  async tryAll(): Promise<void> {
    for (const [index, way] of Object.values(WAYS).entries()) await way(FIRST_PORT + index)
  }

  /** As a DHCP client does. */
  async askForAddress(): Promise<void> {
    await send('udp4', '9.9.9.255', 67, '9.9.9.1', true)
  }

  /** The ways by which something was heard. */
  found(): string[] {
    return this.names.filter((_, index) => {
      const port = new RegExp(`\\.${FIRST_PORT + index}[: ]`)
      return this.lines.some((line) => port.test(line))
    })
  }

  /** What was heard and should not have been, once everything that was sent before is here. */
  async strange(): Promise<string[]> {
    const had = this.lines.length
    const isHere = (): boolean => this.lines.slice(had).some((line) => /9\.9\.9\.2\.7000: Flags \[S\]/.test(line))
    for (let tries = 0; !isHere(); tries++) {
      if (tries === 100) throw new Error('the ear is deaf')
      await this.#knock()
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    return this.lines.filter((line) => !ALLOWED.some((allowed) => allowed.test(line)))
  }
}
