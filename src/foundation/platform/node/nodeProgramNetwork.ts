/**
 * Network namespaces of Linux, without root where the kernel allows user namespaces. Inside is a TUN device and nothing else; a pump (packetPump.ts)
 * in there carries its packets to us over a socket that it was born with. What else would reach out by a path is covered: the sockets of name service
 * caches, over which a program's questions for names would be asked by somebody outside, of the buses of the system and of the user, and of what
 * fetches keys, images and packages for others. Its processes are the only ones that it sees, where the system lets us mount that. @module
 */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { constants as osConstants } from 'node:os'
import { machineError } from '../../base/machineError.ts'
import type { ProgramNetwork } from '../programNetwork.ts'
import { PUMP, PUMP_ENV, PumpStream } from './nodePump.ts'
import { TcpConnection } from './nodeTcp.ts'
import { findTools, TOOL_FOLDERS } from './nodeTunDevice.ts'

export const MTU = 1500
export const PROGRAMS = { ipv4: '10.64.0.2', ipv6: 'fd5a:7e1a::2' }
export const ROUTER = { ipv4: '10.64.0.1', ipv6: 'fd5a:7e1a::1' }
const START_LIMIT_MS = 10_000
/** How a shell says that Ctrl-C has ended something. */
const INTERRUPTED = 130
/** What is prepared is prepared with the system's programs, whatever the user's PATH names first. */
const OUR_PATH = TOOL_FOLDERS.join(':')
/** A folder that is there, and that nobody looks into while it is another's. */
const NAMES = '/dev/net'

/**
 * Runs inside, as the namespace's root and its first process, which passes no signal on: so the program is its child and not itself. $1 to $3: Node,
 * the pump, and how socat becomes it; then how the program is started. The pump has file descriptor 4, which the program has not. It is in a
 * session of its own, where no Ctrl-C for the program ends it, and when it ends we are told. When our end of file descriptor 3 closes, we are gone, and
 * programs are told so as by a terminal that closes. Whoever is nobody special outside is so again before the program starts, and cannot change the
 * namespace.
 */
const SETUP = `
set -e
# Nothing has started yet that could want it.
trap 'exit ${INTERRUPTED}' INT
ip link set lo up
{ setsid env -i PATH="$PATH" \${LD_LIBRARY_PATH+LD_LIBRARY_PATH="$LD_LIBRARY_PATH"} STARLING_NODE="$1" STARLING_PUMP="$2" \\
  socat TUN,tun-name=starling,iff-no-pi "$3" 3<&4 4<&- || :; echo lost >&3; } &
exec 4<&-
shift 3
tries=0
until ip link show starling >/dev/null 2>&1; do
  tries=$((tries + 1)); [ $tries -lt 200 ] || exit 125
  sleep 0.02
done
ip addr add ${PROGRAMS.ipv4}/30 dev starling
ip -6 addr add ${PROGRAMS.ipv6}/126 dev starling nodad 2>/dev/null || true
# Linux lets groups ping, and in a new network none of them.
echo "0 0" 2>/dev/null >/proc/sys/net/ipv4/ping_group_range || true
ip link set starling mtu ${MTU} up
ip route add default via ${ROUTER.ipv4} dev starling
ip -6 route add default via ${ROUTER.ipv6} dev starling 2>/dev/null || true
mount -t tmpfs -o size=64k,mode=755 names ${NAMES}
# The second name is what systemd has /etc/resolv.conf lead to.
printf 'nameserver ${ROUTER.ipv4}\\noptions timeout:10 attempts:3\\n' | tee ${NAMES}/resolv.conf >${NAMES}/stub-resolv.conf
for way in /run/nscd /var/run/nscd /run/systemd/resolve /run/avahi-daemon /run/dbus; do
  [ ! -d "$way" ] || mount --bind ${NAMES} "$way"
done
for way in /run/user/*/bus /run/user/*/gnupg /run/user/*/systemd /run/user/*/docker.sock /run/user/*/podman /run/docker.sock /run/podman /run/containerd /run/snapd.socket; do
  if [ -d "$way" ]; then mount --bind ${NAMES} "$way"
  elif [ -e "$way" ]; then mount --bind /dev/null "$way"; fi
done
mount --bind ${NAMES}/resolv.conf /etc/resolv.conf
umount ${NAMES}
mount -t proc proc /proc 2>/dev/null || true
echo ready >&3
{ cat <&3; kill -HUP -1; } >/dev/null 2>&1 </dev/null &
exec 3>&-
set +e
# Ctrl-C is the program's, and how it ends then is how this ends.
trap : INT
`

/** Throws ENGINE_UNAVAILABLE: what is missing, and what installs it; ENGINE_FAILED where the system does not let us. */
export async function openProgramNetwork(): Promise<ProgramNetwork> {
  const { unshare } = await findTools(['socat', 'unshare', 'setsid', 'ip', 'mount'])
  return new NodeProgramNetwork(unshare)
}

/** A bus of the user may be at any path, and whoever answers there fetches what it is asked to from outside. */
function withoutBus(): NodeJS.ProcessEnv {
  const { DBUS_SESSION_BUS_ADDRESS: _, DBUS_SYSTEM_BUS_ADDRESS: __, ...env } = process.env
  return { ...env, PATH: OUR_PATH }
}

/** Inside: by itself, so that no word of it is one of the shell's own, and with the user's PATH. $1: that; then the program. */
const startProgram = (unshare: string, asWhom: readonly string[]): string => {
  const path = process.env.PATH === undefined ? 'unset PATH; shift' : 'export PATH="$1"; shift'
  return `${path}; ${[unshare, ...asWhom].join(' ')} -- "$@"`
}

class NodeProgramNetwork implements ProgramNetwork {
  readonly mtu = MTU
  readonly programs = PROGRAMS
  readonly router = ROUTER
  readonly #unshare: string
  #child: ChildProcess | undefined
  #packets: PumpStream | undefined
  #handler: (packet: Uint8Array) => void = () => {}

  constructor(unshare: string) {
    this.#unshare = unshare
  }

  onPacket(handler: (packet: Uint8Array) => void): void {
    this.#handler = handler
  }

  send(packet: Uint8Array): void {
    this.#packets?.send(packet)
  }

  async run(command: readonly string[]): Promise<number> {
    const isRoot = process.getuid?.() === 0
    // Back to who we are: what runs inside must not be able to change what is around it.
    const asWhom = isRoot ? [] : ['--user', `--map-user=${process.getuid?.()}`, `--map-group=${process.getgid?.()}`]
    const asRoot = isRoot ? [] : ['--user', '--map-root-user']
    const script = `${SETUP}${startProgram(this.#unshare, asWhom)}`
    const pump = [PUMP_ENV.STARLING_NODE, PUMP_ENV.STARLING_PUMP, PUMP]
    const child = spawn(
      this.#unshare,
      [
        ...[...asRoot, '--net', '--mount', '--pid', '--fork', '--kill-child'],
        ...['/bin/sh', '-c', script, 'sh', ...pump, process.env.PATH ?? '', ...command],
      ],
      { stdio: ['inherit', 'inherit', 'inherit', 'pipe', 'pipe'], env: withoutBus() },
    )
    this.#child = child
    const ended = new Promise<number>((resolve, reject) => {
      child.once('error', reject)
      // Not at its exit: a program that ends at once is read as ready only after that.
      child.once('close', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : osConstants.signals[signal])))
    }).finally(() => {
      this.#child = undefined
    })
    const [, , , words, packets] = child.stdio as readonly (Socket | null | undefined)[]
    if (packets) this.#packets = new PumpStream(new TcpConnection(packets), (packet) => this.#handler(packet))
    let said = ''
    let isReady = false
    let isLost = false
    words?.on('data', (chunk) => {
      said += chunk
      isReady = said.includes('ready')
      isLost = isReady && said.includes('lost')
      if (isLost) child.kill('SIGKILL')
    })
    const late = setTimeout(() => {
      if (!isReady) child.kill('SIGKILL')
    }, START_LIMIT_MS)
    const code = await ended.finally(() => clearTimeout(late))
    if (isLost) {
      throw machineError(
        'ENGINE_FAILED',
        { engine: 'socat' },
        {
          message: 'the pump, which carried the packets of the program, has ended',
          nextStep: 'Run it again: nothing has left in another way.',
        },
      )
    }
    // Whoever interrupts what prepares it has not met a system that does not let us.
    if (!isReady && code !== INTERRUPTED) {
      const nextStep = isRoot
        ? 'Look whether "unshare --net --mount true" works here.'
        : 'User namespaces may be forbidden: sysctl kernel.unprivileged_userns_clone=1 and, on Ubuntu, kernel.apparmor_restrict_unprivileged_userns=0.'
      throw machineError('ENGINE_FAILED', { code }, { message: 'no network namespace could be made', nextStep })
    }
    return code
  }

  hangUp(): void {
    // Inside, it is waited for that nobody holds the other end any more.
    this.#child?.stdio[3]?.destroy()
  }

  async close(): Promise<void> {
    this.#child?.kill('SIGKILL')
  }
}
