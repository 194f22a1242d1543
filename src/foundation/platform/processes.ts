/** Other programs as an argument: started by us, ended with us. @module */
import type { Millis } from '../base/units.ts'
import type { Connection } from './net.ts'

export interface ProcessOptions {
  /** A file, not a command line: no shell reads it. */
  readonly program: string
  readonly args: readonly string[]
  /** Its whole environment. Default: none, but what finds libraries and folders (PATH, HOME, TMPDIR and the like). */
  readonly env?: Readonly<Record<string, string>>
  /** Hears every line it writes, cut at 4,096 characters. */
  readonly onLine?: (line: string) => void
  /**
   * It gets one end of a stream socket, as file descriptor 3, and ends when ours closes: of programs that do, nothing else is needed to end
   * them with us.
   */
  readonly channel?: boolean
}

export interface ProcessEnd {
  /** undefined where a signal ended it. */
  readonly code: number | undefined
  readonly signal: string | undefined
  /** By `stop`. */
  readonly asked: boolean
}

export type Channel = Pick<Connection, 'attach' | 'write' | 'bufferedBytes' | 'pause' | 'resume' | 'destroy'>

export interface ChildProcess {
  /** Where one was asked for. */
  readonly channel: Channel | undefined
  /** The last 64 KiB that it wrote, for errors. */
  output(): string
  /** When it has ended, for whatever reason; never rejects. */
  readonly ended: Promise<ProcessEnd>
  /** Asks it to end, and ends it after `grace`. Resolves when it has. */
  stop(grace: Millis): Promise<ProcessEnd>
}

export interface Processes {
  /**
   * Throws FILE_UNUSABLE where there is no such program. The program dies with this one, also where this one is killed; no signal of a
   * terminal (Ctrl-C) reaches it but through `stop`.
   */
  start(options: ProcessOptions): Promise<ChildProcess>
}
