// `npm run check`: all that can be said without running a test. The compiler takes half of it, so the rest runs beside it. A step's words
// come out whole, when it ends; where one fails the others still say theirs. Runs on any Node from 20 on, without packages.
import { spawn } from 'node:child_process'

/** Scripts of package.json. `artefacts` also leaves behind the compiled contracts that every test of them reads. */
const LANES = [['typecheck'], ['lint', 'artefacts', 'floors', 'unused', 'docs']]

/** Resolves with its exit code. */
function runScript(name) {
  const said = []
  const child = spawn('npm', ['run', '--silent', name], {
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: process.platform === 'win32',
  })
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => said.push(chunk))
  return new Promise((resolve) => {
    child.on('error', (error) => said.push(String(error)))
    child.on('close', (code) => {
      process.stdout.write(said.join(''))
      resolve(code ?? 1)
    })
  })
}

async function runLane(names) {
  let failed = 0
  for (const name of names) if ((await runScript(name)) !== 0) failed++
  return failed
}

const failures = await Promise.all(LANES.map(runLane))
if (failures.some((count) => count > 0)) process.exitCode = 1
