/** What carries the IP packets of an exit's clients into the world: the program, and what it needs of the machine. @module */
import { fromUtf8Lossy } from '../../foundation/base/bytes.ts'
import type { Log } from '../../foundation/base/observe.ts'
import type { Files } from '../../foundation/platform/files.ts'
import { nodeProcesses } from '../../foundation/platform/node/nodeProcesses.ts'
import type { World } from '../../foundation/platform/world.ts'
import { openPasst } from '../../roles/exit/ip/passtWayOut.ts'
import { openTun } from '../../roles/exit/ip/tunWayOut.ts'
import type { WayOut } from '../../roles/exit/ip/wayOut.ts'
import { prepareTunMachine } from './tunMachine.ts'

const PING_GROUPS = '/proc/sys/net/ipv4/ping_group_range'
/** Of "nobody", which passt becomes where root starts it. */
const NOBODY = 65_534

export interface PacketEngineOptions {
  readonly engine: 'passt' | 'tun'
  /** Clients may reach the machine and its neighbours: for tests only. */
  readonly allowLocalAddresses: boolean
  readonly log: Log
}

/** Throws ENGINE_UNAVAILABLE; with a TUN, ENGINE_FAILED as well. */
export async function openPacketEngine(
  { files, clock, random }: Pick<World, 'clock' | 'random'> & { readonly files: Pick<Files, 'read'> },
  { engine: wanted, allowLocalAddresses, log }: PacketEngineOptions,
): Promise<WayOut> {
  if (wanted === 'tun') {
    const machine = await prepareTunMachine({ files, clock, allowLocalAddresses, log })
    try {
      return await openTun({ machine, log })
    } catch (error) {
      await machine.close()
      throw error
    }
  }
  const engine = await openPasst({
    processes: nodeProcesses,
    clock,
    random: random.stream('packet-ports'),
  })
  if (!(await mayPing(files))) {
    log.warn('packets.no-pings', { fix: 'sysctl -w net.ipv4.ping_group_range="0 2147483647"' })
  }
  return engine
}

/** Linux lets groups open ping sockets, and by default none. */
async function mayPing(files: Pick<Files, 'read'>): Promise<boolean> {
  const range = await files.read(PING_GROUPS).catch(() => undefined)
  if (range === undefined) return true
  const [first = 1, last = 0] = fromUtf8Lossy(range).trim().split(/\s+/).map(Number)
  return first <= NOBODY && NOBODY <= last
}
