/** What every command needs: the screen, the world, logs, and the moment somebody wants it to stop. @module */
import { type Log, silentLog } from '../../foundation/base/observe.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { nodeWorld } from '../../foundation/platform/node/nodeWorld.ts'
import type { World } from '../../foundation/platform/world.ts'
import { createLog } from '../node/logging.ts'
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
// Keeps the process alive while it waits: platform timers and sockets that only wait do not.
const KEEP_ALIVE = 'keep-alive'

export function createSession({ json, verbose }: GlobalOptions): Session {
  const interrupted = new AbortController()
  const onSignal = () => {
    if (interrupted.signal.aborted) process.exit(130)
    interrupted.abort()
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  const level = verbose ? 'debug' : 'info'
  return {
    world: nodeWorld(nodeProvider),
    screen: new Screen({
      json,
      verbose,
      write: (text) => process.stdout.write(text),
      colour: process.stdout.isTTY && process.env.NO_COLOR === undefined,
    }),
    json,
    logOf: (name) => createLog({ level, name }),
    quietLogOf: (name) => (verbose ? createLog({ level, name }) : silentLog),
    interrupted: interrupted.signal,
    untilInterrupted: () => untilAborted(interrupted.signal),
    close: () => {
      for (const signal of SIGNALS) process.off(signal, onSignal)
    },
  }
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const channel = new BroadcastChannel(KEEP_ALIVE)
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
  channel.close()
}
