/**
 * The official Rust crate as something to measure beside: builds the program in `peers/sphinx-packet` where there is a Rust
 * toolchain, keeps it running, and asks it to time one thing after the other. @module
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { SphinxVersion } from '../src/protocol/sphinx/constants.ts'

const PROJECT = fileURLToPath(new URL('peers/sphinx-packet', import.meta.url))
const PROGRAM = `${PROJECT}/target/release/sphinx-packet-peer`

export class OfficialCrate {
  readonly #process: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>

  private constructor() {
    this.#process = spawn(PROGRAM, { stdio: 'pipe' })
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]()
  }

  /** `program` is absent where it could not be built; then `notes` says why. */
  static async build(say: (line: string) => void): Promise<{ program?: OfficialCrate; notes: readonly string[] }> {
    say('building the official crate')
    const { code, output } = await cargoBuild()
    if (code === 0) return { program: new OfficialCrate(), notes: [] }
    const why =
      code === 'missing' ? 'no Rust toolchain (cargo) here' : `cargo build failed: ${output.trim().split('\n').at(-1)}`
    return { notes: [`Not compared with the official crate: ${why}.`] }
  }

  /** Microseconds for one, over `count` of them. */
  async time(what: 'build' | 'unwrap', version: SphinxVersion, count: number): Promise<number> {
    this.#process.stdin.write(`${what} ${version} ${count}\n`)
    const line = await this.#lines.next()
    if (line.done) throw new Error('the official crate has ended')
    return Number(line.value)
  }

  stop(): void {
    this.#process.stdin.end()
  }
}

function cargoBuild(): Promise<{ code: number | 'missing'; output: string }> {
  return new Promise((resolve) => {
    const cargo = spawn('cargo', ['build', '--release', '--locked'], {
      cwd: PROJECT,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let output = ''
    cargo.stderr.on('data', (chunk: Uint8Array) => {
      output += String(chunk)
    })
    cargo.on('error', () => resolve({ code: 'missing', output }))
    cargo.on('close', (code) => resolve({ code: code ?? 1, output }))
  })
}
