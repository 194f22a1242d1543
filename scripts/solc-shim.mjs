#!/usr/bin/env node
// The compiler of the npm package under the command line of the native one, as far as crytic-compile needs it: `--version`, and
// `--standard-json` from standard input. Only what analysers read is made, syntax trees and ABIs: no code, so it takes seconds. Files
// are read below the current folder.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { relative, resolve } from 'node:path'

const solc = createRequire(import.meta.url)('solc')

if (process.argv.includes('--version')) {
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}`)
} else if (process.argv.includes('--standard-json')) {
  const input = JSON.parse(readFileSync(0, 'utf8'))
  input.settings = { ...input.settings, outputSelection: { '*': { '': ['ast'], '*': ['abi', 'devdoc', 'userdoc'] } } }
  const read = (path) => {
    if (relative(process.cwd(), resolve(path)).startsWith('..')) return { error: 'outside' }
    try {
      return { contents: readFileSync(path, 'utf8') }
    } catch (error) {
      return { error: String(error) }
    }
  }
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: read }))
  // Infos and warnings are for scripts/compile-contracts.mjs to judge.
  output.errors = (output.errors ?? []).filter(({ severity }) => severity === 'error')
  const code = { object: '', sourceMap: '' }
  for (const contracts of Object.values(output.contracts ?? {})) {
    for (const contract of Object.values(contracts)) contract.evm = { bytecode: code, deployedBytecode: code }
  }
  process.stdout.write(JSON.stringify(output))
} else {
  console.error('only --version and --standard-json')
  process.exitCode = 1
}
