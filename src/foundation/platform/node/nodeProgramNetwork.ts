/**
 * Network namespaces of Linux, without root where the kernel allows user namespaces. Inside is a TUN device and nothing else; socat holds it and
 * speaks datagrams over UNIX sockets, which reach out of a namespace by their path, to a second socat that hands them to us. Two, because Node can
 * make neither the device nor such a socket. What else would reach out by a path is covered: the sockets of name service caches, over which a
 * program's questions for names would be asked by somebody outside, of the buses of the system and of the user, and of what fetches keys, images
 * and packages for others. Its processes are the only ones that it sees, where the system lets us mount that. @module
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { constants as osConstants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { machineError } from '../../base/machineError.ts'
import type { ProgramNetwork } from '../programNetwork.ts'
import { findTools, TOOL_FOLDERS } from './nodeTunDevice.ts'

export const MTU = 1500
export const PROGRAMS = { ipv4: '10.64.0.2', ipv6: 'fd5a:7e1a::2' }
export const ROUTER = { ipv4: '10.64.0.1', ipv6: 'fd5a:7e1a::1' }
/** socat's buffer: a packet is one datagram. */
const BUFFER_BYTES = 65_536
const LOOPBACK = '127.0.0.1'
const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024
const START_LIMIT_MS = 10_000
const END_LIMIT_MS = 2000
/** How a shell says that Ctrl-C has ended something. */
const INTERRUPTED = 130
/** What is prepared is prepared with the system's programs, whatever the user's PATH names first. */
const OUR_PATH = TOOL_FOLDERS.join(':')
const RESOLV_CONF = `nameserver ${ROUTER.ipv4}\noptions timeout:10 attempts:3\n`
/** When we are gone, for the kernel closes our end of the pipe, the relay ends and leaves nothing; and where socat ends, the relay does. */
const RELAY = `
folder=$1; shift
exec 3<&0
socat "$@" 3<&- &
relay=$!
{ cat <&3 >/dev/null; kill $relay; } &
exec 3<&-
wait $relay
rm -rf "$folder"`

/**
 * Runs inside, as the namespace's root and its first process, which passes no signal on: so the program is its child and not itself. $1: folder;
 * then how the program is started. socat is in a session of its own, where no Ctrl-C for the program ends it, and when it ends we are told. When our end of file descriptor 3 closes, we are gone, and programs are told so as by a terminal that closes. Whoever is
 * nobody special outside is so again before the program starts, and cannot change the namespace.
 */
const SETUP = `
set -e
# Nothing has started yet that could want it.
trap 'exit ${INTERRUPTED}' INT
folder=$1; shift
ip link set lo up
{ setsid socat -b ${BUFFER_BYTES} TUN,tun-name=starling,iff-no-pi "UNIX-SENDTO:$folder/out,bind=$folder/in" 3>&- || :; echo lost >&3; } &
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
for way in /run/nscd /var/run/nscd /run/systemd/resolve /run/avahi-daemon /run/dbus; do
  [ ! -d "$way" ] || mount --bind "$folder/names" "$way"
done
for way in /run/user/*/bus /run/user/*/gnupg /run/user/*/systemd /run/user/*/docker.sock /run/user/*/podman /run/docker.sock /run/podman /run/containerd /run/snapd.socket; do
  if [ -d "$way" ]; then mount --bind "$folder/names" "$way"
  elif [ -e "$way" ]; then mount --bind /dev/null "$way"; fi
done
mount --bind "$folder/names/resolv.conf" /etc/resolv.conf
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
  const folder = await mkdtemp(join(tmpdir(), 'starling-run-'))
  try {
    const names = join(folder, 'names')
    await mkdir(names)
    // The second name is what systemd has /etc/resolv.conf lead to.
    for (const file of ['resolv.conf', 'stub-resolv.conf']) await writeFile(join(names, file), RESOLV_CONF)
    const socket = await boundSocket()
    return new NodeProgramNetwork(folder, socket, await freePort(), unshare)
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

function boundSocket(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({
      type: 'udp4',
      recvBufferSize: SOCKET_BUFFER_BYTES,
      sendBufferSize: SOCKET_BUFFER_BYTES,
    })
    socket.once('error', reject)
    socket.bind(0, LOOPBACK, () => resolve(socket))
  })
}

/** Of a relay: nobody else on this machine can send from it once it has it, and only what comes from it is taken. */
async function freePort(): Promise<number> {
  const socket = await boundSocket()
  const { port } = socket.address()
  await new Promise<void>((resolve) => socket.close(() => resolve()))
  return port
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
  readonly #folder: string
  readonly #socket: Socket
  readonly #relayPort: number
  readonly #unshare: string
  readonly #relay: ChildProcess
  readonly #running = new Set<ChildProcess>()
  #isClosed = false
  #isLost = false
  #handler: (packet: Uint8Array) => void = () => {}

  constructor(folder: string, socket: Socket, relayPort: number, unshare: string) {
    this.#folder = folder
    this.#unshare = unshare
    this.#socket = socket
    this.#relayPort = relayPort
    const { port } = socket.address()
    socket.on('error', () => {})
    socket.on('message', (packet, from) => {
      if (from.port === relayPort && from.address === LOOPBACK) this.#handler(packet)
    })
    const ends = [
      `UNIX-SENDTO:${folder}/in,bind=${folder}/out`,
      `UDP4-SENDTO:${LOOPBACK}:${port},bind=${LOOPBACK}:${relayPort}`,
    ]
    this.#relay = spawn('/bin/sh', ['-c', RELAY, 'sh', folder, '-b', String(BUFFER_BYTES), ...ends], {
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { ...process.env, PATH: OUR_PATH },
      detached: true,
    })
    this.#relay.on('error', () => {})
    this.#relay.once('exit', () => {
      // A program that ends takes the other end of the relay along, and the relay with it: that is no loss, and soon over.
      setTimeout(() => {
        if (this.#isClosed || this.#running.size === 0) return
        this.#lose()
      }, END_LIMIT_MS).unref()
    })
  }

  #lose(): void {
    this.#isLost = true
    for (const child of this.#running) child.kill('SIGKILL')
  }

  onPacket(handler: (packet: Uint8Array) => void): void {
    this.#handler = handler
  }

  send(packet: Uint8Array): void {
    if (this.#isClosed) return
    this.#socket.send(packet, this.#relayPort, LOOPBACK, () => {})
  }

  async run(command: readonly string[]): Promise<number> {
    const isRoot = process.getuid?.() === 0
    // Back to who we are: what runs inside must not be able to change what is around it.
    const asWhom = isRoot ? [] : ['--user', `--map-user=${process.getuid?.()}`, `--map-group=${process.getgid?.()}`]
    const asRoot = isRoot ? [] : ['--user', '--map-root-user']
    const script = `${SETUP}${startProgram(this.#unshare, asWhom)}`
    const child = spawn(
      this.#unshare,
      [
        ...[...asRoot, '--net', '--mount', '--pid', '--fork', '--kill-child'],
        ...['/bin/sh', '-c', script, 'sh', this.#folder, process.env.PATH ?? '', ...command],
      ],
      { stdio: ['inherit', 'inherit', 'inherit', 'pipe'], env: withoutBus() },
    )
    this.#running.add(child)
    const ended = new Promise<number>((resolve, reject) => {
      child.once('error', reject)
      // Not at its exit: a program that ends at once is read as ready only after that.
      child.once('close', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : osConstants.signals[signal])))
    }).finally(() => this.#running.delete(child))
    let isReady = false
    child.stdio[3]?.on('data', (chunk) => {
      const said = String(chunk)
      isReady ||= said.includes('ready')
      if (isReady && said.includes('lost')) this.#lose()
    })
    const late = setTimeout(() => {
      if (!isReady) child.kill('SIGKILL')
    }, START_LIMIT_MS)
    const code = await ended.finally(() => clearTimeout(late))
    if (this.#isLost) {
      throw machineError(
        'ENGINE_FAILED',
        { engine: 'socat' },
        {
          message: 'socat, which carried the packets of the program, has ended',
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
    for (const child of this.#running) child.stdio[3]?.destroy()
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const child of this.#running) child.kill('SIGKILL')
    this.#relay.stdin?.end()
    this.#socket.close()
    await rm(this.#folder, { recursive: true, force: true })
  }
}
