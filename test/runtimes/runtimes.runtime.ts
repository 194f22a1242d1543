/**
 * The package as it is published, on other runtimes than Node: packed, installed into a folder of its own beside Deno and Bun, and used by
 * one program. The two are 200 MB and no dependency of ours; npm's cache makes the second run short. @module
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { LocalNetwork, SECURE_SITE, SITE } from '../browser/network.ts'
import { pattern, sha256 } from '../browser/site.ts'

const run = promisify(execFile)

const PROJECT = fileURLToPath(new URL('../..', import.meta.url))
const SMOKE = new URL('smoke.mjs', import.meta.url)
const PAYING = new URL('paying.mjs', import.meta.url)
const INSTALL_LIMIT_MS = 300_000
const RUN_LIMIT_MS = 90_000

const RUNTIMES = [
  { name: 'Node 26', package: undefined, command: [process.execPath] },
  {
    name: 'Deno 2.9.6',
    package: 'deno@2.9.6',
    command: ['node_modules/.bin/deno', 'run', '-A', '--node-modules-dir=manual'],
  },
  { name: 'Bun 1.4.5', package: 'bun@1.4.5', command: ['node_modules/.bin/bun'] },
] as const

describe('the package', { timeout: 900_000 }, () => {
  let network: LocalNetwork
  let paying: LocalNetwork
  let folder: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'starling-runtimes-'))
    const npm = (cwd: string, ...args: string[]) => run('npm', args, { cwd, timeout: INSTALL_LIMIT_MS })
    const { stdout } = await npm(PROJECT, 'pack', '--silent', '--pack-destination', folder)
    const packed = join(folder, stdout.trim().split('\n').at(-1) as string)
    const settings = { private: true, type: 'module', allowScripts: { deno: true, bun: true } }
    await writeFile(join(folder, 'package.json'), JSON.stringify(settings))
    const runtimes = RUNTIMES.flatMap((runtime) => runtime.package ?? [])
    await npm(folder, 'install', '--no-audit', '--no-fund', packed, ...runtimes)
    network = await LocalNetwork.start(27_600)
    paying = await LocalNetwork.start(28_400, {}, {}, { paid: true })
    await writeFile(join(folder, 'paying.mjs'), await readFile(PAYING))
  })
  after(async () => {
    await Promise.all([network?.stop(), paying?.stop()])
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  })

  for (const { name, command } of RUNTIMES) {
    // Deno has both: what it calls Node, and what pages have.
    for (const entry of ['starling-mixnet', 'starling-mixnet/browser']) {
      it(`on ${name}, as ${entry}: messages, http, https, WebSockets, an error, who it is kept`, async () => {
        const program = (await readFile(SMOKE, 'utf8')).replace("'starling-mixnet'", `'${entry}'`)
        const file = `smoke-${entry.replace('/', '-')}.mjs`
        await writeFile(join(folder, file), program)
        // What pages have keeps things in IndexedDB, and none of the three has that.
        const kept = entry === 'starling-mixnet' ? { folder: join(folder, `me on ${name}`) } : {}
        const settings = {
          directory: network.directoryUrl,
          ca: await readFile(new URL('../fixtures/tls/certificate.pem', import.meta.url), 'utf8'),
          site: SITE,
          secureSite: SECURE_SITE,
          ...kept,
        }
        const [executable = '', ...args] = command
        const { stdout } = await run(executable, [...args, file, JSON.stringify(settings)], {
          cwd: folder,
          timeout: RUN_LIMIT_MS,
        })
        const hash = sha256(pattern(100_000))
        assert.deepEqual(JSON.parse(stdout.trim().split('\n').at(-1) as string), {
          message: 'a message',
          http: 'hello http',
          httpOutcome: 'done',
          httpHash: hash,
          httpWebSocket: 'grüße',
          https: 'hello https',
          httpsOutcome: 'done',
          httpsHash: hash,
          httpsWebSocket: 'grüße',
          unknown: 'HOST_UNKNOWN',
          ...(entry === 'starling-mixnet' ? { sameIdentity: true } : {}),
        })
      })
    }

    it(`on ${name}: pays where a gateway wants it`, async () => {
      const settings = { directory: paying.directoryUrl, site: SITE }
      const [executable = '', ...args] = command
      const { stdout } = await run(executable, [...args, 'paying.mjs', JSON.stringify(settings)], {
        cwd: folder,
        timeout: RUN_LIMIT_MS,
      })
      const { answer, events } = JSON.parse(stdout.trim().split('\n').at(-1) as string)
      assert.equal(answer, 'hello payer')
      assert.ok(events.includes('book-bought') && events.includes('ticket-spent'), events)
    })
  }
})
