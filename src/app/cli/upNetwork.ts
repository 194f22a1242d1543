/** The network of `starling up`, and what is told of it. @module */
import { isMixnetError } from '../../foundation/base/errors.ts'
import type { CredentialEngine } from '../../protocol/credentials/engine.ts'
import type { WayOut } from '../../roles/exit/ip/wayOut.ts'
import { openDkgEngine } from '../node/dkgEngine.ts'
import { openPacketEngine } from '../node/packetEngine.ts'
import { commitmentsOnce } from '../testnet/computedOnce.ts'
import { DEMO_HOST, type DemoSite } from '../testnet/demoSite.ts'
import { hasLoopbackAddresses, planIssuers, planNetwork } from '../testnet/layout.ts'
import { withNamedHosts } from '../testnet/namedHosts.ts'
import { startTestnet, type Testnet } from '../testnet/testnet.ts'
import type { Session } from './session.ts'
import type { TakenPorts } from './takenPorts.ts'
import type { UpLedger } from './upLedger.ts'

export interface UpOptions {
  readonly once: boolean
  readonly data: string
  readonly mixNodes: number
  readonly entries: number
  readonly exits: number
  readonly directoryPort: number
  readonly socksPort: number
  readonly statusPort: number
  /** Bandwidth for nothing, as official apps and drop-ins expect it. */
  readonly free: boolean
  /** Who is in the network and which epoch it is stands on a chain of this machine; without, the directory says so by its clock. */
  readonly ledger: boolean
  /** Who measure the nodes; only where there is a ledger to report to. */
  readonly monitors: number
}

export const HOST = '127.0.0.1'

/** What the network is made of beside its plan. */
interface NetworkParts {
  readonly site: DemoSite
  readonly taken: TakenPorts
  /** Undefined where bandwidth is free. */
  readonly engine: CredentialEngine | undefined
  readonly ledger: UpLedger | undefined
}

const ISSUERS = 5
const ISSUER_THRESHOLD = 3

export async function startNetwork(
  session: Session,
  options: UpOptions,
  { site, taken, engine, ledger }: NetworkParts,
): Promise<Testnet> {
  const { world, screen, interrupted } = session
  const started = world.clock.monotonic()
  const ownAddresses = await hasLoopbackAddresses(world.net)
  const plans = planNetwork(options, ownAddresses)
  const names = new Map([[DEMO_HOST, site.endpoint]])
  let issuersTook: number | undefined
  const paid = engine && {
    engine,
    dkgEngine: commitmentsOnce(await openDkgEngine(world)),
    plan: planIssuers(ISSUERS, ISSUER_THRESHOLD, ownAddresses),
    worldOf: () => world,
    onIssuers: () => {
      issuersTook = world.clock.monotonic() - started
    },
  }
  const packets = await packetEngine(session)
  const network = await startTestnet({
    plans,
    ...(paid === undefined ? {} : { paid }),
    ...(ledger === undefined ? {} : { ledger: ledger.plan }),
    folder: options.data,
    directory: { host: HOST, port: options.directoryPort },
    noise: ownAddresses,
    world,
    worldOf: ({ roles, host }) =>
      roles.includes('exit') ? { ...world, net: withNamedHosts(world.net, names, host) } : world,
    ...(packets === undefined ? {} : { wayOutOf: () => packets }),
    logOf: (name) => session.quietLogOf(name),
    onStep: (what, wanted, used) => {
      // Nodes that share one address make room for each other: no stranger is in their way.
      if (ownAddresses || what === 'directory') taken.add(what, wanted, used)
    },
    signal: interrupted,
  })
  const took = world.clock.monotonic() - started - (issuersTook ?? 0)
  const links = ownAddresses ? 'encrypted links' : 'plain links'
  const entries = plans.filter(({ roles }) => roles.includes('entry') && !roles.includes('exit')).length
  const exits = plans.filter(({ roles }) => roles.includes('exit')).length
  taken.show(session)
  const { issuers } = network
  if (issuers !== undefined) {
    const { length } = issuers.urls
    screen.step('issuers', `${length} of ${length} keys agreed, any ${issuers.threshold} can issue`, issuersTook, {
      event: 'issuers',
      issuers: issuers.urls,
      threshold: issuers.threshold,
      faucet: issuers.faucetUrl,
    })
  }
  const { epochId, epochEndsAtUnixMs, nodes: listed } = network.directory
  const nextIn = Math.max(0, Math.round((epochEndsAtUnixMs - world.clock.now()) / 1000))
  const epoch = ledger === undefined ? '' : `   epoch ${epochId}, next in ${nextIn} s`
  screen.step('directory', `${network.directoryUrl}${epoch}`, undefined, {
    event: 'directory',
    url: network.directoryUrl,
    epoch: epochId,
    nextEpochInSeconds: nextIn,
  })
  const roleOf = new Map(listed.map(({ nodeId, role }) => [nodeId, role]))
  screen.step(
    'nodes',
    `${options.mixNodes} mix nodes in 3 layers, ${count(entries, 'entry', 'entries')}, ${count(exits, 'exit', 'exits')}, ${links}`,
    took,
    {
      event: 'nodes',
      names: plans.map(({ name }) => name),
      nodes: network.nodes.map(({ plan, running }) => ({
        name: plan.name,
        roles: plan.roles,
        layer: ledger === undefined ? plan.layer : layerOf(roleOf.get(plan.nodeId)),
        ...running.endpoints,
      })),
      noise: ownAddresses,
    },
  )
  return network
}

/** Where nothing carries packets, everything else works. */
async function packetEngine({ world, screen, quietLogOf }: Session): Promise<WayOut | undefined> {
  try {
    return await openPacketEngine(world, { engine: 'passt', allowLocalAddresses: true, log: quietLogOf('packets') })
  } catch (error) {
    if (!isMixnetError(error, 'ENGINE_UNAVAILABLE')) throw error
    screen.step('packets', `the exit carries no datagrams and pings: ${error.nextStep}`, undefined, {
      event: 'no-packets',
      nextStep: error.nextStep,
    })
    return undefined
  }
}

/** As the ledger drew it. */
const layerOf = (role: string | undefined): number | undefined =>
  role?.startsWith('layer') ? Number(role.slice('layer'.length)) : undefined

export const count = (number: number, one: string, many: string): string => `${number} ${number === 1 ? one : many}`
