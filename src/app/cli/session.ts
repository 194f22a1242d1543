/** What every command needs: the screen, the world, logs, and the moment somebody wants it to stop. @module */
import { type Log, silentLog } from '../../foundation/base/observe.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { holdProcess } from '../../foundation/platform/node/holdProcess.ts'
import { nodeWorld } from '../../foundation/platform/node/nodeWorld.ts'
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
  /** Aborted by Ctrl-C or a polite kill. A second Ctrl-C ends the process at once. */
  readonly interrupted: AbortSignal
  /** Resolves when `interrupted` fires. */
  untilInterrupted(): Promise<void>
  close(): void
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** Of a second Ctrl-C: 128 + SIGINT, as shells count. */
export const INTERRUPTED = 130

/** `output` of the screen: a command whose result is its standard output speaks on standard error. */
export function createSession({ json, verbose }: GlobalOptions, output: 'stdout' | 'stderr'): Session {
  const interrupted = new AbortController()
  const onSignal = () => {
    if (interrupted.signal.aborted) process.exit(INTERRUPTED)
    interrupted.abort()
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
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
    }),
    json,
    logOf,
    quietLogOf: (name) => (verbose ? logOf(name) : silentLog),
    interrupted: interrupted.signal,
    untilInterrupted: () => untilAborted(interrupted.signal),
    close: () => {
      for (const signal of SIGNALS) process.off(signal, onSignal)
      release()
    },
  }
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
