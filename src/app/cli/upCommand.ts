/** `starling up`: a whole network on this machine, and a first anonymous request through it. @module */

import { Mixnet } from '../../client/mixnet.ts'
import { toBase58 } from '../../foundation/base/base58.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { seconds } from '../../foundation/base/units.ts'
import { VERSION } from '../node/buildInformation.ts'
import { listenStepped } from '../node/steppedPort.ts'
import { DEMO_HOST, type DemoSite, serveDemoSite } from '../testnet/demoSite.ts'
import { hasLoopbackAddresses, planNetwork } from '../testnet/layout.ts'
import { withNamedHosts } from '../testnet/namedHosts.ts'
import { startTestnet, type Testnet } from '../testnet/testnet.ts'
import type { Session } from './session.ts'

export interface UpOptions {
  readonly once: boolean
  readonly data: string
  readonly mixNodes: number
  readonly entries: number
  readonly exits: number
  readonly directoryPort: number
  readonly socksPort: number
}

const HOST = '127.0.0.1'
const FIRST_REQUEST_LIMIT = seconds(10)

/** Resolves with the exit code: 0 after Ctrl-C, or after a first request that worked. */
export async function runUp(session: Session, options: UpOptions): Promise<number> {
  const { world, screen, interrupted } = session
  if (options.mixNodes < 3)
    throw new MixnetError('BAD_ARGUMENT', { option: '--mix-nodes', why: 'there are three layers' })
  const stops: (() => Promise<void>)[] = []
  const stop = async () => {
    for (const part of stops.splice(0).reverse()) await part()
  }
  screen.line(`${screen.bold(`Starling ${VERSION}`)}   a mixnet on this machine\n`, {
    event: 'start',
    version: VERSION,
  })
  try {
    const site = await serveDemoSite(world)
    stops.push(() => site.close())
    const network = await startNetwork(session, options, site)
    stops.push(() => network.stop())
    const mixnet = await startClient(session, options, network)
    stops.push(() => mixnet.close())
    if (interrupted.aborted) return 0
    const worked = await firstRequest(session, { mixnet, network, site })
    if (options.once) return worked ? 0 : 1
    await startProxy(session, mixnet, options.socksPort, site)
    await session.untilInterrupted()
    screen.line('\nStopping.', { event: 'stopping' })
    return 0
  } finally {
    await stop()
  }
}

async function startNetwork(session: Session, options: UpOptions, site: DemoSite): Promise<Testnet> {
  const { world, screen } = session
  const started = world.clock.monotonic()
  const ownAddresses = await hasLoopbackAddresses(world.net)
  const plans = planNetwork(options, ownAddresses)
  const names = new Map([[DEMO_HOST, site.endpoint]])
  const network = await startTestnet({
    plans,
    folder: options.data,
    directory: { host: HOST, port: options.directoryPort },
    noise: ownAddresses,
    world,
    worldOf: ({ roles, host }) =>
      roles.includes('exit') ? { ...world, net: withNamedHosts(world.net, names, host) } : world,
    logOf: (name) => session.quietLogOf(name),
    onStep: (what, wanted, used) =>
      screen.step(what, `port ${wanted} is taken by another program; using ${used} instead`, undefined, {
        event: 'port-taken',
        what,
        wanted,
        used,
      }),
  })
  const took = world.clock.monotonic() - started
  const links = ownAddresses ? 'encrypted links' : 'plain links'
  const entries = plans.filter(({ roles }) => roles.includes('entry') && !roles.includes('exit')).length
  const exits = plans.filter(({ roles }) => roles.includes('exit')).length
  screen.step(
    'nodes',
    `${options.mixNodes} mix nodes in 3 layers, ${entries} entries, ${exits} ${exits === 1 ? 'exit' : 'exits'}, ${links}`,
    took,
    { event: 'nodes', names: plans.map(({ name }) => name), noise: ownAddresses },
  )
  screen.step('directory', network.directoryUrl, undefined, { event: 'directory', url: network.directoryUrl })
  return network
}

async function startClient(session: Session, options: UpOptions, network: Testnet): Promise<Mixnet> {
  const { world, screen } = session
  const started = world.clock.monotonic()
  const mixnet = await Mixnet.connect(world, {
    directories: [network.directoryUrl],
    folder: `${options.data}/client`,
    log: session.quietLogOf('client'),
  })
  const entry = entryName(network, mixnet)
  screen.step('client', `through entry "${entry}"`, world.clock.monotonic() - started, { event: 'client', entry })
  return mixnet
}

async function firstRequest(
  { world, screen }: Session,
  { mixnet, network, site }: { mixnet: Mixnet; network: Testnet; site: DemoSite },
): Promise<boolean> {
  const url = `http://${DEMO_HOST}/`
  const started = world.clock.monotonic()
  const since = () => Math.round(world.clock.monotonic() - started)
  try {
    const response = await mixnet.fetch(url, { timeout: FIRST_REQUEST_LIMIT })
    const headers = since()
    const body = await response.text()
    const total = since()
    if (!response.ok) throw new MixnetError('DESTINATION_UNREACHABLE', { status: response.status })
    const entry = entryName(network, mixnet)
    const seen = site.lastVisit()?.address ?? '?'
    screen.line(`\n${screen.bold('First anonymous request')}   GET ${url}   ${total} ms`, {
      event: 'first-request',
      url,
      status: response.status,
      bytes: body.length,
      headersMs: headers,
      totalMs: total,
      entry,
      siteSaw: seen,
    })
    screen.line(
      `  The site saw ${seen}, the exit's address. "${entry}" knows that you are connected, not what you asked.`,
    )
    screen.line('  No one node knows both.')
    return true
  } catch (error) {
    screen.line('')
    screen.problem('request', error)
    return false
  }
}

async function startProxy({ screen }: Session, mixnet: Mixnet, socksPort: number, site: DemoSite): Promise<void> {
  const proxy = await listenStepped({ wanted: socksPort, step: true }, (port) => mixnet.proxy({ host: HOST, port }))
  const { port } = proxy.endpoint
  screen.line('')
  screen.step('proxy', `SOCKS5 on ${HOST}:${port}`, undefined, {
    event: 'proxy',
    host: HOST,
    port,
    site: site.endpoint,
  })
  screen.line(`\n  Point anything at it   curl --socks5-hostname ${HOST}:${port} http://${DEMO_HOST}/`)
  screen.line('  Use it in code         docs/guides/first-app.md')
  screen.line('  Stop                   Ctrl-C')
}

function entryName(network: Testnet, mixnet: Mixnet): string {
  const gateway = toBase58(mixnet.address.gateway)
  return network.nodes.find(({ running }) => toBase58(running.identity) === gateway)?.plan.name ?? gateway.slice(0, 8)
}
