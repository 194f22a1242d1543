import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it, type TestContext } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import ts from 'typescript'
import { isMixnetError, type MixnetError } from '../../base/errors.ts'
import type { Thread } from '../threadCalls.ts'
import { siblingModule, startThread } from './nodeThread.ts'
import type { Served } from './nodeThreadFixture.ts'

const METHODS = {
  calls: true,
  echo: true,
  bytes: true,
  bufferBytes: true,
  refuse: true,
  fail: true,
  uncopyable: true,
  never: true,
  spin: true,
  crash: true,
  exit: true,
} as const

function start(t: TestContext, maxCalls = 8, module = siblingModule('nodeThreadFixture', import.meta.url)) {
  const thread: Thread<Served> = startThread<Served>({ name: 'test', module, methods: METHODS, maxCalls })
  t.after(() => thread.close())
  return thread
}

const thrown = (call: Promise<unknown>): Promise<MixnetError> =>
  call.then(
    () => assert.fail('it should reject'),
    (error: unknown) => {
      assert.ok(isMixnetError(error), String(error))
      return error
    },
  )

it('calls methods by name, in one thread, and copies what goes and comes', async (t) => {
  const { calls } = start(t)
  assert.deepEqual(await Promise.all([calls.calls(), calls.calls()]), [1, 2])
  const value = { list: [new Uint8Array([1, 2]), { n: 3n, none: undefined }], text: 'x' }
  assert.deepEqual(await calls.echo(value), value)
})

it('brings back big byte arrays', async (t) => {
  const bytes = await start(t).calls.bytes(20_000_000)
  assert.equal(bytes.length, 20_000_000)
  assert.ok(bytes.every((byte) => byte === 7))
})

it('sends of a view what it shows, not the buffer behind it', async (t) => {
  const { calls } = start(t)
  assert.equal(await calls.bufferBytes(new Uint8Array(5_000).subarray(10, 42)), 32)
  assert.equal(await calls.bufferBytes(Buffer.from('small ones share a pool')), 23)
  const echoed = (await calls.echo({ view: [new Uint8Array([9, 8, 7]).subarray(1)] })) as { view: [Uint8Array] }
  assert.deepEqual(echoed.view[0], new Uint8Array([8, 7]))
})

it('brings back a MixnetError as it was', async (t) => {
  const error = await thrown(start(t).calls.refuse())
  assert.deepEqual(
    [error.code, error.guilty, error.details, error.nextStep, error.message],
    ['NO_ROUTE', 'network', { layer: 2, why: 'test' }, 'another step', 'other words (layer: 2, why: test)'],
  )
})

it('tells of any other error its class and nothing of its text', async (t) => {
  const { calls } = start(t)
  const error = await thrown(calls.fail('sesame'))
  assert.equal(error.code, 'INTERNAL')
  assert.deepEqual(error.details, { error: 'TypeError' })
  assert.doesNotMatch(`${error.message} ${error.stack} ${error.cause}`, /sesame/)
  assert.equal((await thrown(calls.uncopyable())).code, 'INTERNAL')
  const unsent = await thrown(calls.echo(() => 'sesame'))
  assert.equal(unsent.code, 'BAD_ARGUMENT')
  assert.doesNotMatch(`${unsent.message} ${unsent.stack} ${unsent.cause}`, /sesame/)
  assert.equal(await calls.calls(), 1)
})

it('refuses one call more than it may have unanswered', async (t) => {
  const { calls } = start(t, 2)
  const waiting = [calls.echo(1), calls.echo(2)]
  assert.equal((await thrown(calls.echo(3))).code, 'QUEUE_FULL')
  assert.deepEqual(await Promise.all(waiting), [1, 2])
  assert.equal(await calls.echo(4), 4)
})

for (const way of ['crash', 'exit'] as const) {
  it(`fails what was asked of a thread that dies (${way}), and starts another for the next call`, async (t) => {
    const { calls } = start(t)
    assert.equal(await calls.calls(), 1)
    const errors = await Promise.all([thrown(calls.never()), thrown(calls[way]())])
    assert.deepEqual(
      errors.map(({ code, details }) => [code, details.method]),
      [
        ['INTERNAL', 'never'],
        ['INTERNAL', way],
      ],
    )
    assert.equal(await calls.calls(), 1)
  })
}

it('fails calls to a module that is not there, each time', async (t) => {
  const { calls } = start(t, 8, new URL('nowhere.ts', import.meta.url))
  assert.equal((await thrown(calls.calls())).code, 'INTERNAL')
  assert.equal((await thrown(calls.calls())).code, 'INTERNAL')
})

it('closes in the middle of a call that would never end, and stays closed', async (t) => {
  const thread = start(t)
  await thread.calls.calls()
  const spinning = thrown(thread.calls.spin())
  await thread.close()
  assert.equal((await spinning).code, 'STOPPED')
  assert.equal((await thrown(thread.calls.calls())).code, 'STOPPED')
  await thread.close()
})

const EXAMPLE = (nodeThread: string, fixture: string) => `
import { startThread } from ${JSON.stringify(nodeThread)}
const methods = ${JSON.stringify(METHODS)}
const { calls } = startThread({ name: 'test', module: new URL(${JSON.stringify(fixture)}), methods, maxCalls: 8 })
await calls.echo(1)
// Unanswered when the module has run: this holds the process, and then nothing does.
calls.bytes(1000).then(({ length }) => console.log('answered', length))
`

async function run(script: string): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (chunk: Uint8Array) => {
    output += String(chunk)
  })
  const [code] = await once(child, 'close')
  return { code, output }
}

it('holds the process while a call is unanswered, and no longer', { timeout: 60_000 }, async () => {
  const urls = ['nodeThread', 'nodeThreadFixture'].map((name) => siblingModule(name, import.meta.url).href)
  assert.deepEqual(await run(EXAMPLE(urls[0] as string, urls[1] as string)), { code: 0, output: 'answered 1000\n' })
})

it('works as the published JavaScript, in node_modules, where Node runs no TypeScript', {
  timeout: 60_000,
}, async (t) => {
  const place = await mkdtemp(join(tmpdir(), 'starling-thread-'))
  t.after(() => rm(place, { recursive: true }))
  const built = join(place, 'node_modules/threads/platform/node')
  await mkdir(join(place, 'node_modules/threads/base'), { recursive: true })
  await mkdir(built, { recursive: true })
  await writeFile(join(place, 'node_modules/threads/package.json'), '{ "type": "module" }')
  for (const [name, folder] of [
    ['nodeThread', 'platform/node'],
    ['nodeThreadFixture', 'platform/node'],
    ['threadCalls', 'platform'],
    ['errors', 'base'],
  ] as const) {
    const source = new URL(`../../${folder}/${name}.ts`, import.meta.url)
    const { outputText } = ts.transpileModule(ts.sys.readFile(fileURLToPath(source)) ?? '', {
      compilerOptions: {
        target: ts.ScriptTarget.ESNext,
        module: ts.ModuleKind.ESNext,
        rewriteRelativeImportExtensions: true,
      },
    })
    await writeFile(join(place, 'node_modules/threads', folder, `${name}.js`), outputText)
  }
  const base = pathToFileURL(join(built, 'nodeThread.js')).href
  const fixture = siblingModule('nodeThreadFixture', base).href
  assert.match(fixture, /\.js$/)
  assert.deepEqual(await run(EXAMPLE(base, fixture)), { code: 0, output: 'answered 1000\n' })
})
