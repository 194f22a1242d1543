import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { isMixnetError, type MixnetError } from '../../src/foundation/base/errors.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { nodeProcesses } from '../../src/foundation/platform/node/nodeProcesses.ts'
import { nodeWorld } from '../../src/foundation/platform/node/nodeWorld.ts'
import type { ChildProcess, Processes } from '../../src/foundation/platform/processes.ts'
import { anvilProgram } from '../../src/network/ledger/anvilProgram.ts'
import { balanceOf, NEWEST_HEADER } from '../../src/network/ledger/chainCalls.ts'
import { startEmbeddedChain } from '../../src/network/ledger/embeddedChain.ts'
import { JsonRpc } from '../../src/network/ledger/jsonRpc.ts'
import { Sending } from '../../src/network/ledger/sending.ts'
import { keySigner } from '../../src/network/ledger/signers.ts'

const world = nodeWorld(nodeProvider)
const folders: string[] = []
after(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))))
async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'starling-chain-'))
  folders.push(folder)
  return folder
}

function hasAnvil(): boolean {
  try {
    anvilProgram()
    return true
  } catch {
    return false
  }
}
const withAnvil = { skip: hasAnvil() ? false : 'anvil was not installed here' }
const someone = '0x00000000000000000000000000000000000000aa'

const rpcOf = (url: string) => new JsonRpc(world, { urls: [url], chainId: undefined })

test('a chain of our own: its id, its time, its coins, its key', withAnvil, async () => {
  const folder = await newFolder()
  const chain = await startEmbeddedChain(world, nodeProcesses, { folder })
  try {
    const rpc = rpcOf(chain.url)
    assert.equal(await rpc.chainId(), chain.chainId)
    const signer = keySigner(chain.key)
    await chain.fund(signer.address, 10n ** 20n)
    const sending = new Sending({ world, rpc, signer, options: {} })
    const receipts = await Promise.all(
      Array.from({ length: 10 }, () => sending.send({ to: someone, data: '0x', value: 5n }, {}, {})),
    )
    assert.ok(receipts.every(({ succeeded }) => succeeded))
    assert.equal(await rpc.ask(balanceOf(someone)), 50n)
    const head = await rpc.ask(NEWEST_HEADER)
    assert.ok(
      head !== undefined && Math.abs(head.time - Date.now() / 1000) < 10,
      'blocks do not run ahead of the clock',
    )
    assert.equal((await stat(join(folder, 'deployer.key'))).mode & 0o777, 0o600)
    await assert.rejects(startEmbeddedChain(world, nodeProcesses, { folder }), (error) =>
      isMixnetError(error, 'LOCKED'),
    )
  } finally {
    await chain.stop()
  }
  // The same again: everything is still there.
  const again = await startEmbeddedChain(world, nodeProcesses, { folder })
  try {
    assert.deepEqual(again.key.expose(), chain.key.expose())
    assert.equal(again.url, chain.url, 'programs beside it go on asking there')
    assert.equal(await rpcOf(again.url).ask(balanceOf(someone)), 50n)
  } finally {
    await again.stop()
  }
  // Somebody else has the port now.
  const { hostname, port } = new URL(chain.url)
  const squatter = createServer().listen(Number(port), hostname)
  await once(squatter, 'listening')
  const elsewhere = await startEmbeddedChain(world, nodeProcesses, { folder })
  try {
    assert.notEqual(elsewhere.url, chain.url)
    assert.equal(await rpcOf(elsewhere.url).ask(balanceOf(someone)), 50n)
  } finally {
    await elsewhere.stop()
    squatter.close()
  }
})

test('a page of a browser cannot ask it', withAnvil, async () => {
  const chain = await startEmbeddedChain(world, nodeProcesses, { folder: await newFolder() })
  try {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_chainId', params: [] })
    // What a page may send without asking first; and the asking.
    const simple = await fetch(chain.url, {
      method: 'POST',
      body,
      headers: { 'content-type': 'text/plain', origin: 'http://a.example' },
    })
    assert.doesNotMatch(await simple.text(), /"result"/)
    const asking = await fetch(chain.url, {
      method: 'OPTIONS',
      headers: { origin: 'http://a.example', 'access-control-request-method': 'POST' },
    })
    assert.equal(asking.headers.get('access-control-allow-origin'), null)
  } finally {
    await chain.stop()
  }
})

test('killed, it says so, and comes back with the last copy', withAnvil, async () => {
  const folder = await newFolder()
  let started: ChildProcess | undefined
  const watched: Processes = {
    async start(options) {
      started = await nodeProcesses.start(options)
      return started
    },
  }
  const died = Promise.withResolvers<MixnetError>()
  const chain = await startEmbeddedChain(world, watched, { folder, onDied: died.resolve })
  const rpc = rpcOf(chain.url)
  const signer = keySigner(chain.key)
  await chain.fund(signer.address, 10n ** 20n)
  const sending = new Sending({ world, rpc, signer, options: {} })
  await sending.send({ to: someone, data: '0x', value: 5n }, {}, {})
  await chain.save()
  await sending.send({ to: someone, data: '0x', value: 5n }, {}, {})
  // By its own port: nobody else is meant.
  await killListener(chain.url)
  const error = await died.promise
  assert.equal(error.code, 'CHAIN_UNAVAILABLE')
  assert.equal((await started?.ended)?.asked, false)
  await assert.rejects(rpc.ask(NEWEST_HEADER), (why) => isMixnetError(why, 'LEDGER_UNREACHABLE'))
  await chain.stop()

  const again = await startEmbeddedChain(world, nodeProcesses, { folder })
  try {
    assert.equal(await rpcOf(again.url).ask(balanceOf(someone)), 5n)
  } finally {
    await again.stop()
  }
})

test('it dies with a program that is killed, and the next one finds its state', withAnvil, async () => {
  const folder = await newFolder()
  const from = (path: string) => JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href)
  const script = `
    import { nodeProvider } from ${from('foundation/crypto/nodeProvider.ts')}
    import { nodeProcesses } from ${from('foundation/platform/node/nodeProcesses.ts')}
    import { nodeWorld } from ${from('foundation/platform/node/nodeWorld.ts')}
    import { startEmbeddedChain } from ${from('network/ledger/embeddedChain.ts')}
    const chain = await startEmbeddedChain(nodeWorld(nodeProvider), nodeProcesses, { folder: ${JSON.stringify(folder)} })
    await chain.fund('${someone}', 7n)
    await chain.save()
    console.log(chain.url)
    setInterval(() => {}, 1000)`
  const parent = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [text] = (await once(parent.stdout, 'data')) as [Buffer]
  const url = text.toString().trim()
  assert.equal(await rpcOf(url).ask(balanceOf(someone)), 7n)
  parent.kill('SIGKILL')
  await once(parent, 'exit')
  for (let i = 0; i < 400; i++) {
    try {
      await rpcOf(url).chainId()
    } catch {
      break
    }
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  await assert.rejects(rpcOf(url).chainId(), (error) => isMixnetError(error, 'LEDGER_UNREACHABLE'))
  const again = await startEmbeddedChain(world, nodeProcesses, { folder })
  assert.equal(await rpcOf(again.url).ask(balanceOf(someone)), 7n)
  await again.stop()
})

test('a state that is none, a platform without a binary, a program that ends at once', withAnvil, async () => {
  const folder = await newFolder()
  await writeFile(join(folder, 'chain.state'), 'nothing of the kind')
  await assert.rejects(
    startEmbeddedChain(world, nodeProcesses, { folder }),
    (error) =>
      isMixnetError(error, 'CHAIN_UNAVAILABLE') &&
      error.details.file === join(folder, 'chain.state') &&
      error.nextStep.includes(`move the folder ${folder} away`),
  )
  assert.throws(
    () => anvilProgram('sunos', 'sparc'),
    (error) => isMixnetError(error, 'CHAIN_UNAVAILABLE') && /@foundry-rs\/anvil|URL/.test(error.nextStep),
  )
  const broken: Processes = {
    start: (options) => nodeProcesses.start({ ...options, program: process.execPath, args: ['--version'] }),
  }
  const empty = await newFolder()
  await assert.rejects(startEmbeddedChain(world, broken, { folder: empty }), (error) =>
    isMixnetError(error, 'CHAIN_UNAVAILABLE'),
  )
  // Given back: the next one can have it.
  await (await startEmbeddedChain(world, nodeProcesses, { folder: empty })).stop()
})

/** Ends whoever listens on that port of loopback, as the kernel would where memory runs out. */
async function killListener(url: string): Promise<void> {
  const port = Number(new URL(url).port).toString(16).toUpperCase().padStart(4, '0')
  const line = (await readFile('/proc/net/tcp', 'utf8'))
    .split('\n')
    .find((one) => one.includes(`0100007F:${port} 00000000:0000 0A`))
  const inode = line?.trim().split(/\s+/)[9]
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const handles = await readdir(`/proc/${pid}/fd`).catch(() => [])
    for (const handle of handles) {
      const { readlink } = await import('node:fs/promises')
      const target = await readlink(`/proc/${pid}/fd/${handle}`).catch(() => '')
      if (target === `socket:[${inode}]`) return void process.kill(Number(pid), 'SIGKILL')
    }
  }
  throw new Error('nobody listens')
}
