/** The `starling` command as a process of its own: what it says, event by event, and how it ends. @module */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../../src/app/cli/main.ts', import.meta.url))
// Dozens of processes load the same files: compiled once, each starts in half the time.
const COMPILE_CACHE = fileURLToPath(new URL('../../node_modules/.cache/compiled', import.meta.url))
/** How the command is started: without a shell, without npm. */
export const COMMAND: readonly [string, ...string[]] = [process.execPath, MAIN]
/** Generous: the machine may be busy. What is waited for are events, and this only ends a wait that will never end. */
const DEADLINE_MS = 45_000

export interface CliEvent {
  readonly event: string
  // biome-ignore lint/suspicious/noExplicitAny: events are read as JSON, and each test asserts the shape it uses.
  readonly [key: string]: any
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export class Starling {
  readonly child: ChildProcess
  /** Resolves when the process is gone and its output is read. */
  readonly exited: Promise<Exit>
  readonly events: CliEvent[] = []
  readonly #chunks: Buffer[] = []
  #stderr = ''
  readonly #listeners = new Set<() => void>()
  #gone: Exit | undefined

  constructor(
    args: readonly string[],
    options: { cwd?: string; env?: NodeJS.ProcessEnv; command?: readonly [string, ...string[]] } = {},
  ) {
    const { command: [program, ...before] = COMMAND, env, ...own } = options
    // A group of its own: after the end it can be asked whether anything of it is left.
    this.child = spawn(program, [...before, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE, ...env },
      ...own,
    })
    const { stdout, stderr } = this.child
    assert.ok(stdout && stderr)
    stdout.on('data', (chunk: Buffer) => this.#chunks.push(chunk))
    stderr.on('data', (chunk: Buffer) => {
      this.#stderr += chunk
    })
    createInterface({ input: stdout }).on('line', (line) => {
      if (!line.startsWith('{')) return
      this.events.push(JSON.parse(line))
      for (const listener of this.#listeners) listener()
    })
    this.exited = once(this.child, 'close').then(([code, signal]) => {
      this.#gone = { code, signal }
      for (const listener of this.#listeners) listener()
      return this.#gone
    })
  }

  get stdout(): string {
    return Buffer.concat(this.#chunks).toString()
  }

  get stdoutBytes(): Uint8Array {
    return Buffer.concat(this.#chunks)
  }

  get stderr(): string {
    return this.#stderr
  }

  /** The first event of that name, now or later; fails where the process ends without it. */
  event(name: string): Promise<CliEvent> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => look(new Error(`no event "${name}" in time`)), DEADLINE_MS)
      const look = (failure?: Error) => {
        const found = this.events.find(({ event }) => event === name)
        const gone = this.#gone && new Error(`ended (${JSON.stringify(this.#gone)}) without event "${name}"`)
        const failed = failure ?? gone
        if (found === undefined && failed === undefined) return
        clearTimeout(timer)
        this.#listeners.delete(listener)
        if (found !== undefined) resolve(found)
        else reject(new Error(`${failed?.message}\n${this.stdout}${this.stderr}`))
      }
      const listener = () => look()
      this.#listeners.add(listener)
      look()
    })
  }

  async exit(): Promise<Exit> {
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(
      () => late.reject(new Error(`did not end in time\n${this.stdout}${this.stderr}`)),
      DEADLINE_MS,
    )
    try {
      return await Promise.race([this.exited, late.promise])
    } finally {
      clearTimeout(timer)
    }
  }

  /** Resolves with the exit and how long it took. */
  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<Exit & { readonly tookMs: number }> {
    const started = performance.now()
    this.child.kill(signal)
    const exit = await this.exit()
    return { ...exit, tookMs: performance.now() - started }
  }

  /** Whether the process, or one that it started, is still there. */
  get isAlive(): boolean {
    try {
      process.kill(-(this.child.pid as number), 0)
      return true
    } catch {
      return false
    }
  }

  kill(): void {
    if (this.isAlive) process.kill(-(this.child.pid as number), 'SIGKILL')
  }
}

/** Killed when the test ends, if it is still there. */
export function starling(t: Pick<TestContext, 'after'>, ...args: string[]): Starling {
  const process = new Starling(args)
  t.after(() => process.kill())
  return process
}

/** A new folder that goes with the test. */
export async function temporaryFolder(t: Pick<TestContext, 'after'>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'starling-'))
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))
  return folder
}

export interface Address {
  readonly host: string
  readonly port: number
}

/** Whether somebody listens there. */
export function isListening({ host, port }: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
