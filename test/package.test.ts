/**
 * The package as a page's author gets it: packed, installed, and bundled by their bundler as it comes, without a plugin of ours and
 * without our dependencies beside it. And what other runtimes find in it. @module
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, realpath, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { type BuildOptions, build, type OutputFile } from 'esbuild'
import { cloneTo, installPacked, linkDependencies } from './support/packed.ts'

const run = promisify(execFile)
const PROMISED = 120 * 1024
/** One, whoever's it is: what we have of authorities are names and keys. */
const CERTIFICATE = /BEGIN CERTIFICATE-----[\sA-Za-z0-9+/\\]{100}/
const skip = process.platform === 'win32' && 'npm and tar are started without a shell'

const zipped = (contents: Uint8Array) => gzipSync(contents, { level: 9 }).length

describe('the package', { timeout: 240_000, skip }, () => {
  let folder: string
  let project: string
  let packed: readonly string[]

  before(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'starling-package-')))
    const clone = join(folder, 'clone')
    project = join(folder, 'project')
    await cloneTo(clone)
    await mkdir(project)
    const { stdout } = await run('npm', ['pack', '--silent'], { cwd: clone })
    packed = await installPacked(join(clone, stdout.trim().split('\n').at(-1) as string), project)
  })
  after(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))

  async function bundled(script: string, options: BuildOptions = {}): Promise<readonly OutputFile[]> {
    const entry = join(project, 'page.js')
    await writeFile(entry, script)
    const { outputFiles, metafile, warnings } = await build({
      ...options,
      entryPoints: [entry],
      bundle: true,
      minify: true,
      metafile: true,
      write: false,
      outdir: join(project, 'out'),
      absWorkingDir: project,
      logLevel: 'silent',
    })
    assert.deepEqual(warnings, [])
    for (const { text } of outputFiles) {
      assert.doesNotMatch(text, CERTIFICATE)
      assert.doesNotMatch(text, /["']node:/)
    }
    const strangers = Object.keys(metafile.inputs).filter(
      (path) => !/^node_modules\/starling-mixnet\/dist\/web\//.test(path),
    )
    assert.deepEqual(strangers, ['page.js'])
    return outputFiles
  }
  const withoutRoots = (files: readonly OutputFile[]) =>
    files
      .filter(({ path }) => !basename(path).startsWith('rootCertificates'))
      .reduce((sum, { contents }) => sum + zipped(contents), 0)
  const split: BuildOptions = { splitting: true, format: 'esm' }

  const page = "import { connect, connectPool, describeTraffic, isMixnetError } from 'starling-mixnet'\n"
  const uses = 'Object.assign(globalThis, { connect, connectPool, describeTraffic, isMixnetError })'

  for (const [name, script] of [
    ['starling-mixnet', page + uses],
    ['starling-mixnet/browser', page.replace('starling-mixnet', 'starling-mixnet/browser') + uses],
    ['starling-mixnet/mix-fetch', "import * as all from 'starling-mixnet/mix-fetch'; globalThis.all = all"],
    ['starling-mixnet/sdk', "import * as all from 'starling-mixnet/sdk'; globalThis.all = all"],
  ] as const) {
    it(`${name} in a page: at most 120 KB and the list of authorities, which comes later`, async () => {
      const files = await bundled(script, split)
      assert.ok(files.length > 1)
      assert.ok(withoutRoots(files) <= PROMISED, `${withoutRoots(files)} bytes`)
      const whole = files.reduce((sum, { contents }) => sum + zipped(contents), 0)
      const [alone, ...others] = await bundled(script)
      assert.ok(alone && others.length === 0)
      assert.ok(zipped(alone.contents) <= 1.05 * whole)
    })
  }

  it('all of them in one page hold what they share once', async () => {
    const script = `${page}${uses}
      import * as mixFetch from 'starling-mixnet/mix-fetch'
      import * as sdk from 'starling-mixnet/sdk'
      Object.assign(globalThis, { mixFetch, sdk })`
    assert.ok(withoutRoots(await bundled(script, split)) <= 1.05 * PROMISED)
  })

  it('starling-mixnet/service-worker is one file, also as a classic script', async () => {
    const script =
      "import { connect, isMixnetError } from 'starling-mixnet/service-worker'\nglobalThis.all = { connect, isMixnetError }"
    for (const format of ['esm', 'iife'] as const) {
      const [file, ...others] = await bundled(script, { format })
      assert.ok(file && others.length === 0)
      assert.doesNotMatch(file.text, /\bimport\(|\bimport\.meta/)
    }
  })

  it('leads each runtime to its own entry', async () => {
    const ask = async (specifier: string, ...conditions: string[]) => {
      const program = `console.log(import.meta.resolve('${specifier}'))`
      const flags = conditions.flatMap((condition) => ['-C', condition])
      const { stdout } = await run(process.execPath, [...flags, '--input-type=module', '-e', program], { cwd: project })
      return relative(join(project, 'node_modules', 'starling-mixnet'), new URL(stdout.trim()).pathname)
    }
    assert.equal(await ask('starling-mixnet'), 'dist/app/sdk/connect.js')
    assert.equal(await ask('starling-mixnet', 'bun'), 'dist/app/sdk/bun.js')
    // Deno takes what Node takes.
    assert.equal(await ask('starling-mixnet', 'deno'), 'dist/app/sdk/connect.js')
    assert.equal(await ask('starling-mixnet', 'browser'), 'dist/web/starling.js')
    assert.equal(await ask('starling-mixnet/mix-fetch'), 'dist/app/sdk/mixFetch.js')
    assert.equal(await ask('starling-mixnet/sdk'), 'dist/app/sdk/nymSdk.js')
    assert.equal(await ask('starling-mixnet/browser'), 'dist/web/starling.js')
  })

  it('has the same types for every runtime, and those of pages where the project asks for them', async () => {
    await linkDependencies(join(project, 'node_modules', 'starling-mixnet'))
    const names =
      'ConnectOptions, MixnetConnection, MixnetError, MixnetErrorCode, MixnetEvent, MixnetState, TrafficChoice, TrafficDescription'
    const check = async (specifier: string, types: string, more: string, customConditions: readonly string[] = []) => {
      const lines = [
        `import { connect, type ${names.replaceAll(', ', ', type ')} } from '${specifier}'`,
        `export type All = [${names}]`,
        "export const open = (onEvent: (event: MixnetEvent) => void) => connect({ directory: 'https://x/api', onEvent })",
        more,
      ]
      await writeFile(join(project, 'types.ts'), lines.join('\n'))
      const compilerOptions = {
        target: 'es2024',
        module: 'esnext',
        moduleResolution: 'bundler',
        strict: true,
        noEmit: true,
      }
      const libraries = { lib: ['es2024', 'dom', 'esnext.disposable'], types: [], skipLibCheck: true, customConditions }
      const configuration = { compilerOptions: { ...compilerOptions, ...libraries }, files: ['types.ts'] }
      await writeFile(join(project, 'tsconfig.json'), JSON.stringify(configuration))
      const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url))
      const { stdout } = await run(process.execPath, [tsc, '-p', project]).catch((error: { stdout: string }) => error)
      assert.equal(stdout, '', `${specifier} ${types}`)
    }
    // What a page's client does not have.
    const notNode = "export const no: 'proxy' extends keyof MixnetConnection ? never : true = true"
    const ofNode = "export const yes: 'proxy' extends keyof MixnetConnection ? true : never = true"
    await check('starling-mixnet', 'of Node', ofNode)
    await check('starling-mixnet', 'of pages', notNode, ['browser'])
    await check('starling-mixnet', 'of Bun', notNode, ['bun'])
    await check('starling-mixnet/browser', 'of pages', notNode)
    await check('starling-mixnet/service-worker', 'of service workers', notNode)
  })

  it('has types for all of it, and no source map of a bundle', async () => {
    const has = (path: string) => packed.includes(path)
    for (const name of ['connect', 'browser', 'bun', 'serviceWorker', 'mixFetchBrowser', 'nymSdkBrowser']) {
      assert.ok(has(`dist/app/sdk/${name}.d.ts`), name)
    }
    const web = packed.filter((path) => path.startsWith('dist/web/') && !path.endsWith('/'))
    assert.ok(web.length > 0)
    for (const path of web) {
      assert.match(path, /\.js$/)
      const { size } = await stat(join(project, 'node_modules', 'starling-mixnet', path))
      assert.ok(size < 500_000, path)
    }
  })
})
