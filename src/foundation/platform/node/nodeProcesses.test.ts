import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { isMixnetError } from '../../base/errors.ts'
import { millis, seconds } from '../../base/units.ts'
import { nodeProcesses } from './nodeProcesses.ts'

const posix = { skip: process.platform === 'win32' ? 'needs a shell' : false }
const sh = (script: string) => ({ program: '/bin/sh', args: ['-c', script] })

test('what it writes is heard, bounded; its exit code is its own', posix, async () => {
  const lines: string[] = []
  const child = await nodeProcesses.start({
    ...sh('echo one; echo two >&2; head -c 300000 /dev/zero | tr "\\\\0" x; echo; exit 7'),
    onLine: (line) => void lines.push(line),
  })
  assert.deepEqual(await child.ended, { code: 7, signal: undefined, asked: false })
  assert.ok(lines.includes('one') && lines.includes('two'))
  assert.ok(child.output().length <= 64 * 1024)
  assert.ok(lines.every((line) => line.length <= 4096))
})

test('a program that is not there is an error, and no path is searched', async () => {
  for (const program of ['/no/such/program', 'sh'])
    await assert.rejects(nodeProcesses.start({ program, args: [] }), (error) => isMixnetError(error, 'FILE_UNUSABLE'))
})

test('it is asked to end, and ended where it does not', posix, async () => {
  const polite = await nodeProcesses.start(sh('trap "exit 3" TERM; echo ready; while :; do sleep 0.05; done'))
  await heard(polite, 'ready')
  assert.deepEqual(await polite.stop(seconds(20)), { code: 3, signal: undefined, asked: true })
  const deaf = await nodeProcesses.start(sh('trap "" TERM; echo ready; while :; do sleep 0.05; done'))
  await heard(deaf, 'ready')
  assert.deepEqual(await deaf.stop(millis(50)), { code: undefined, signal: 'SIGKILL', asked: true })
})

test('an environment of little, and none of our secrets', posix, async () => {
  process.env.STARLING_TEST_SECRET = 'secret'
  const child = await nodeProcesses.start(sh('env'))
  await child.ended
  delete process.env.STARLING_TEST_SECRET
  assert.doesNotMatch(child.output(), /secret/i)
  assert.match(child.output(), /PATH=/)
})

test('out of file descriptors, who asked is refused and we live on', posix, async () => {
  const script = `
    import { nodeProcesses } from ${JSON.stringify(new URL('./nodeProcesses.ts', import.meta.url).href)}
    const codes = new Set()
    const children = []
    for (const channel of [true, false, true, false])
      for (let i = 0; i < 40; i++)
        await nodeProcesses.start({ program: '/bin/sleep', args: ['100'], channel }).then((one) => children.push(one), (error) => codes.add(error.code))
    await Promise.all(children.map((one) => one.stop(0)))
    console.log(...codes)
    process.exit()`
  const node = `ulimit -n 90; exec "$0" --input-type=module -e "$1"`
  const child = spawn('/bin/sh', ['-c', node, process.execPath, script], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.on('data', (text) => (said += text))
  const [code] = await once(child, 'close')
  assert.deepEqual([code, said], [0, 'FILE_UNUSABLE\n'])
})

test('killed, we take it along', posix, async () => {
  const script = `
    import { nodeProcesses } from ${JSON.stringify(new URL('./nodeProcesses.ts', import.meta.url).href)}
    const child = await nodeProcesses.start({ program: '/bin/sh', args: ['-c', 'echo $$; exec sleep 1000'], onLine: (line) => console.log(line) })
    await child.ended`
  const parent = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [text] = (await once(parent.stdout, 'data')) as [Buffer]
  const pid = Number(text.toString())
  assert.ok(isAlive(pid))
  parent.kill('SIGKILL')
  await once(parent, 'exit')
  for (let i = 0; i < 400 && isAlive(pid); i++) await new Promise((resolve) => setTimeout(resolve, 25))
  assert.ok(!isAlive(pid))
})

async function heard(child: { output(): string }, text: string): Promise<void> {
  while (!child.output().includes(text)) await new Promise((resolve) => setTimeout(resolve, 5))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
