/**
 * The official Rust crates as something to measure beside: builds a program of `peers` where there is a Rust toolchain, keeps it
 * running, and asks it to time one thing after the other. @module
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** A folder of `peers`. */
type Peer = 'sphinx-packet' | 'ecash'

const projectOf = (peer: Peer): string => fileURLToPath(new URL(`peers/${peer}`, import.meta.url))

export class OfficialCrate {
  readonly #process: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>

  private constructor(peer: Peer) {
    const target = process.env.CARGO_TARGET_DIR ?? `${projectOf(peer)}/target`
    this.#process = spawn(`${target}/release/${peer}-peer`, { stdio: 'pipe' })
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]()
  }

  /** `program` is absent where it could not be built; then `notes` says why. */
  static async build(
    peer: Peer,
    say: (line: string) => void,
  ): Promise<{ program?: OfficialCrate; notes: readonly string[] }> {
    say('building the official crate')
    const { code, output } = await cargoBuild(projectOf(peer))
    if (code === 0) return { program: new OfficialCrate(peer), notes: [] }
    const why =
      code === 'missing' ? 'no Rust toolchain (cargo) here' : `cargo build failed: ${output.trim().split('\n').at(-1)}`
    return { notes: [`Not compared with the official crate: ${why}.`] }
  }

  /** Microseconds of CPU for one `task`, in words of the peer's main.rs, over `count` of them. */
  async time(task: string, count: number): Promise<number> {
    this.#process.stdin.write(`${task} ${count}\n`)
    const line = await this.#lines.next()
    if (line.done) throw new Error('the official crate has ended')
    return Number(line.value)
  }

  stop(): void {
    this.#process.stdin.end()
  }
}

function cargoBuild(project: string): Promise<{ code: number | 'missing'; output: string }> {
  return new Promise((resolve) => {
    const cargo = spawn('cargo', ['build', '--release', '--locked'], {
      cwd: project,
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
