// Installs the dependencies when they are missing or older than the lock file; does nothing otherwise.
// Runs before `npm start` and `npm test`, by whatever Node the machine has (20 or later): no TypeScript, no packages.
import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { delimiter, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Modification time in milliseconds, or −∞ for a file that is not there. */
function changed(...path) {
  return statSync(join(root, ...path), { throwIfNoEntry: false })?.mtimeMs ?? Number.NEGATIVE_INFINITY
}

/** npm writes this file last, so an interrupted installation counts as none. */
const installed = changed('node_modules', '.package-lock.json')

if (installed < changed('package-lock.json')) {
  console.log(`${Number.isFinite(installed) ? 'Updating' : 'Installing'} dependencies (npm ci), less than a minute …`)
  process.exitCode = install()
}

function install() {
  // Not the Node inside node_modules: npm ci is about to delete it.
  const PATH = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => !folder.includes(`${sep}node_modules${sep}.bin`))
    .join(delimiter)
  const npm = spawnSync('npm', ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    env: { ...process.env, PATH },
    encoding: 'utf8',
    shell: process.platform === 'win32',
  })
  if (npm.status === 0) return 0
  const said = npm.error?.message ?? `${npm.stdout}${npm.stderr}`.trim()
  console.error(said.split('\n').slice(0, 8).join('\n'))
  console.error('Could not install the dependencies. To see everything npm has to say, run: npm ci')
  return npm.status ?? 1
}
