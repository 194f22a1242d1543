/** A network of ten processes, by the commands of docs/guides/run-a-network.md: where the guide is wrong, this fails. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { codeBlocks, commandsOf } from './support/guides.ts'
import { httpThrough } from './support/socks.ts'
import { isListening, Starling, temporaryFolder } from './support/starling.ts'

// Other tests run networks at the guide's addresses at the same time, and killGateway.test.ts at 127.0.77.*, with the same ports.
const [GUIDE_HOSTS, OWN_HOSTS] = ['127.0.1.', '127.0.78.']
const GUIDE_SITE = 'https://example.org/'
const STOP_LIMIT_MS = 10_000

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function serveSite(t: TestContext): Promise<string> {
  const server = createServer((request, response) => response.end(`hello ${request.socket.remoteAddress}`))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

describe('a network of processes', { timeout: 240_000 }, () => {
  it('runs as the guide says', async (t) => {
    const cwd = await temporaryFolder(t)
    const site = await serveSite(t)
    const [initNodes, listNodes, services, request, proxying, ...rest] = (await codeBlocks('run-a-network.md'))
      .filter(({ info }) => info.startsWith('sh') && info !== 'sh alias')
      .map((block) => ({ info: block.info, commands: commandsOf(block) }))
    assert.ok(initNodes && listNodes && services && request && proxying)
    assert.equal(rest.length, 0)
    assert.deepEqual(
      [initNodes, listNodes, services, request, proxying].map(({ info }) => info),
      ['sh', 'sh', 'sh keeps running', 'sh', 'sh keeps running'],
    )

    // The nodes' ports are the guide's, at other addresses; the directory's and the proxy's are free ones.
    const directoryPort = await freePort()
    const directoryUrl = `http://127.0.0.1:${directoryPort}/api`
    const adapted = (args: readonly string[]): string[] => {
      const own = args.map((arg) => arg.replace(GUIDE_HOSTS, OWN_HOSTS).replace(GUIDE_SITE, site))
      const command = own.slice(0, 2).join(' ')
      if (command === 'directory init') own.push('--port', `${directoryPort}`)
      if (command === 'node init' || own[0] === 'fetch' || own[0] === 'proxy') own.push('--directory', directoryUrl)
      return own.map((arg, i) => (own[0] === 'proxy' && own[i - 1] === '--port' ? '0' : arg))
    }
    const running: Starling[] = []
    t.after(() => {
      for (const process of running) process.kill()
    })
    const start = (args: readonly string[], ...more: string[]): Starling => {
      const process = new Starling([...adapted(args), ...more], { cwd })
      running.push(process)
      return process
    }
    const finish = async (args: readonly string[]): Promise<Starling> => {
      const process = start(args)
      assert.deepEqual(await process.exit(), { code: 0, signal: null }, `${args.join(' ')}\n${process.stderr}`)
      return process
    }

    assert.deepEqual([initNodes.commands.length, services.commands.length], [9, 10])
    await Promise.all(initNodes.commands.map(finish))
    for (const list of listNodes.commands) await finish(list)
    const [directory, ...nodes] = services.commands.map((args) => start(args, '--json'))
    assert.ok(directory)
    await Promise.all([directory, ...nodes].map((process) => process.event('ready')))

    const [fetchCommand] = request.commands
    const [proxyCommand] = proxying.commands
    assert.ok(fetchCommand && proxyCommand)
    const fetched = await finish(fetchCommand)
    assert.match(fetched.stdout, /^hello 127\.0\.\d+\.\d+$/)
    const proxy = start(proxyCommand, '--json')
    const { host, port } = await proxy.event('proxy')
    const { status, body } = await httpThrough({ host, port }, site)
    assert.deepEqual([status, body.toString()], [200, fetched.stdout])

    const [knot] = nodes
    assert.ok(knot)
    const { http, mix } = await knot.event('listening')
    assert.equal(mix.host, `${OWN_HOSTS}1`)
    const nodeStatus = (await (await fetch(`http://${http.host}:${http.port}/status`)).json()) as { ready: boolean }
    assert.equal(nodeStatus.ready, true)
    const metrics = await (await fetch(`http://${http.host}:${http.port}/metrics`)).text()
    assert.match(metrics, /^starling_mix_received_total [1-9]/m)

    const stopped = await Promise.all([proxy, ...nodes, directory].map((process) => process.stop('SIGTERM')))
    const slowest = Math.max(...stopped.map(({ tookMs }) => tookMs))
    t.diagnostic(`the slowest stopped in ${Math.round(slowest)} ms`)
    assert.ok(slowest < STOP_LIMIT_MS)
    for (const { code } of stopped) assert.equal(code, 0)
    for (const process of running) assert.equal(process.isAlive, false)
    assert.equal(await isListening(mix), false)
  })
})
