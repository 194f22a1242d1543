/**
 * Issuers as processes, by the commands of docs/guides/run-issuers.md, and books bought of them with `starling credential`: where the
 * guide is wrong, this fails.
 */
import assert from 'node:assert/strict'

import { appendFile, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { openTickets } from '../src/client/credentials/openTickets.ts'
import { nodeProvider } from '../src/foundation/crypto/nodeProvider.ts'
import { nodeWorld } from '../src/foundation/platform/node/nodeWorld.ts'
import { codeBlocks, commandsOf } from './support/guides.ts'
import { Starling, temporaryFolder } from './support/starling.ts'

// Other tests have networks at the guide's address.
const OWN_HOST = '127.0.79.1'
const GUIDE_HOST = '127.0.0.1'
const NETWORK = 'issuers.toml'

class Processes {
  readonly cwd: string
  readonly #running: Starling[] = []

  constructor(t: TestContext, cwd: string) {
    this.cwd = cwd
    t.after(() => {
      for (const process of this.#running) process.kill()
    })
  }

  start(...args: readonly string[]): Starling {
    const process = new Starling(args, { cwd: this.cwd })
    this.#running.push(process)
    return process
  }

  async finish(code: number, ...args: readonly string[]): Promise<Starling> {
    const process = this.start(...args)
    assert.deepEqual(
      await process.exit(),
      { code, signal: null },
      `${args.join(' ')}\n${process.stdout}${process.stderr}`,
    )
    return process
  }
}

/** At addresses of this test's own, and in a hurry. */
function adapted(args: readonly string[]): string[] {
  const own = args.map((arg) => arg.replace(GUIDE_HOST, OWN_HOST))
  const command = own.slice(0, 2).join(' ')
  if (command === 'issuer init' || command === 'issuer faucet') own.push('--host', OWN_HOST)
  if (command === 'issuer plan') own.push('--starts-in', '2', '--phase-limit', '30')
  return own
}

const skip = process.platform !== 'linux' && 'other systems have one loopback address'

describe('issuers', { timeout: 240_000, skip }, () => {
  it('make their keys as the guide says, also where one dies meanwhile; and sell books', async (t) => {
    const processes = new Processes(t, await temporaryFolder(t))
    const blocks = (await codeBlocks('run-issuers.md'))
      .filter(({ info }) => info.startsWith('sh'))
      .map((block) => ({ info: block.info, commands: commandsOf(block) }))
    assert.deepEqual(
      blocks.map(({ info }) => info),
      ['sh', 'sh keeps running', 'sh', 'sh hand on'],
    )
    const [making, running, asking, handing] = blocks.map(({ commands }) => commands.map(adapted))
    assert.ok(making && running && asking && handing)
    for (const command of making) await processes.finish(0, ...command)
    // Nobody issues yet, which is what the exit code is for.
    await processes.finish(3, ...(asking[0] as string[]))

    const [faucet, first, ...others] = running.map((args) => processes.start(...args, '--json'))
    assert.ok(faucet && first)
    await Promise.all([faucet, first, ...others].map((one) => one.event('listening')))
    first.kill()
    await first.exit()
    const again = processes.start(...(running[1] as string[]), '--json')
    const agreed = await Promise.all([again, ...others].map((one) => one.event('keys')))
    assert.deepEqual(
      agreed.map(({ outcome, threshold, issuers, index }) => ({ outcome, threshold, issuers, index })),
      [1, 2, 3, 4, 5].map((index) => ({ outcome: 'member', threshold: 3, issuers: 5, index })),
    )
    await processes.finish(0, ...(asking[0] as string[]))

    // Its share is nobody else's to read, and nothing of it is said.
    const share = join(processes.cwd, 'ibis', 'keys-0.json')
    assert.equal((await stat(share)).mode & 0o777, 0o600)
    const secret = (JSON.parse(await readFile(share, 'utf8')) as { own: { secret_key: string } }).own.secret_key
    for (const one of [again, ...others]) assert.ok(!`${one.stdout}${one.stderr}`.includes(secret.slice(0, 32)))

    await books(processes)

    const liar = await lyingIssuer(t, `http://${OWN_HOST}:8091`)
    const [handOn] = handing as [string[]]
    // Two are of another epoch and one is away: four answer, and make no book.
    const split = (await readFile(join(processes.cwd, NETWORK), 'utf8'))
      .replace(/"http:[^"]*:809([12])"/g, `"${liar}/$1"`)
      .replace(/"http:[^"]*:8093"/g, `"http://${OWN_HOST}:1"`)
    await writeFile(join(processes.cwd, 'split.toml'), split)
    await processes.finish(3, 'issuer', 'status', 'split.toml')
    await processes.finish(3, ...handOn.map((arg, i) => (handOn[i - 1] === '--from' ? liar : arg)))
    for (const command of handing) await processes.finish(0, ...command)
    for (const one of [again, ...others]) assert.equal((await one.stop()).code, 0)
    const names = running.slice(1).map((args) => args.at(-1) as string)
    for (const name of names) {
      const path = join(processes.cwd, name, 'issuer.toml')
      await writeFile(path, (await readFile(path, 'utf8')).replace('issuers.toml', 'issuers-1.toml'))
    }
    const next = [...names, 'dunlin'].map((name) => processes.start('issuer', 'run', name, '--json'))
    for (const one of next) {
      const { outcome, epoch, threshold, issuers } = await one.event('keys')
      assert.deepEqual(
        { outcome, epoch, threshold, issuers },
        { outcome: 'member', epoch: 1, threshold: 4, issuers: 6 },
      )
    }
    const keyOf = async (name: string, epoch: number) =>
      (JSON.parse(await readFile(join(processes.cwd, name, `keys-${epoch}.json`), 'utf8')) as { master_key: string })
        .master_key
    assert.equal(await keyOf('dunlin', 1), await keyOf('ibis', 0))
    for (const one of [faucet, ...next]) assert.equal((await one.stop()).code, 0)
  })

  it('are planned once, and by most of them', async (t) => {
    const processes = new Processes(t, await temporaryFolder(t))
    const init = (name: string, port: number, ...more: string[]) =>
      ['issuer', 'init', name, '--url', `http://${OWN_HOST}:${port}`, ...more] as const
    const problem = async (code: string, ...args: readonly string[]) => {
      const { events } = await processes.finish(2, ...args, '--json')
      assert.equal(events.find(({ event }) => event === 'problem')?.code, code)
    }
    await problem('BAD_ARGUMENT', ...init('one', 1))
    await processes.finish(0, ...init('one', 1, '--faucet', `http://${OWN_HOST}:9`))
    await problem('BAD_ARGUMENT', ...init('one', 2))
    await problem('BAD_ARGUMENT', ...init('two', 1))
    await problem('CONFIG_INVALID', 'issuer', 'run', 'one')
    await processes.finish(0, ...init('two', 2))
    await problem('BAD_ARGUMENT', 'issuer', 'plan', NETWORK, '--threshold', '1')
    await problem('BAD_ARGUMENT', 'issuer', 'plan', NETWORK, '--threshold', '3')
    await processes.finish(0, 'issuer', 'plan', NETWORK, '--threshold', '2')
    await problem('BAD_ARGUMENT', 'issuer', 'plan', NETWORK, '--threshold', '2')
    await problem('BAD_ARGUMENT', ...init('three', 3))
    await problem('BAD_ARGUMENT', 'issuer', 'run', 'three')
  })
})

/** Says of the key that is handed on that it is its own. */
async function lyingIssuer(t: TestContext, honest: string): Promise<string> {
  const epoch = (await (await fetch(`${honest}/v1/ecash/epoch`)).json()) as { issuers: { verification_key: string }[] }
  const [one] = epoch.issuers
  for (const issuer of epoch.issuers) issuer.verification_key = one?.verification_key ?? ''
  const server = createServer((_, response) => response.end(JSON.stringify(epoch)))
  await new Promise<void>((resolve) => server.listen(0, OWN_HOST, resolve))
  t.after(() => server.close())
  return `http://${OWN_HOST}:${(server.address() as AddressInfo).port}`
}

/** A directory that knows the issuers, and a client that never runs. */
async function books(processes: Processes): Promise<void> {
  const { cwd } = processes
  await processes.finish(0, 'directory', 'init', 'directory', '--host', OWN_HOST, '--port', '27980', '--local')
  const config = join(cwd, 'directory', 'directory.toml')
  const urls = [1, 2, 3, 4, 5].map((i) => `"http://${OWN_HOST}:809${i}"`)
  const written = await readFile(config, 'utf8')
  await writeFile(config, written.replace(/^issuers = .*$/m, `issuers = [${urls.join(', ')}]`))
  const directory = processes.start('directory', 'run', 'directory', '--json')
  const { url } = await directory.event('listening')
  const credential = (code: number, name: string, ...args: string[]) =>
    processes.finish(code, 'credential', name, ...args, '--directory', url, '--json')
  const event = (one: Starling, name: string) =>
    one.events.find((each) => each.event === name) ?? assert.fail(one.stdout)

  await credential(2, 'verify', '--data', 'mine')
  const bought = event(await credential(0, 'buy', '--data', 'mine'), 'bought')
  assert.equal(bought.left, 50)
  const listed = await credential(0, 'list', '--data', 'mine')
  assert.match(event(listed, 'tickets').text, /^50 of 50 tickets left, 10 GB, good until .*; a new book costs 75 NYM$/)
  assert.equal(event(await credential(0, 'verify', '--data', 'mine'), 'verified').good, true)

  await writeFile(join(cwd, 'passphrase'), 'a passphrase\n')
  const passphrase = ['--passphrase-file', 'passphrase']
  await credential(2, 'export', bought.id, '--data', 'mine', '-o', 'moved')
  await credential(2, 'export', bought.id, '--data', 'mine', '-o', 'moved', '--tickets', '51', ...passphrase)
  await credential(2, 'import', 'passphrase', '--data', 'theirs', ...passphrase)
  const moved = ['export', bought.id.slice(0, 6), '--data', 'mine', '--tickets', '20', ...passphrase] as const
  await credential(2, ...moved, '-o', 'passphrase/below')
  await credential(2, ...moved, '-o', 'passphrase')
  assert.equal(event(await credential(0, ...moved, '-o', 'moved'), 'exported').tickets, 20)
  assert.equal((await stat(join(cwd, 'moved'))).mode & 0o777, 0o600)
  assert.equal(event(await credential(0, 'import', 'moved', '--data', 'theirs', ...passphrase), 'imported').left, 20)
  // Twice on one device is once too often.
  await credential(2, 'import', 'moved', '--data', 'theirs', ...passphrase)
  assert.equal(event(await credential(0, 'list', '--data', 'mine'), 'book').left, 30)

  await finished(processes, url, bought.id)
  await paid(processes, url)
  await directory.stop()
}

/** An export that is killed once its tickets are struck off is done by typing it again; `mine` has 30, and gets what it exports back. */
async function finished(processes: Processes, url: string, id: string): Promise<void> {
  const { cwd } = processes
  const credential = async (code: number, ...args: string[]) => {
    const run = await processes.finish(code, 'credential', ...args, '--data', 'mine', '--directory', url, '--json')
    return new Map(run.events.map((one) => [one.event, one]))
  }
  const tickets = { buy: 'never' } as const
  const { wallet, close } = await openTickets(nodeWorld(nodeProvider), {
    folder: join(cwd, 'mine'),
    directories: [url],
    tickets,
  })
  const keep = () => Promise.reject(new Error('killed'))
  await assert.rejects(wallet.exportBook(id, 'a passphrase', { tickets: 5, keep }), /killed/)
  await close()
  // As the killed command leaves it behind.
  await writeFile(join(cwd, 'cut-off'), '')
  const listed = await credential(0, 'list')
  assert.deepEqual([listed.get('book')?.left, listed.get('unfinished')?.tickets], [25, 5])
  const again = ['export', id.slice(0, 6), '--passphrase-file', 'passphrase', '--tickets', '5', '-o'] as const
  await credential(2, ...again, 'passphrase')
  const exported = (await credential(0, ...again, 'cut-off')).get('exported')
  assert.deepEqual([exported?.tickets, exported?.finished], [5, true])
  assert.equal((await credential(0, 'list')).get('unfinished'), undefined)
  assert.equal((await credential(0, 'import', 'cut-off', '--passphrase-file', 'passphrase')).get('imported')?.left, 30)
}

/** Nodes as docs/guides/run-issuers.md has them paid for, and a client that brings its book along. */
async function paid(processes: Processes, url: string): Promise<void> {
  const { cwd } = processes
  const roles = { wigeon: 'mix', garganey: 'mix', pochard: 'mix', smew: 'entry', scaup: 'exit' }
  const names = Object.keys(roles)
  for (const [i, [name, role]] of Object.entries(roles).entries()) {
    const host = ['--host', `${OWN_HOST.slice(0, -1)}${11 + i}`, '--directory', url, '--local']
    const open = role === 'exit' ? ['--open-proxy', '--allow-local-addresses'] : []
    await processes.finish(0, 'node', 'init', name, '--role', role, ...host, ...open)
    if (role !== 'mix') await appendFile(join(cwd, name, 'node.toml'), '\n[tickets]\nrequired = true\n')
    const layer = role === 'mix' ? ['--layer', `${i + 1}`] : []
    await processes.finish(0, 'directory', 'add', 'directory', name, ...layer)
  }
  const nodes = names.map((name) => processes.start('node', 'run', name, '--json'))
  await Promise.all(nodes.map((one) => one.event('ready')))
  // Its own directory is a site like another: what counts is that the way there was paid for.
  const site = `http://${OWN_HOST}:27980/api/v1/nym-nodes/rewarded-set`
  await processes.finish(0, 'fetch', site, '--data', 'mine', '--directory', url)
  const listed = await processes.finish(0, 'credential', 'list', '--data', 'mine', '--directory', url, '--json')
  assert.equal(listed.events.find(({ event }) => event === 'tickets')?.left, 29)
  for (const one of nodes) assert.equal((await one.stop()).code, 0)
}
