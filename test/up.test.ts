/** `starling up`, the whole command in a process of its own: what a newcomer's first minute consists of. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { constants } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { socksConnect } from './support/socks.ts'
import {
  type Address,
  type CliEvent,
  COMMAND,
  isListening,
  Starling,
  starling,
  temporaryFolder,
} from './support/starling.ts'

// Of this file alone: tests run side by side. What is taken all the same is stepped over.
let nextPort = 21_000
const ownPorts = () => {
  nextPort += 600
  return ['--directory-port', `${nextPort}`, '--socks-port', `${nextPort + 5}`]
}

const up = (t: TestContext, folder: string, ...args: string[]): Starling =>
  starling(t, 'up', '--data', folder, ...ownPorts(), ...args)

const addressOf = (url: string): Address => ({ host: new URL(url).hostname, port: Number(new URL(url).port) })

/** Every address at which the network said it listens. */
function addressesOf(network: Starling): readonly Address[] {
  const event = (name: string) => network.events.find((one) => one.event === name)
  const nodes: readonly CliEvent[] = event('nodes')?.nodes ?? []
  const { proxy, directory } = { proxy: event('proxy'), directory: event('directory') }
  return [
    ...nodes.flatMap(({ mix, http, ws }) => [mix, http, ws].filter((one) => one !== undefined)),
    ...[directory, event('ledger')].flatMap((one) => (one === undefined ? [] : [addressOf(one.url)])),
    ...(proxy === undefined ? [] : [{ host: proxy.host, port: proxy.port }, proxy.site]),
  ]
}

async function assertNothingLeft(network: Starling): Promise<void> {
  assert.equal(network.isAlive, false, 'a process is left')
  await assertNobodyListens(network)
}

async function assertNobodyListens(network: Starling): Promise<void> {
  for (const address of addressesOf(network)) {
    assert.equal(await isListening(address), false, `${address.host}:${address.port} still listens`)
  }
}

async function occupy(t: TestContext, address: Address): Promise<void> {
  const server = createServer()
  t.after(() => server.close())
  await new Promise<void>((resolve) => {
    // Taken by somebody else already is as good.
    server.on('error', () => resolve())
    server.listen(address, resolve)
  })
}

describe('starling up', { timeout: 400_000 }, () => {
  it('starts a network, makes a first request, serves a proxy, and leaves nothing behind', async (t) => {
    const folder = await temporaryFolder(t)
    const network = up(t, folder, '--json')
    const { nodes, names } = await network.event('nodes')
    assert.equal(names.length, 9)
    const roles = (role: string) => nodes.filter((node: CliEvent) => node.roles.join() === role).length
    assert.deepEqual([roles('mix'), roles('entry'), roles('exit')], [6, 2, 1])
    for (const layer of [1, 2, 3]) {
      assert.equal(nodes.filter((node: CliEvent) => node.layer === layer).length, 2)
    }

    const request = await network.event('first-request')
    assert.equal(request.status, 200)
    const named = (name: string): CliEvent => nodes.find((node: CliEvent) => node.name === name)
    assert.deepEqual(
      request.route.map(({ name }: CliEvent) => named(name).layer ?? named(name).roles.join()),
      [1, 2, 3, 'exit'],
    )
    assert.equal(named(request.entry).roles.join(), 'entry', 'the entry is not the exit')
    assert.deepEqual(
      request.route.map(({ holdMs }: CliEvent) => typeof holdMs),
      ['number', 'number', 'number', 'undefined'],
    )
    assert.ok(request.sentMs <= request.firstByteMs && request.firstByteMs <= request.doneMs)
    assert.ok(request.acknowledgedMs >= request.sentMs)
    assert.equal(request.siteSaw, named(request.route.at(-1).name).mix.host)

    await network.event('proxy')
    // The issuers' votes for the first ticket, handed to the contract: half of 75 NYM for fifty.
    const { gateway, tickets, unym } = await network.event('earned')
    assert.deepEqual([gateway, tickets, unym], [request.entry, 1, '750000'])
    const addresses = addressesOf(network)
    assert.equal(addresses.length, 6 * 2 + 3 * 3 + 4)
    for (const address of addresses) assert.ok(await isListening(address), `${address.host}:${address.port}`)

    const second = up(t, folder, '--json')
    assert.deepEqual(await second.exit(), { code: 2, signal: null })
    const { code, message, nextStep } = await second.event('problem')
    assert.equal(code, 'LOCKED')
    assert.ok(message.includes(folder) && nextStep.includes('--data'), `${message} ${nextStep}`)

    const { code: exitCode, tookMs } = await network.stop('SIGINT')
    t.diagnostic(`stopped in ${Math.round(tookMs)} ms`)
    assert.equal(exitCode, 0)
    assert.equal(network.stderr, '')
    await assertNothingLeft(network)

    const identity = (name: string) => readFile(join(folder, 'nodes', name, 'identity.pem'), 'utf8')
    const issuers = join(folder, 'issuers')
    const keysOf = () =>
      Promise.all([1, 2, 3, 4, 5].map((number) => readFile(join(issuers, `${number}`, 'keys-1.json'), 'utf8')))
    const [before, keys] = await Promise.all([Promise.all(names.map(identity)), keysOf()])
    const again = up(t, folder, '--json', '--once')
    assert.deepEqual(await again.exit(), { code: 0, signal: null })
    assert.deepEqual((await again.event('nodes')).names, names)
    assert.equal((await again.event('client')).entry, request.entry)
    assert.deepEqual(await Promise.all(names.map(identity)), before)
    assert.deepEqual(await keysOf(), keys)
    assert.deepEqual(
      (await readdir(join(issuers, '1'))).filter((name) => /^keys/.test(name)),
      ['keys-1.json'],
    )
    await assertNothingLeft(again)
  })

  it('says which file of its chain is damaged, not that the machine lacks something', {
    timeout: 60_000,
  }, async (t) => {
    const folder = await temporaryFolder(t)
    const state = join(folder, 'chain', 'chain.state')
    await mkdir(join(folder, 'chain'))
    await writeFile(state, 'nothing of the kind')
    const network = up(t, folder, '--json', '--once')
    assert.deepEqual(await network.exit(), { code: 2, signal: null })
    const { message, nextStep } = await network.event('problem')
    assert.ok(message.includes(state), message)
    assert.match(nextStep, /move the folder .*chain away/)
  })

  it('finds its chain again: epochs go on, nodes are bonded once, and a kill in the middle loses nothing of it', async (t) => {
    const folder = await temporaryFolder(t)
    const first = up(t, folder, '--json')
    const { isNew } = await first.event('ledger')
    const { epoch } = await first.event('directory')
    assert.deepEqual([isNew, epoch], [true, 25])
    await first.event('proxy')
    // Of its chain there is a copy every few seconds; the bonds are older than that when the proxy is there, or they are made anew.
    first.child.kill('SIGKILL')
    await first.exit()
    // Killed as soon as there is a chain: whatever it then has of the contracts is not what a file says of them.
    const cut = up(t, folder, '--json')
    await cut.event('ledger')
    cut.child.kill('SIGKILL')
    await cut.exit()
    const second = up(t, folder, '--json', '--monitors', '0', '--once')
    assert.deepEqual(await second.exit(), { code: 0, signal: null })
    assert.equal((await second.event('ledger')).isNew, false)
    // The client's book of before: nothing was bought a second time.
    assert.ok((await second.event('tickets')).left < 50)
    assert.deepEqual(
      (await readdir(join(folder, 'issuers', '1'))).filter((name) => /^keys/.test(name)),
      ['keys-1.json'],
    )
    assert.ok((await second.event('directory')).epoch >= 25)
    assert.equal((await second.event('first-request')).status, 200)
    await assertNothingLeft(second)
  })

  it('does without a chain where it is told to', async (t) => {
    const folder = await temporaryFolder(t)
    const network = up(t, folder, '--json', '--free', '--no-ledger', '--once')
    assert.deepEqual(await network.exit(), { code: 0, signal: null })
    assert.ok(!network.events.some(({ event }) => event === 'ledger'))
    assert.equal((await network.event('first-request')).status, 200)
    assert.ok(!(await readdir(folder)).includes('chain'))
  })

  it('steps over ports that others have, and prints the real ones', async (t) => {
    const folder = await temporaryFolder(t)
    const [directoryPort, socksPort] = [20_100, 20_105]
    await occupy(t, { host: '127.0.0.1', port: directoryPort })
    await occupy(t, { host: '127.0.0.1', port: socksPort })
    await occupy(t, { host: '127.0.1.2', port: 1789 })
    const ports = ['--directory-port', `${directoryPort}`, '--socks-port', `${socksPort}`]
    const network = starling(t, 'up', '--json', '--data', folder, ...ports)
    const { port } = await network.event('proxy')
    assert.notEqual(port, socksPort)
    const { url } = await network.event('directory')
    assert.notEqual(addressOf(url).port, directoryPort)
    const answer = await fetch(`${url}/v1/nym-nodes/rewarded-set`)
    assert.equal(answer.status, 200)
    const steps = network.events.filter(({ event }) => event === 'port-taken')
    const used = (wanted: number) => steps.filter((step) => step.wanted === wanted).map((step) => step.used)
    assert.deepEqual(used(directoryPort), [addressOf(url).port])
    assert.deepEqual(used(socksPort), [port])
    if ((await network.event('nodes')).noise) assert.ok(used(1789).length > 0)
    for (const address of addressesOf(network)) assert.ok(await isListening(address))
    assert.equal((await network.stop('SIGTERM')).code, 0)
    await assertNothingLeft(network)
  })

  it('stops in the middle of downloads, and downloads stop where nobody reads them', async (t) => {
    const network = up(t, await temporaryFolder(t), '--json')
    const { host, port } = await network.event('proxy')
    const downloads = [1, 2, 3].map(async () => {
      const socket = await socksConnect({ host, port }, { host: 'demo.starling', port: 80 })
      socket.on('error', () => {})
      socket.write('GET /bytes/50000000 HTTP/1.1\r\nhost: demo.starling\r\n\r\n')
      await once(socket, 'data')
      socket.resume()
    })
    await Promise.all(downloads)
    const { url } = await network.event('directory')
    const refused = async (...args: string[]) => {
      const command = starling(t, ...args, '--directory', url)
      const { code } = await command.exit()
      return { code, said: command.stderr.replaceAll(/\n +/g, ' ') }
    }
    const unlisted = await refused('fetch', 'http://demo.starling/', '--gateway', '1'.repeat(32))
    assert.equal(unlisted.code, 3)
    assert.match(unlisted.said, /the directory does not list it.*for instance [1-9A-HJ-NP-Za-km-z]{43,44}/)
    const taken = await refused('proxy', '--port', `${port}`)
    assert.equal(taken.code, 2)
    assert.match(taken.said, /the port is taken by another program \(--port: \d+\)/)
    const piped = starling(t, 'fetch', 'http://demo.starling/bytes/50000000', '--directory', url)
    const read = piped.child.stdout
    assert.ok(read)
    await once(read, 'data')
    // As `head` does when it has its lines.
    read.destroy()
    assert.deepEqual([await piped.exit(), piped.stderr], [{ code: 128 + constants.signals.SIGPIPE, signal: null }, ''])
    const { code, tookMs } = await network.stop('SIGINT')
    t.diagnostic(`stopped in ${Math.round(tookMs)} ms`)
    assert.equal(code, 0)
    await assertNothingLeft(network)
  })

  it('stops while it is starting', async (t) => {
    const network = up(t, await temporaryFolder(t), '--json')
    await network.event('start')
    assert.equal((await network.stop('SIGINT')).code, 0)
    await assertNothingLeft(network)
    // Whoever waits for a first request did not get it.
    const once = up(t, await temporaryFolder(t), '--json', '--once')
    await once.event('start')
    assert.equal((await once.stop('SIGINT')).code, 130)
    await assertNothingLeft(once)
  })

  const noGroups = process.platform === 'win32' && 'orphans are not noticed'
  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGHUP'] as const) {
    it(`stops where npm, which started it, is ended by ${signal}`, { skip: noGroups }, async (t) => {
      const cwd = await temporaryFolder(t)
      const script = [...COMMAND, 'up', '--json', '--data', 'network', ...ownPorts()]
      await writeFile(join(cwd, 'package.json'), JSON.stringify({ scripts: { start: script.join(' ') } }))
      const npm = new Starling([], { cwd, command: ['npm', 'start', '--silent'] })
      t.after(() => npm.kill())
      await npm.event('proxy')
      // npm alone: its children hear nothing of it, or are told by npm.
      npm.child.kill(signal)
      // Of the output, which the last of them closes. Orphans are buried by the system, at its leisure: they are not counted here.
      await npm.exit()
      assert.ok(npm.events.some(({ event }) => event === 'stopping'))
      await assertNobodyListens(npm)
    })
  }

  it('tells people the same in short lines', async (t) => {
    const network = up(t, await temporaryFolder(t), '--once')
    assert.deepEqual(await network.exit(), { code: 0, signal: null })
    const { stdout } = network
    assert.match(stdout, /^ {2}ledger +embedded chain, 8 contracts +\d+\.\d s$/m)
    assert.match(stdout, /^ {2}directory +http:\/\/127\.0\.0\.1:\d+\/api {3}epoch 25, next in \d+ s$/m)
    assert.match(stdout, /6 mix nodes in 3 layers, 2 entries, 1 exit/)
    assert.match(stdout, /^First anonymous request {3}GET http:\/\/demo\.starling\/ {3}\d+ ms$/m)
    assert.match(stdout, /^ {2}you ─ (tern|plover) ─ \w+ ─ \w+ ─ \w+ ─ heron ─ demo\.starling$/m)
    assert.match(stdout, /^ +\d+ +\d+ +\d+ {2}ms/m)
    assert.match(stdout, /^ {2}sent \d+ ms {3}first byte \d+ ms {3}done \d+ ms {3}acknowledged \d+ ms$/m)
    for (const line of stdout.split('\n')) assert.ok(line.length < 100, line)
    assert.doesNotMatch(stdout, /undefined|NaN|\[object/)
    await assertNothingLeft(network)
  })

  it('says what is wrong, and fails: a broken key, a folder that cannot be', async (t) => {
    const folder = await temporaryFolder(t)
    await mkdir(join(folder, 'nodes', 'wren'), { recursive: true })
    await writeFile(join(folder, 'nodes', 'wren', 'identity.pem'), '-----BEGIN nonsense')
    const broken = up(t, folder, '--json', '--once')
    assert.deepEqual(await broken.exit(), { code: 2, signal: null })
    const { code, message } = await broken.event('problem')
    assert.equal(code, 'KEY_FILE_UNREADABLE')
    assert.match(message, /wren\/identity\.pem/)
    assert.equal(await readFile(join(folder, 'nodes', 'wren', 'identity.pem'), 'utf8'), '-----BEGIN nonsense')
    await assertNothingLeft(broken)

    const file = join(folder, 'file')
    await writeFile(file, '')
    const nowhere = up(t, join(file, 'below'), '--once')
    assert.deepEqual(await nowhere.exit(), { code: 2, signal: null })
    assert.match(nowhere.stderr, /✗ a file or folder cannot be used .* \(you\)/s)
    assert.deepEqual(await readdir(folder), [
      'accounts',
      'chain',
      'exit-policy.txt',
      'faucet',
      'file',
      'issuers',
      'ledger.json',
      'lock',
      'nodes',
    ])
  })
})
