// Static analysis of contracts/*.sol by Slither (Python, from PyPI), into a virtual environment of its own below node_modules/.cache.
// Fails on findings of medium impact and above; `--all` shows the others too. Where there is no Python, or no package index within
// reach, it says so and is content: whoever builds without network is not stopped by it.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { contractSources, SOLC_SETTINGS } from './compile-contracts.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const requirements = join(root, 'scripts', 'slither-requirements.txt')
const cache = join(root, 'node_modules', '.cache', 'slither')
const venv = join(cache, 'venv')
const inVenv = (name) => join(venv, 'bin', name)
/**
 * Not asked: the official rules floor after each product and quotient, in an order that often divides first. It is what the vectors
 * of vectors/tokenomics.json hold the contracts to, so all of those findings are the rule and not a slip.
 */
const BY_THE_RULES = 'divide-before-multiply'
const INSTALL_MS = 10 * 60_000
const ANALYSIS_MS = 10 * 60_000

/** What keeps Slither from being there, or nothing. */
function install() {
  const wanted = readFileSync(requirements, 'utf8')
  const stamp = join(cache, 'installed.txt')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  rmSync(cache, { recursive: true, force: true })
  mkdirSync(cache, { recursive: true })
  const quietly = { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8', timeout: INSTALL_MS }
  const made = spawnSync('python3', ['-m', 'venv', venv], quietly)
  if (made.error !== undefined) return 'no python3'
  if (made.status !== 0) return 'this python3 makes no virtual environments'
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--timeout', '20', '--retries', '1']
  const installed = spawnSync(inVenv('python'), [...pip, '--no-deps', '--requirement', requirements], quietly)
  if (installed.status !== 0) {
    return `the packages do not install: ${installed.stderr?.trim().split('\n').at(-1) ?? installed.error?.message}`
  }
  writeFileSync(stamp, wanted)
}

/** Standard JSON, for the compiler of the npm package behind scripts/solc-shim.mjs. */
function compilerInput() {
  const sources = Object.entries(contractSources()).filter(([path]) => !path.startsWith('contracts/mocks/'))
  return {
    language: 'Solidity',
    sources: Object.fromEntries(sources),
    settings: { ...SOLC_SETTINGS, remappings: ['@openzeppelin/=node_modules/@openzeppelin/'] },
  }
}

const missing = install()
if (missing !== undefined) {
  console.log(`slither: not run: ${missing}`)
} else {
  const input = join(cache, 'input.json')
  writeFileSync(input, JSON.stringify(compilerInput()))
  const shown = process.argv.includes('--all')
    ? []
    : ['--exclude-informational', '--exclude-optimization', '--exclude-low']
  const { status, error } = spawnSync(
    inVenv('slither'),
    [
      input,
      '--compile-force-framework',
      'Solc-json',
      '--solc',
      'scripts/solc-shim.mjs',
      '--filter-paths',
      'node_modules',
    ].concat(['--exclude', BY_THE_RULES, '--fail-medium', ...shown]),
    { cwd: root, stdio: 'inherit', timeout: ANALYSIS_MS },
  )
  if (error !== undefined) console.error(error.message)
  process.exitCode = status ?? 1
}
