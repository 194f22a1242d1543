/** What every command needs: the screen, the world, logs, and the moment somebody wants it to stop. @module */
import { constants } from 'node:os'
import { MixnetError } from '../../foundation/base/errors.ts'
import { type Log, silentLog } from '../../foundation/base/observe.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { holdProcess } from '../../foundation/platform/node/holdProcess.ts'
import { type Device, openDevice } from '../../foundation/platform/node/nodeDevice.ts'
import { nodeWorld } from '../../foundation/platform/node/nodeWorld.ts'
import { whenParentGone } from '../../foundation/platform/node/parentProcess.ts'
import type { World } from '../../foundation/platform/world.ts'
import { createLog } from '../node/logging.ts'
import { logText } from './logText.ts'
import { Screen } from './screen.ts'

export interface GlobalOptions {
  readonly json: boolean
  readonly verbose: boolean
}

export interface Session {
  readonly world: World
  readonly screen: Screen
  readonly json: boolean
  /** Logs of a long-running process, on standard error. */
  logOf(name: string): Log
  /** Logs only where somebody asked for them: commands for people speak through the screen. */
  quietLogOf(name: string): Log
  /** Bytes for standard output, as they are. Throws ABORTED where nobody reads it any more. */
  output(bytes: Uint8Array): Promise<void>
  /** The same for a device or a named pipe, whose reader is waited for. */
  device(path: string): Promise<Device>
  /** Aborted by Ctrl-C, a polite kill, or because nobody reads what we say. A second Ctrl-C ends the process at once. */
  readonly interrupted: AbortSignal
  /** Of a command that was interrupted before its result: as shells count, 128 and the signal. 0 until then. */
  readonly interruptedCode: number
  /**
   * From now on Ctrl-C is a matter of the program that we have started, where there is a terminal: it hears it from there, and may go on, as a shell or
   * an editor does. Undone by what is returned.
   */
  leaveCtrlC(): () => void
  /**
   * What was changed is taken back before we end: who interrupts a second time is told so by `tell`, and ends us at once with a third. `timeout` and a
   * finger that slips interrupt twice.
   */
  takeBackFirst(tell: () => void): void
  /** Interrupted as well when npm, where it started us, is gone without a word: whoever ended it meant the whole of it. */
  endWithNpm(): void
  /** Resolves when `interrupted` fires. */
  untilInterrupted(): Promise<void>
  close(): void
}

/** SIGHUP is the terminal that closes. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** A reader that went away (`| head`), a terminal that was closed, and the writes after that. */
const READER_GONE = new Set(['EPIPE', 'EIO', 'ERR_STREAM_DESTROYED'])

/** `output` of the screen: a command whose result is its standard output speaks on standard error. */
export function createSession({ json, verbose }: GlobalOptions, output: 'stdout' | 'stderr'): Session {
  const interrupted = new AbortController()
  let interruptedCode = 0
  let tellAgain: (() => void) | undefined
  const interrupt = (signal: 'SIGPIPE' | (typeof SIGNALS)[number]) => {
    if (interrupted.signal.aborted) return
    interruptedCode = 128 + constants.signals[signal]
    interrupted.abort()
  }
  const onSignal = (signal: (typeof SIGNALS)[number]) => {
    if (!interrupted.signal.aborted) return interrupt(signal)
    const tell = tellAgain
    tellAgain = undefined
    if (tell === undefined) process.exit(interruptedCode)
    tell()
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  const onWriteError = (error: Error) => {
    if (isReaderGone(error)) interrupt('SIGPIPE')
  }
  for (const stream of [process.stdout, process.stderr]) stream.on('error', onWriteError)
  const whileRead = (writing: Promise<void>): Promise<void> =>
    writing.catch((error: Error) => {
      if (!isReaderGone(error)) throw error
      interrupt('SIGPIPE')
      throw new MixnetError('ABORTED')
    })
  let stopWatching = () => {}
  // Platform timers and sockets that only wait keep no process alive; a command that waits for one must.
  const release = holdProcess()
  const level = verbose ? 'debug' : 'info'
  const colour = process.stderr.isTTY && process.env.NO_COLOR === undefined
  const text = { write: (line: string) => process.stderr.write(logText(line, colour)) }
  const logOf = (name: string) => createLog({ level, name, ...(json ? {} : { destination: text }) })
  return {
    world: nodeWorld(nodeProvider),
    screen: new Screen({
      json,
      verbose,
      write: (line) => process[output].write(line),
      // Scripts read one stream; people see both, and may have sent the first elsewhere.
      writeProblem: (line) => process[json ? output : 'stderr'].write(line),
      colour: process[output].isTTY && process.env.NO_COLOR === undefined,
      live: process[output].isTTY,
    }),
    json,
    output: (bytes) =>
      whileRead(
        new Promise((resolve, reject) => {
          process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()))
        }),
      ),
    device: async (path) => {
      const device = await openDevice(path, interrupted.signal)
      return { write: (bytes) => whileRead(device.write(bytes)), close: () => device.close() }
    },
    logOf,
    quietLogOf: (name) => (verbose ? logOf(name) : silentLog),
    interrupted: interrupted.signal,
    get interruptedCode() {
      return interruptedCode
    },
    leaveCtrlC: () => {
      if (![process.stdin, process.stdout, process.stderr].some(({ isTTY }) => isTTY)) return () => {}
      const ignored = (): void => {}
      process.on('SIGINT', ignored).off('SIGINT', onSignal)
      return () => {
        process.on('SIGINT', onSignal).off('SIGINT', ignored)
      }
    },
    takeBackFirst: (tell) => {
      tellAgain = tell
    },
    endWithNpm: () => {
      if (process.env.npm_lifecycle_event !== undefined) stopWatching = whenParentGone(() => interrupt('SIGHUP'))
    },
    untilInterrupted: () => untilAborted(interrupted.signal),
    close: () => {
      for (const signal of SIGNALS) process.off(signal, onSignal)
      for (const stream of [process.stdout, process.stderr]) stream.off('error', onWriteError)
      stopWatching()
      release()
    },
  }
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

export function isReaderGone(error: Error): boolean {
  return 'code' in error && READER_GONE.has(String(error.code))
}
