/** Where npm has put anvil: an optional package with one binary for each platform it knows. @module */

import { fileURLToPath } from 'node:url'
import { machineError } from '../../foundation/base/machineError.ts'

const PLATFORMS: Readonly<Record<string, string>> = { linux: 'linux', darwin: 'darwin', win32: 'win32' }
const MACHINES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

/** Throws CHAIN_UNAVAILABLE where there is none for this machine, or it was not installed. */
export function anvilProgram(platform: string = process.platform, machine: string = process.arch): string {
  const name = `@foundry-rs/anvil-${PLATFORMS[platform] ?? platform}-${MACHINES[machine] ?? machine}`
  try {
    const folder = new URL('.', import.meta.resolve(`${name}/package.json`))
    return fileURLToPath(new URL(platform === 'win32' ? 'bin/anvil.exe' : 'bin/anvil', folder))
  } catch (cause) {
    throw machineError('CHAIN_UNAVAILABLE', { why: 'not installed', package: name }, { cause })
  }
}
