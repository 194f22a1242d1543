/**
 * Chromium, from the npm package that carries one. It keeps the security of a user's browser: what a page may not do there fails
 * here too. @module
 */
import { createReadStream, createWriteStream, existsSync } from 'node:fs'
import { mkdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { createBrotliDecompress } from 'node:zlib'
import { type Browser, chromium } from 'playwright-core'

/** Whatever still wants to call somebody finds nobody: a page that needs more than the local network fails. */
const NOBODY_ELSE = 'MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.*'
/** Where connections to hosts, at ports, go instead: each `host:port`. Of several in one list of arguments the last counts. */
export const resolverRules = (detours: Readonly<Record<string, string>> = {}): string =>
  `--host-resolver-rules=${[...Object.entries(detours).map(([from, to]) => `MAP ${from} ${to}`), NOBODY_ELSE].join(', ')}`

// The package's own argument list switches web security off, and with it the CORS checks that directories must satisfy.
export const CHROMIUM_ARGUMENTS: readonly string[] = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-domain-reliability',
  '--disable-sync',
  '--no-first-run',
  '--no-pings',
  resolverRules(),
]
const LAUNCH_LIMIT_MS = 120_000

/** Why there is no browser on this machine, for `skip`; false where there is one. */
export const noChromium: string | false =
  process.env.STARLING_CHROMIUM !== undefined || (process.platform === 'linux' && process.arch === 'x64')
    ? false
    : 'the packaged Chromium is for Linux on x64: name another one in STARLING_CHROMIUM'

/** `more` arguments: only what one test needs. */
export async function launchChromium(more: readonly string[] = []): Promise<Browser> {
  const executablePath = await chromiumPath()
  return await chromium.launch({ executablePath, args: [...CHROMIUM_ARGUMENTS, ...more], timeout: LAUNCH_LIMIT_MS })
}

export async function chromiumPath(): Promise<string> {
  return process.env.STARLING_CHROMIUM ?? (await unpackedChromium())
}

/** Not the package's own unpacking: two processes at once would run a file that is only half written. */
async function unpackedChromium(): Promise<string> {
  const home = fileURLToPath(new URL('../..', import.meta.resolve('@sparticuz/chromium')))
  const { version } = JSON.parse(await readFile(join(home, 'package.json'), 'utf8'))
  const folder = fileURLToPath(new URL('../../node_modules/.cache/chromium', import.meta.url))
  const path = join(folder, `chromium-${version}`)
  if (existsSync(path)) return path
  await mkdir(folder, { recursive: true })
  const unfinished = `${path}.${process.pid}`
  try {
    await pipeline(
      createReadStream(join(home, 'bin', 'chromium.br')),
      createBrotliDecompress(),
      createWriteStream(unfinished, { mode: 0o700 }),
    )
    await rename(unfinished, path)
  } finally {
    await rm(unfinished, { force: true })
  }
  return path
}
