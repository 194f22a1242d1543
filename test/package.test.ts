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
import { whyNotInside } from './support/insideNetwork.ts'
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
  let linked: Promise<void> | undefined
  /** Late: what a page's bundler finds must not be theirs. */
  const withDependencies = (): Promise<void> =>
    (linked ??= linkDependencies(join(project, 'node_modules', 'starling-mixnet')))

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
  const withoutLate = (files: readonly OutputFile[]) =>
    files
      .filter(({ path }) => !/^(?:rootCertificates|webCredential)/.test(basename(path)))
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
    it(`${name} in a page: at most 120 KB and what comes later: the list of authorities, what pays`, async () => {
      const files = await bundled(script, split)
      assert.ok(files.length > 1)
      assert.ok(withoutLate(files) <= PROMISED, `${withoutLate(files)} bytes`)
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
    assert.ok(withoutLate(await bundled(script, split)) <= 1.05 * PROMISED)
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
    await withDependencies()
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

  it('takes every option as an application writes it, checked by a strict compiler', async () => {
    const program = (entry: string, more: string) => `
      import { connect, connectPool, describeTraffic } from '${entry}'
      const { signal } = new AbortController()
      export const mixnet = await connect({
        directory: ['http://127.0.0.1:8080/api'],
        folder: 'me',
        passphrase: 'secret',
        gateway: 'gateway',
        exit: 'exit',
        forceTls: false,
        exitRequired: true,
        anonymous: true,
        traffic: { perDay: '500 MB' },
        refresh: { interval: 300_000, deadline: 10_000, maxFailures: 3, startRetry: 1_000, startLimit: 10_000 },
        connectTimeout: 5_000,
        ca: '-----BEGIN CERTIFICATE-----',
        signal,
        onEvent: (event) => console.log(event.type),
        onMessage: ({ data, sender }) => console.log(data.length, sender),
        onPacket: (event) => console.log(event.type),
        ${more}
      })
      const limits = { timeout: 5_000, signal, isolation: 'somebody' }
      export const answer = await mixnet.fetch('https://a.example/', { ...limits, method: 'POST', body: 'x' })
      export const socket = await mixnet.open({ host: 'a.example', port: 443 }, limits)
      export const addresses = await mixnet.resolve('a.example', { ...limits, server: '9.9.9.9', port: 53, type: 'AAAA' })
      export const webSocket = new mixnet.WebSocket('wss://a.example/', ['chat'], limits)
      await mixnet.send(mixnet.addressText, 'hello', { repliable: true, surbs: 10, signal })
      for await (const { sender } of mixnet.messages(signal)) if (sender !== undefined) await mixnet.reply(sender, 'hello', { signal })
      export const pool = await connectPool({ size: 2, directory: 'http://127.0.0.1:8080/api', traffic: 'frugal' })
      await pool.fetch('https://a.example/', limits)
      await connect({
        topology: await mixnet.topologySnapshot(),
        traffic: {
          averagePacketDelay: 15, averageAckDelay: 15, mainStreamInterval: 20, loopCoverInterval: 200, unacknowledgedWindow: 256,
          ackWaitMultiplier: 1.5, ackWaitAddition: 1_500, maxRetransmissions: 60, queueCapacity: 4_096, laneCapacity: 64,
          replies: {
            reserve: 2, maxStock: 200, minRequest: 10, maxRequest: 50, maxAllowedRequest: 500, rerequestAfter: 10_000,
            giveUpAfter: 300_000, maxRerequests: 5, maxKeyAge: 86_400_000, maxKeys: 20_000, maxRetransmissions: 60,
            maxSenders: 10_000, maxSurbs: 50_000, maxWaitingPerSender: 1_024, maxWaiting: 16_384, idleTarget: 40, busyTarget: 300,
          },
          reassembly: { maxBytes: 134_217_728, maxSets: 4_096, setLifetime: 60_000, rememberedSets: 10_000 },
        },
      })
      console.log(describeTraffic({ perMonth: '15 GB' }).words)
    `
    const node = "topology: new URL('file:///network.json'),"
    await writeFile(
      join(project, 'node.mts'),
      `${program('starling-mixnet', node)}
      export const { dispatcher, agent } = mixnet.adapters({ timeout: 5_000, isolation: 'somebody' })
      export const proxy = await mixnet.proxy({ host: '127.0.0.1', port: 1080 })`,
    )
    await writeFile(join(project, 'page.mts'), program('starling-mixnet/browser', ''))
    const root = fileURLToPath(new URL('..', import.meta.url))
    const flags = [
      '--ignoreConfig',
      '--strict',
      '--exactOptionalPropertyTypes',
      '--noEmit',
      '--skipLibCheck',
      '--target',
      'esnext',
    ]
    const types = ['--module', 'nodenext', '--typeRoots', join(root, 'node_modules', '@types'), '--types', 'node']
    const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    const { stdout } = await run(process.execPath, [compiler, ...flags, ...types, 'node.mts', 'page.mts'], {
      cwd: project,
    }).catch((error: { readonly stdout: string }) => error)
    assert.equal(stdout, '')
  })

  it('has the program that pumps packets of a device', { skip: whyNotInside(['/usr/bin/socat']) }, async () => {
    await withDependencies()
    const installed = join(project, 'node_modules', 'starling-mixnet')
    const program = `
      import { openTunDevice } from '${installed}/dist/foundation/platform/node/nodeTunDevice.js'
      const device = await openTunDevice('packed', '/usr/bin/socat')
      await device.close()
      console.log('carried')`
    const node = [process.execPath, '--input-type=module', '-e', program]
    const { stdout } = await run('unshare', ['--net', ...node], { cwd: project })
    assert.equal(stdout, 'carried\n')
  })

  it('has types for all of it, and no source map of a bundle', async () => {
    const has = (path: string) => packed.includes(path)
    for (const name of ['connect', 'browser', 'bun', 'serviceWorker', 'mixFetchBrowser', 'nymSdkBrowser']) {
      assert.ok(has(`dist/app/sdk/${name}.d.ts`), name)
    }
    const web = packed.filter((path) => path.startsWith('dist/web/') && !path.endsWith('/'))
    assert.ok(web.length > 0)
    for (const name of ['webCredentialEngine', 'webCredentialModule', 'webCredentialWallet']) {
      assert.ok(
        web.some((path) => basename(path).startsWith(name)),
        name,
      )
    }
    for (const path of web) {
      assert.match(path, /\.js(?:\.LEGAL\.txt)?$/)
      const { size } = await stat(join(project, 'node_modules', 'starling-mixnet', path))
      assert.ok(size < 500_000, path)
    }
  })
})
