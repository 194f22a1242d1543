import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { it } from 'node:test'
import { nullBls } from '../../foundation/crypto/nullBls.ts'
import { takingTurns } from '../../foundation/platform/takingTurns.ts'
import { callsBy, type Thread } from '../../foundation/platform/threadCalls.ts'
import { webClock } from '../../foundation/platform/web/webClock.ts'
import { serveWebThread, type WebWorker, type WorkerScope } from '../../foundation/platform/web/webThread.ts'
import type { CredentialEngine } from '../../protocol/credentials/engine.ts'
import { LocalEngine } from '../../protocol/credentials/localEngine.ts'
import { createScheme } from '../../protocol/credentials/scheme.ts'
import { PAGE_ENGINE } from './pageEngine.ts'
import { loadPageEngine } from './webCredentialEngine.ts'

const bytes = (length: number) => new Uint8Array(randomBytes(length))
const engine = () => new LocalEngine(createScheme(nullBls), { bytes })
const SEED = new Uint8Array(32).fill(5)

/** What a page has, and which way each call went. */
function makePage({ worker = true, failures = 0 } = {}) {
  const went: string[] = []
  const told = (where: string): CredentialEngine => {
    const real = engine()
    return callsBy<CredentialEngine>(PAGE_ENGINE.methods, (method, args) => {
      went.push(where)
      // What the worker dies in.
      if (where === 'worker' && method === 'userKey' && (args[0] as Uint8Array)[0] === 0) return new Promise(() => {})
      return (real[method] as (...args: readonly unknown[]) => Promise<unknown>).apply(real, [...args])
    })
  }
  let started: WebWorker | undefined
  let loads = 0
  return {
    went,
    loads: () => loads,
    die: () => started?.onerror?.({}),
    parts: {
      worker() {
        if (!worker) throw new Error('a policy')
        const { port1, port2 } = new MessageChannel()
        const scope: WorkerScope = { onmessage: null, postMessage: (message) => port2.postMessage(message) }
        port2.onmessage = (event) => scope.onmessage?.(event)
        const made: WebWorker = {
          ...{ onmessage: null, onerror: null, onmessageerror: null },
          postMessage: (message) => port1.postMessage(message),
          terminate: () => port1.close(),
        }
        port1.onmessage = (event) => made.onmessage?.(event)
        serveWebThread<CredentialEngine>(told('worker'), scope)
        started = made
        return made
      },
      async onTheSpot(): Promise<Thread<CredentialEngine>> {
        if (++loads <= failures) throw new TypeError('Failed to fetch dynamically imported module')
        return takingTurns<CredentialEngine>(told('spot'), { ...PAGE_ENGINE, clock: webClock })
      },
    },
  }
}

it('works in the worker, and loads nothing else', async () => {
  const page = makePage()
  const loaded = await loadPageEngine(page.parts)
  assert.equal((await loaded.userKey(SEED)).length, 80)
  await assert.rejects(loaded.verificationKey(new Uint8Array(3)), { code: 'MALFORMED' })
  assert.deepEqual([page.went, page.loads()], [['worker', 'worker'], 0])
  await loaded.close()
  await assert.rejects(loaded.userKey(SEED), { code: 'STOPPED' })
})

it('works on the spot where there is no worker', async () => {
  const page = makePage({ worker: false })
  const loaded = await loadPageEngine(page.parts)
  assert.equal((await loaded.userKey(SEED)).length, 80)
  await assert.rejects(loaded.verificationKey(new Uint8Array(3)), { code: 'MALFORMED' })
  assert.deepEqual([page.went, page.loads()], [['spot', 'spot'], 1])
  await loaded.close()
  await assert.rejects(loaded.userKey(SEED), { code: 'STOPPED' })
})

it('does again what the worker died in, and goes on without it', async () => {
  const page = makePage()
  const loaded = await loadPageEngine(page.parts)
  const waiting = loaded.userKey(new Uint8Array(32))
  page.die()
  assert.equal((await waiting).length, 80)
  assert.equal((await loaded.userKey(SEED)).length, 80)
  assert.deepEqual([page.went.filter((where) => where === 'spot').length, page.loads()], [2, 1])
  await loaded.close()
})

it('is not done again once it is closed', async () => {
  const page = makePage()
  const loaded = await loadPageEngine(page.parts)
  const waiting = assert.rejects(loaded.userKey(new Uint8Array(32)), { code: 'STOPPED' })
  await loaded.close()
  page.die()
  await waiting
  assert.equal(page.loads(), 0)
})

it('says that its file could not be loaded, and tries again when asked again', async () => {
  const page = makePage({ worker: false, failures: 1 })
  await assert.rejects(loadPageEngine(page.parts), { code: 'CONNECTION_CLOSED', guilty: 'network' })
  const loaded = await loadPageEngine(page.parts)
  assert.equal((await loaded.userKey(SEED)).length, 80)
  await loaded.close()
})

it('where there are no browsers, the file itself is the engine on the spot', async () => {
  const loaded = await loadPageEngine()
  assert.equal((await loaded.userKey(SEED)).length, 80)
  await loaded.close()
})
