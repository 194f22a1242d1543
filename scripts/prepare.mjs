// Installs the dependencies when they are missing or older than the lock file; does nothing otherwise.
// Runs before `npm start` and `npm test`, by whatever Node the machine has (20 or later): no TypeScript, no packages.
//
// Two installations in one folder ruin each other. npm, when it is interrupted, goes on for a minute to take back what it did, and npm
// whose parent was killed goes on installing: so an interrupted one is ended here for good, and one that is under way is waited for.
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { delimiter, join, sep } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const windows = process.platform === 'win32'
/** Holds the process id of who installs, while it does. Not in node_modules, which `npm ci` empties. */
const claim = join(root, '.starling', 'installing')
/** By then a claim is what a power cut left behind, and its process id may be another program's. */
const CLAIM_LASTS_MS = 10 * 60_000
/** Between making a claim and writing who it is of. Later, one without a number is what a full disk left behind. */
const CLAIM_WRITTEN_WITHIN_MS = 2000
const LOOK_AGAIN_MS = 100
const INTERRUPTED = 130

/** Modification time in milliseconds, or −∞ for a file that is not there. */
function changed(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.NEGATIVE_INFINITY
}

/** npm writes this file last, so an interrupted installation counts as none. */
const installed = () => changed(join(root, 'node_modules', '.package-lock.json'))
const outdated = () => installed() < changed(join(root, 'package-lock.json'))

while (outdated()) {
  if (claimed()) {
    // Again: another may have ended its installation since, and run by it already.
    if (outdated()) {
      const what = Number.isFinite(installed()) ? 'Updating' : 'Installing'
      console.log(`${what} dependencies (npm ci), less than a minute …`)
      process.exitCode = await install()
    }
    rmSync(claim, { force: true })
    break
  }
  await otherInstallation()
}

function claimed() {
  try {
    mkdirSync(join(root, '.starling'), { recursive: true })
    writeFileSync(claim, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    // Which of these it is on a read-only disk depends on the system and on the Node.
    if (!['EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOSPC'].includes(error.code)) throw error
    console.error(`Cannot write into ${root} (${error.code}): the dependencies are installed there.`)
    console.error('Check its permissions and the space on the disk, or clone into another folder.')
    process.exit(1)
  }
}

/** Returns when there is none, and none claims that there is. */
async function otherInstallation() {
  let told = false
  for (;;) {
    const { text, id } = claimant()
    if (id === undefined) return discard(text)
    if (!told) console.log(`Another installation is under way here (process ${id}); waiting until it ends …`)
    told = true
    await sleep(LOOK_AGAIN_MS)
  }
}

/** What the claim says, and the process that installs: undefined where there is none, or none any more. */
function claimant() {
  let text
  try {
    text = readFileSync(claim, 'utf8')
    const age = Date.now() - changed(claim)
    const id = Number(text)
    // Not to be asked about: 0 and negative numbers are groups of processes, our own among them, and those live.
    if (!(id > 0)) return { text, id: age < CLAIM_WRITTEN_WITHIN_MS ? '?' : undefined }
    if (age > CLAIM_LASTS_MS) return { text }
    process.kill(id, 0)
    return { text, id }
  } catch (error) {
    // EPERM: it lives, and is somebody else's.
    return { text, id: error.code === 'EPERM' ? '?' : undefined }
  }
}

/** Removes a claim that says `text`. Moved aside first: since we looked, another may have removed it and claimed in its place. */
function discard(text) {
  const aside = `${claim}.${process.pid}`
  try {
    renameSync(claim, aside)
    const found = readFileSync(aside, 'utf8')
    if (found !== text) writeFileSync(claim, found, { flag: 'wx' })
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error
  }
  rmSync(aside, { force: true })
}

async function install() {
  // Not the Node inside node_modules: npm ci is about to delete it.
  const PATH = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => !folder.includes(`${sep}node_modules${sep}.bin`))
    .join(delimiter)
  const npm = spawn('npm', ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    env: { ...process.env, PATH },
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: windows,
    // A process group of its own: Ctrl-C does not reach it, and it can be ended with all that it started.
    detached: !windows,
  })
  let interrupted = false
  const interrupt = () => {
    interrupted = true
    // Half an installation is none, and the next one begins by deleting it. Windows has no groups: there Ctrl-C has reached npm as well.
    if (!windows && npm.pid !== undefined) process.kill(-npm.pid, 'SIGKILL')
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, interrupt)
  // Should this process be killed, npm goes on.
  if (npm.pid !== undefined) writeFileSync(claim, String(npm.pid))

  let said = ''
  for (const stream of [npm.stdout, npm.stderr]) stream.on('data', (chunk) => (said += chunk))
  const status = await new Promise((resolve) => {
    npm.on('error', (error) => (said += error.message))
    npm.on('close', resolve)
  })
  if (interrupted) {
    console.error('Interrupted. The next start installs from the beginning.')
    return INTERRUPTED
  }
  if (status === 0) return 0
  console.error(said.trim().split('\n').slice(0, 8).join('\n'))
  console.error('Could not install the dependencies. To see everything npm has to say, run: npm ci')
  return status > 0 ? status : 1
}
