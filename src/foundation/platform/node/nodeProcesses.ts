/**
 * Programs started by Node. What dies with us must notice that we are gone, and a program that is not ours does not look: so a shell of
 * three lines stands between, which ends it when our end of a pipe closes. The kernel closes it whatever ends us. Windows has no such
 * shell: there a program whose parent was killed goes on. @module
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
import type { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { MixnetError } from '../../base/errors.ts'
import type { Millis } from '../../base/units.ts'
import type { Channel, ChildProcess, ProcessEnd, Processes, ProcessOptions } from '../processes.ts'
import { TcpConnection } from './nodeTcp.ts'

const MAX_LINE = 4096
const MAX_OUTPUT = 64 * 1024
/** For a program that does not end when it is asked to, after we are gone. */
const GUARD_GRACE_SECONDS = 5
const PASSED_ON = ['PATH', 'HOME', 'TMPDIR', 'TEMP', 'TMP', 'SystemRoot', 'LD_LIBRARY_PATH']

/**
 * `cat` ends when the pipe does. Its output goes nowhere and the pipe is kept from the program, so that nothing but us holds its other
 * end. The exit code is the program's own.
 */
const GUARD = `
"$@" </dev/null 3<&- &
program=$!
{ cat <&3 >/dev/null 2>&1; kill -TERM "$program"; sleep ${GUARD_GRACE_SECONDS}; kill -KILL "$program"; } >/dev/null 2>&1 </dev/null &
guard=$!
exec 3<&-
wait "$program"
code=$?
kill "$guard" 2>/dev/null
exit "$code"`

type Spawned = ChildProcessByStdio<Writable | null, Readable, Readable>

export const nodeProcesses: Processes = {
  async start(options) {
    const { program, args, env = inheritedEnv(), channel = false } = options
    // A shell would say it as an exit code.
    await access(program, constants.X_OK).catch((error: NodeJS.ErrnoException) => {
      throw new MixnetError('FILE_UNUSABLE', { what: 'program', system: error.code ?? '' })
    })
    try {
      return started()
    } catch (error) {
      // Out of file descriptors or memory: `spawn` throws, or leaves a child without streams. Who asked is refused, and we live on.
      throw new MixnetError('FILE_UNUSABLE', { what: 'program', system: (error as NodeJS.ErrnoException).code ?? '' })
    }
    function started(): Started {
      if (channel) {
        const stdio = ['ignore', 'pipe', 'pipe', 'pipe'] as const
        const child = whole(spawn(program, [...args], { stdio: [...stdio], env, detached: true }) as unknown as Spawned)
        return new Started(child, options, new TcpConnection((child.stdio as readonly unknown[])[3] as Socket))
      }
      const child: Spawned =
        process.platform === 'win32'
          ? spawn(program, [...args], { stdio: ['ignore', 'pipe', 'pipe'], env, windowsHide: true })
          : (spawn('/bin/sh', ['-c', GUARD, 'sh', program, ...args], {
              stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
              env,
              // A group of its own: Ctrl-C in a terminal goes to the whole group, and would end it under our hands.
              detached: true,
            }) as unknown as Spawned)
      return new Started(whole(child), options)
    }
  },
}

/** As `spawn` leaves one where there are no file descriptors for its streams. */
function whole(child: Spawned): Spawned {
  if ((child.stdio as unknown) !== undefined) return child
  child.once('error', () => {})
  throw Object.assign(new Error('no streams'), { code: 'EMFILE' })
}

/** Of ours, what finds libraries and folders, and nothing else: see `ProcessOptions`. */
export function inheritedEnv(): Readonly<Record<string, string>> {
  return Object.fromEntries(
    PASSED_ON.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name] as string]])),
  )
}

class Started implements ChildProcess {
  readonly ended: Promise<ProcessEnd>
  readonly channel: Channel | undefined
  readonly #child: Spawned
  readonly #onLine: ((line: string) => void) | undefined
  #output = ''
  #asked = false

  constructor(child: Spawned, { onLine }: ProcessOptions, channel?: Channel) {
    this.#child = child
    this.channel = channel
    this.#onLine = onLine
    // What it writes after we stopped listening must not be an error of ours.
    for (const stream of child.stdio) stream?.on('error', () => {})
    for (const stream of [child.stdout, child.stderr]) this.#listen(stream)
    this.ended = new Promise((resolve) => {
      const end = (code: number | null, signal: string | null) => {
        this.#closeGuard()
        resolve({ code: code ?? undefined, signal: signal ?? undefined, asked: this.#asked })
      }
      child.once('exit', end)
      child.once('error', () => end(null, null))
    })
  }

  output(): string {
    return this.#output
  }

  async stop(grace: Millis): Promise<ProcessEnd> {
    this.#asked = true
    const child = this.#child
    if (process.platform === 'win32') child.kill()
    else this.#closeGuard()
    const timer = setTimeout(() => this.#kill(), Math.ceil(grace))
    const end = await this.ended
    clearTimeout(timer)
    return end
  }

  /** The shell takes it as our end. */
  #closeGuard(): void {
    const pipe = (this.#child.stdio as readonly unknown[])[3] as Writable | undefined
    pipe?.destroy()
  }

  #kill(): void {
    const { pid } = this.#child
    if (pid === undefined || process.platform === 'win32') this.#child.kill('SIGKILL')
    else {
      try {
        process.kill(-pid, 'SIGKILL')
      } catch {
        // Gone already.
      }
    }
  }

  #listen(stream: Readable): void {
    let rest = ''
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => {
      this.#output = (this.#output + text).slice(-MAX_OUTPUT)
      const lines = (rest + text).split('\n')
      // A line without end is cut, not kept.
      rest = (lines.pop() as string).slice(0, MAX_LINE)
      if (this.#onLine !== undefined) for (const line of lines) this.#onLine(line.slice(0, MAX_LINE))
    })
  }
}
