import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { constants, mkdtempSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { isMixnetError } from '../../base/errors.ts'
import { openDevice } from './nodeDevice.ts'

describe('a named pipe', { timeout: 30_000, skip: process.platform === 'win32' }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'starling-pipe-'))
  after(() => rmSync(folder, { recursive: true }))
  let pipes = 0
  const makePipe = (): string => {
    const path = join(folder, `pipe${pipes++}`)
    execFileSync('mkfifo', [path])
    return path
  }
  const reader = (path: string) => open(path, constants.O_RDONLY | constants.O_NONBLOCK)

  it('is waited for until somebody reads it, and takes more than it holds at once', async () => {
    const path = makePipe()
    const opening = openDevice(path, new AbortController().signal)
    const read = await reader(path)
    const device = await opening
    const sent = new Uint8Array(1_000_000).map((_, i) => i % 251)
    const writing = device.write(sent).then(() => device.close())
    const received = Buffer.alloc(sent.length)
    for (let length = 0; length < received.length; ) {
      try {
        length += (await read.read(received, length)).bytesRead
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN')
      }
    }
    await writing
    assert.ok(received.equals(sent))
    await read.close()
  })

  it('that nobody reads holds nobody up: neither opening nor writing outlasts an interruption', async () => {
    for (const isOpen of [false, true]) {
      const path = makePipe()
      const read = isOpen ? await reader(path) : undefined
      const stop = new AbortController()
      const work = openDevice(path, stop.signal).then((device) =>
        device.write(new Uint8Array(1_000_000)).finally(() => device.close()),
      )
      // Runs only because the process is not held up.
      setTimeout(() => stop.abort(), 50)
      await assert.rejects(work, (error) => isMixnetError(error, 'ABORTED'))
      await read?.close()
    }
  })
})
