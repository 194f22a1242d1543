/** A network of ten processes, by the commands of docs/guides/run-a-network.md: where the guide is wrong, this fails. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { codeBlocks, commandsOf } from './support/guides.ts'
import { httpThrough } from './support/socks.ts'
import { isListening, Starling, temporaryFolder } from './support/starling.ts'

// Other tests run networks at the guide's addresses at the same time.
const [GUIDE_HOSTS, OWN_HOSTS] = ['127.0.1.', '127.0.77.']
const GUIDE_SITE = 'https://example.org/'
const STOP_LIMIT_MS = 10_000

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
    const [initNodes, listNodes, services, request, proxying, ...rest] = (await codeBlocks('run-a-network.md')).map(
      (block) => ({ info: block.info, commands: commandsOf(block) }),
    )
    assert.ok(initNodes && listNodes && services && request && proxying)
    assert.equal(rest.length, 0)
    assert.deepEqual(
      [initNodes, listNodes, services, request, proxying].map(({ info }) => info),
      ['sh', 'sh', 'sh keeps running', 'sh', 'sh keeps running'],
    )

    // The directory's port and the proxy's are chosen by the system; the nodes' are the guide's, at other addresses.
    let directoryUrl: string | undefined
    const adapted = (args: readonly string[]): string[] => {
      const own = args.map((arg) => arg.replace(GUIDE_HOSTS, OWN_HOSTS).replace(GUIDE_SITE, site))
      const [first, second] = own
      if (first === 'directory' && second === 'init') own.push('--port', '0')
      if (directoryUrl !== undefined && (first === 'fetch' || first === 'proxy')) own.push('-d', directoryUrl)
      if (directoryUrl !== undefined && first === 'node' && second === 'init') own.push('-d', directoryUrl)
      const port = own.indexOf('--port')
      if (first === 'proxy' && port >= 0) own[port + 1] = '0'
      return own
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

    // Its port must be known before nodes are told of it, so the directory comes first; its list is read again when it changes.
    const [directoryInit, ...adds] = listNodes.commands
    const [directoryRun, ...nodeRuns] = services.commands
    assert.ok(directoryInit && directoryRun)
    assert.deepEqual([initNodes.commands.length, adds.length, nodeRuns.length], [9, 9, 9])
    await finish(directoryInit)
    const directory = start(directoryRun, '--json')
    directoryUrl = (await directory.event('listening')).url
    await Promise.all(initNodes.commands.map(finish))
    for (const add of adds) await finish(add)
    const nodes = nodeRuns.map((args) => start(args, '--json'))
    await Promise.all([directory.event('ready'), ...nodes.map((node) => node.event('ready'))])

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
