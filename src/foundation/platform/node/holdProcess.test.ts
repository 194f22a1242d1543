import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'

const module = new URL('holdProcess.ts', import.meta.url).href
const LENGTH = 3_000_000

test('a process whose work is done ends though something waits, with its code and all that it wrote', async (t) => {
  const script = `import { endProcessSoon, holdProcess } from '${module}'
    process.exitCode = 3
    holdProcess()
    process.stdout.write('x'.repeat(${LENGTH}))
    endProcessSoon()`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  let read = 0
  child.stdout.on('data', (chunk: Buffer) => (read += chunk.length))
  const [code] = await once(child, 'close', { signal: AbortSignal.timeout(60_000) })
  assert.equal(code, 3)
  assert.equal(read, LENGTH)
})
