/**
 * TUN devices of Linux. Node can open none, for that takes an ioctl: socat does, and becomes the pump (packetPump.ts), which carries packets between
 * the device and us until either is gone. The kernel removes the device with it. @module
 */
import { access, constants, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { MixnetError } from '../../base/errors.ts'
import { machineError } from '../../base/machineError.ts'
import { seconds } from '../../base/units.ts'
import type { Channel, ChildProcess } from '../processes.ts'
import type { TunDevice } from '../tunDevice.ts'
import { inheritedEnv, nodeProcesses } from './nodeProcesses.ts'
import { PUMP, PUMP_ENV, PumpStream } from './nodePump.ts'

const START_LIMIT_MS = 20_000
/** One that the device of a killed process may take to go, on a busy machine. */
const OLD_LIMIT_MS = 8000
const LOOK_AGAIN_MS = 20
const STOP_GRACE = seconds(2)

const TOOLS = {
  socat: 'socat',
  unshare: 'util-linux',
  setsid: 'util-linux',
  mount: 'mount',
  ip: 'iproute2',
  nft: 'nftables',
  conntrack: 'conntrack',
} as const
export type Tool = keyof typeof TOOLS
export const TOOL_FOLDERS: readonly string[] = ['/usr/sbin', '/usr/bin', '/sbin', '/bin']

export const engineUnavailable = (
  missing: string,
  nextStep: string,
  message = 'something is missing on this machine',
): MixnetError => machineError('ENGINE_UNAVAILABLE', { missing }, { message, nextStep })

/**
 * The paths of these programs. `rights`: what to do where the right to make devices of this machine is needed, and is not there. Throws
 * ENGINE_UNAVAILABLE with the command that installs all that are not there, or says what is wrong with the rights or the device.
 */
export async function findTools<T extends Tool>(
  tools: readonly T[],
  rights?: string,
): Promise<Readonly<Record<T, string>>> {
  if (process.platform !== 'linux') {
    throw engineUnavailable('network devices of Linux', 'Run it on Linux.')
  }
  const found: Partial<Record<T, string>> = {}
  const missing: T[] = []
  for (const tool of tools) {
    const path = await firstThere(TOOL_FOLDERS.map((folder) => `${folder}/${tool}`))
    if (path === undefined) missing.push(tool)
    else found[tool] = path
  }
  if (missing.length > 0) {
    const packages = new Set(missing.map((tool) => TOOLS[tool]))
    throw engineUnavailable(missing.join(', '), `On Debian: apt install ${[...packages].join(' ')}`)
  }
  // Before the device: who may not use it would be told how he may, in vain.
  if (rights !== undefined && !(await mayAdministrate())) {
    throw engineUnavailable('CAP_NET_ADMIN', rights, 'this process may not make network devices')
  }
  await checkDevice()
  return found as Record<T, string>
}

const isThere = (path: string, mode: number): Promise<boolean> =>
  access(path, mode).then(
    () => true,
    () => false,
  )

async function firstThere(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (await isThere(path, constants.X_OK)) return path
  return undefined
}

/** Throws ENGINE_UNAVAILABLE. */
async function checkDevice(): Promise<void> {
  const device = '/dev/net/tun'
  if (!(await isThere(device, constants.F_OK))) {
    throw engineUnavailable(
      device,
      `As root: modprobe tun; in a container, start it with --device ${device}`,
      'this machine has no device for packets',
    )
  }
  if (!(await isThere(device, constants.R_OK | constants.W_OK))) {
    throw engineUnavailable(device, `As root: chmod 666 ${device}`, 'you may not use the device for packets')
  }
}

const CAP_NET_ADMIN = 12n

/** Root may lack it too, in a container. */
export async function mayAdministrate(): Promise<boolean> {
  const [, effective = '0'] = /^CapEff:\s*([0-9a-f]+)$/m.exec(await readFile('/proc/self/status', 'utf8')) ?? []
  return ((BigInt(`0x${effective}`) >> CAP_NET_ADMIN) & 1n) === 1n
}

/** Waits until nobody has a device of that name: that of a killed process is gone soon. Throws ENGINE_UNAVAILABLE where it stays. */
export async function untilNameIsFree(name: string): Promise<void> {
  if (await until(OLD_LIMIT_MS, async () => !(await hasInterface(name)))) return
  throw engineUnavailable(
    `device ${name}`,
    `Stop that program first. "ip -d link show ${name}" describes its device.`,
    'another program of this machine has the network device that is needed',
  )
}

/** Makes a device of that name, which is down and has no addresses. Throws ENGINE_UNAVAILABLE where another program has it, ENGINE_FAILED. */
export async function openTunDevice(name: string, socat: string): Promise<TunDevice> {
  await untilNameIsFree(name)
  const pump = await nodeProcesses.start({
    program: socat,
    args: [`TUN,tun-name=${name},iff-no-pi`, PUMP],
    env: { ...inheritedEnv(), ...PUMP_ENV },
    channel: true,
  })
  if (pump.channel === undefined) throw new MixnetError('INTERNAL', { what: 'no channel' })
  const device = new PumpedDevice(pump, pump.channel)
  if (await device.starts(START_LIMIT_MS)) return device
  await device.close()
  throw machineError(
    'ENGINE_FAILED',
    { device: name, said: pump.output().trim().slice(-200) },
    { message: 'no device for packets could be made', nextStep: 'See what socat says, in the details.' },
  )
}

/** In the network that we are in, which need not be the one that /sys shows. */
export async function hasInterface(name: string): Promise<boolean> {
  return (await readFile('/proc/self/net/dev', 'utf8'))
    .split('\n')
    .some((line) => line.trimStart().startsWith(`${name}:`))
}

async function until(limitMs: number, holds: () => Promise<boolean>): Promise<boolean> {
  for (let waited = 0; waited < limitMs; waited += LOOK_AGAIN_MS) {
    if (await holds()) return true
    await sleep(LOOK_AGAIN_MS)
  }
  return false
}

class PumpedDevice implements TunDevice {
  readonly ended: Promise<void>
  readonly #pump: ChildProcess
  readonly #packets: PumpStream
  #handler: (packet: Uint8Array) => void = () => {}
  #isOver = false

  constructor(pump: ChildProcess, channel: Channel) {
    this.#pump = pump
    // A pump that has closed its end is of no use any more, whether it knows or not.
    const closed = (): void => void pump.stop(STOP_GRACE)
    this.#packets = new PumpStream(channel, (packet) => this.#handler(packet), closed)
    this.ended = pump.ended.then(() => {
      this.#isOver = true
    })
  }

  async starts(limitMs: number): Promise<boolean> {
    const late = Promise.withResolvers<false>()
    const timer = setTimeout(() => late.resolve(false), limitMs)
    const started = this.#packets.started.then(() => true)
    return await Promise.race([started, this.ended.then(() => false), late.promise]).finally(() => clearTimeout(timer))
  }

  onPacket(handler: (packet: Uint8Array) => void): void {
    this.#handler = handler
  }

  send(packet: Uint8Array): boolean {
    return !this.#isOver && this.#packets.send(packet)
  }

  async close(): Promise<void> {
    await this.#pump.stop(STOP_GRACE)
    await this.ended
  }
}
