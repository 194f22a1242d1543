/** `starling up`: a whole network on this machine, and a first anonymous request through it. @module */
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import type { Endpoint } from '../../foundation/platform/net.ts'
import type { CredentialEngine } from '../../protocol/credentials/engine.ts'
import { VERSION } from '../node/buildInformation.ts'
import { startCredentialEngine } from '../node/credentialEngine.ts'
import { listsOnce } from '../testnet/computedOnce.ts'
import { DEMO_HOST, serveDemoSite } from '../testnet/demoSite.ts'
import { startMonitors } from '../testnet/monitors.ts'
import type { Testnet } from '../testnet/testnet.ts'
import { EXIT_CODES } from './exitCodes.ts'
import { firstRequest, RequestWatch } from './firstRequest.ts'
import { lockFolder } from './folders.ts'
import type { Session } from './session.ts'
import { TakenPorts } from './takenPorts.ts'
import { entryName, showClient, startClient, startProxy, startStatus } from './upClient.ts'
import { startLedger } from './upLedger.ts'
import { count, HOST, startNetwork, type UpOptions } from './upNetwork.ts'

/** Resolves with the exit code: 0 after Ctrl-C, or after a first request that worked. */
export async function runUp(session: Session, options: UpOptions): Promise<number> {
  const { world, screen } = session
  if (options.mixNodes < 3) {
    throw new MixnetError(
      'BAD_ARGUMENT',
      { '--mix-nodes': options.mixNodes },
      { message: 'too few mix nodes', nextStep: 'There are three layers: give 3 or more.' },
    )
  }
  const stops: (() => Promise<void>)[] = []
  // What one part fails with at the end keeps no other running.
  const stop = async () => {
    const ended: PromiseSettledResult<void>[] = []
    for (const part of stops.splice(0).reverse()) ended.push(...(await Promise.allSettled([part()])))
    for (const end of ended) if (end.status === 'rejected') throw end.reason
  }
  screen.line(`${screen.bold(`Starling ${VERSION}`)}   a mixnet on this machine\n`, {
    event: 'start',
    version: VERSION,
  })
  session.endWithNpm()
  try {
    const lock = await lockFolder(world.files, options.data)
    stops.push(() => lock.release())
    const thread = options.free ? undefined : startCredentialEngine()
    if (thread !== undefined) stops.push(() => thread.close())
    const engine = thread && listsOnce(thread)
    const ledger = options.ledger ? await startLedger(session, options.data, options) : undefined
    if (ledger !== undefined) stops.push(() => ledger.stop())
    const taken = new TakenPorts()
    const site = await serveDemoSite(world, (wanted, used) => taken.add('demo site', wanted, used))
    stops.push(() => site.close())
    const network = await startNetwork(session, options, { site, taken, engine, ledger })
    stops.push(() => network.stop())
    const watch = new RequestWatch(() => world.clock.monotonic())
    const connecting = world.clock.monotonic()
    const mixnet = await startClient(session, options, { network, watch, engine, ledger })
    stops.push(() => mixnet.close())
    const took = world.clock.monotonic() - connecting
    await showClient(session, mixnet, { network, paid: engine !== undefined, took })
    const failure = await failureOf(
      firstRequest(session, { mixnet, network, site, watch, entry: entryName(network, mixnet) }),
    )
    if (failure !== undefined) {
      screen.line('')
      screen.problem('request', failure)
    }
    if (options.once) ledger?.tellEarnings()
    if (options.once)
      return failure === undefined ? 0 : isMixnetError(failure) ? EXIT_CODES[failure.guilty] : EXIT_CODES.bug
    const proxy = await startProxy(session, mixnet, options.socksPort, site)
    const status = await startStatus(session, { mixnet, network, port: options.statusPort })
    stops.push(() => status.close())
    const monitors = await measure(session, options, network, engine)
    if (monitors !== undefined) stops.push(() => monitors.stop())
    showNextSteps(session, proxy, ledger !== undefined)
    ledger?.tellEarnings()
    await session.untilInterrupted()
    screen.line('\nStopping.', { event: 'stopping' })
    return 0
  } finally {
    await stop()
  }
}

/** They report to the ledger, where there is one. */
async function measure(
  session: Session,
  { monitors, data }: UpOptions,
  { ledger, directoryUrl }: Testnet,
  engine: CredentialEngine | undefined,
): Promise<{ stop(): Promise<void> } | undefined> {
  if (ledger === undefined || monitors === 0) return undefined
  const { world, screen, quietLogOf } = session
  const { epochId } = await ledger.epoch()
  const parts = { count: monitors, ledger, directoryUrl, folder: data, host: HOST }
  const started = await startMonitors({ ...parts, world, engine, logOf: quietLogOf })
  const text = `${count(monitors, 'monitor measures', 'monitors measure')} every node, scores from epoch ${epochId + 2} on`
  screen.step('monitors', text, undefined, { event: 'monitors', monitors })
  return started
}

/** What it failed with; throws ABORTED. */
async function failureOf(work: Promise<void>): Promise<unknown> {
  try {
    await work
    return undefined
  } catch (error) {
    if (isMixnetError(error, 'ABORTED')) throw error
    return error
  }
}

function showNextSteps({ screen }: Session, endpoint: Endpoint, hasLedger: boolean): void {
  screen.line(`\n  Point anything at it   curl --socks5-hostname ${HOST}:${endpoint.port} http://${DEMO_HOST}/`)
  screen.line('  Use it in code         docs/guides/first-app.md')
  if (hasLedger) screen.line('  Add a node of yours    docs/guides/operator.md')
  screen.line('  Stop                   Ctrl-C')
}
