/** Programs of the system that do one thing and end. No shell reads their arguments. @module */
import { execFile } from 'node:child_process'
import type { MixnetError } from '../../base/errors.ts'
import { machineError } from '../../base/machineError.ts'

export interface CommandEnd {
  /** 127 where there is no such program, 124 where it was ended because it took too long. */
  readonly code: number
  /** All that it wrote, on either stream: 1 MiB at most. */
  readonly said: string
}

const LIMIT_MS = 20_000

/** Never rejects. */
export function runCommand(program: string, args: readonly string[]): Promise<CommandEnd> {
  return new Promise((resolve) => {
    execFile(program, [...args], { timeout: LIMIT_MS, killSignal: 'SIGKILL' }, (error, stdout, stderr) => {
      const said = stdout + stderr
      if (error === null) return resolve({ code: 0, said })
      const code = typeof error.code === 'number' ? error.code : error.killed === true ? 124 : 127
      resolve({ code, said: said === '' ? error.message : said })
    })
  })
}

/** Throws ENGINE_FAILED where it does not succeed. */
export async function mustRun(program: string, args: readonly string[]): Promise<void> {
  const { code, said } = await runCommand(program, args)
  if (code !== 0) throw commandFailed(program, said)
}

export const commandFailed = (program: string, said: string): MixnetError =>
  machineError(
    'ENGINE_FAILED',
    { program, said: said.trim().slice(0, 300) },
    { message: 'this machine did not let itself be set up', nextStep: `See what ${program} says, in the details.` },
  )
