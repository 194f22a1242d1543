/** `starling monitor init`, `join`, `run`, `leave` and `withdraw-stake`: who measures nodes, with a stake. @module */
import { basename, resolve } from 'node:path'
import { keccak256 } from 'viem/utils'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { machineError } from '../../foundation/base/machineError.ts'
import { Meter } from '../../foundation/base/observe.ts'
import type { DescribedNode } from '../../protocol/wire/directory/describedNodes.ts'
import { expectOurTime } from '../../roles/monitor/epochTime.ts'
import { formatMonitorConfig, type MonitorConfig, readMonitorConfig, startMonitor } from '../node/monitorService.ts'
import { performanceLedger } from '../node/performanceLedger.ts'
import { amountText } from './amounts.ts'
import { durationText, readEpoch } from './epochText.ts'
import { explainLocked } from './folders.ts'
import { openAccount, openChosenLedger } from './ledgerAccess.ts'
import { carryOut, type HandOptions, openHand } from './ledgerWrites.ts'
import { openPaying, ticketsAccount, ticketsKey } from './monitorPaying.ts'
import type { Session } from './session.ts'

export interface MonitorInitOptions {
  readonly directory: readonly string[]
  readonly name?: string
  readonly host: string
  readonly port: number
  readonly traffic: 'default' | 'frugal'
  readonly local: boolean
}

const configPath = (folder: string): string => `${folder}/monitor.toml`
const JOIN_GAS = 300_000n

export async function initMonitor(
  { world, screen }: Session,
  folder: string,
  options: MonitorInitOptions,
): Promise<number> {
  const path = configPath(folder)
  if ((await world.files.kindOf(path)) !== undefined) {
    const nextStep = `Run it: starling monitor run ${folder}. Its settings: ${path}`
    throw new MixnetError('BAD_ARGUMENT', { folder }, { message: 'there is a monitor already', nextStep })
  }
  const config: MonitorConfig = {
    name: options.name ?? basename(resolve(folder)),
    listen: { host: options.host, port: options.port },
    data: '.',
    directories: options.directory,
    traffic: options.traffic,
    keepEpochs: 48,
    local: options.local,
  }
  await world.files.write(path, formatMonitorConfig(config))
  const { address } = await ticketsAccount(world, folder)
  screen.step('monitor', `${config.name}   evidence at http://${options.host}:${options.port}`, undefined, {
    event: 'monitor',
    name: config.name,
    config: path,
    ticketsAccount: address,
  })
  screen.line(`\n  It buys tickets from ${address}, where gateways want them: send it NYM and`)
  screen.line(`  the chain's own coin   (on a local network: starling ledger faucet ${ticketsKey(folder)})`)
  screen.line(`\n  Put a stake in   starling monitor join --url http://YOUR-HOST:${options.port} --key KEY-FILE`)
  screen.line(`  Run it           starling monitor run ${folder} --key KEY-FILE`)
  return 0
}

export interface JoinOptions extends HandOptions {
  readonly url: string
  /** Default: the least that is asked of participants. */
  readonly stake?: bigint
}

export async function joinMonitors(session: Session, options: JoinOptions): Promise<number> {
  const hand = await openHand(session, options)
  const epoch = await readEpoch(hand.ledger, session.world.clock.now() / 1000)
  const stake = options.stake ?? hand.ledger.deployment.params.participantStake
  return carryOut(hand, {
    contract: 'performance',
    fn: 'join',
    args: [stake, true, options.url],
    allowance: { spender: 'performance', amount: stake, typicalGas: JOIN_GAS },
    effects: [
      ['join', `as a monitor, with ${amountText(stake)} at stake; its evidence at ${options.url}`],
      ['when', `it may report from epoch ${epoch.interval.totalElapsedEpochs + 1} on`],
      [
        'stake',
        'is never taken, but comes back only some time after leaving; who does not reveal, or is far from the others, is left out for a while',
      ],
    ],
    done: () => ({ text: 'joined', event: { stakeUnym: String(stake) } }),
    look: 'starling ledger status',
  })
}

export async function leaveMonitors(session: Session, options: HandOptions): Promise<number> {
  const hand = await openHand(session, options)
  return carryOut(hand, {
    contract: 'performance',
    fn: 'depart',
    args: [],
    effects: [
      ['leave', 'at once; what was committed in this epoch is still to be revealed'],
      ['stake', 'comes back after the cooling-off: starling monitor withdraw-stake'],
    ],
    done: () => ({ text: 'left; later: starling monitor withdraw-stake' }),
    look: 'starling ledger status',
  })
}

export async function withdrawStake(session: Session, options: HandOptions): Promise<number> {
  const hand = await openHand(session, options)
  const { stake } = await hand.ledger.read('performance', 'participantOf', [hand.account.address])
  return carryOut(hand, {
    contract: 'performance',
    fn: 'withdrawStake',
    args: [],
    effects: [['fetch', `${amountText(stake)}, at once`]],
    done: () => ({ text: `${amountText(stake)} fetched` }),
    look: 'starling ledger account show KEY-FILE',
  })
}

export interface MonitorRunOptions extends HandOptions {
  /** False: gateways that want to be paid are not measured. */
  readonly tickets: boolean
  /** Blocks on top of a deposit. */
  readonly confirmations: number
}

export async function runMonitor(session: Session, folder: string, options: MonitorRunOptions): Promise<number> {
  const { world, screen } = session
  const config = await readExistingMonitor(session, folder)
  const { ledger } = await openChosenLedger(session, options)
  const account = await openAccount(session, ledger, options)
  const { stake, measures, leftInEpoch } = await ledger.read('performance', 'participantOf', [account.address])
  if (stake === 0n || leftInEpoch > 0 || !measures) {
    const nextStep = 'Put a stake in first: starling monitor join --url URL --key KEY-FILE.'
    throw new MixnetError(
      'BAD_ARGUMENT',
      { account: account.address },
      { message: 'this account is no monitor', nextStep },
    )
  }
  const reports = performanceLedger(ledger, account, (bytes) => keccak256(bytes, 'bytes'))
  expectOurTime(await reports.epoch(), world.clock.now())
  const log = session.logOf(config.name)
  const stops: (() => Promise<void>)[] = []
  try {
    const tickets = options.tickets ? await openPaying(session, folder, { ledger, config, ...options }) : undefined
    stops.push(async () => tickets?.close())
    const monitor = await startMonitor(world, config, {
      ledger: reports,
      configScore,
      tickets: tickets?.wallet,
      meter: new Meter(),
      log,
    }).catch((error: unknown) => {
      throw explainStart(error, folder, config)
    })
    stops.push(() => monitor.stop())
    const { host, port } = monitor.endpoint
    const { interval, secondsLeft } = await readEpoch(ledger, world.clock.now() / 1000)
    const next = durationText(secondsLeft)
    screen.step(
      'monitor',
      `${config.name}   ${amountText(stake)} at stake   epoch ${interval.totalElapsedEpochs}, next in ${next}`,
      undefined,
      {
        event: 'listening',
        host,
        port,
        account: account.address,
      },
    )
    screen.line(`  evidence        http://${host}:${port}/v1/monitor/epochs\n  stop            Ctrl-C`)
    await session.untilInterrupted()
    log.info('monitor.stopping')
  } finally {
    for (const stop of stops.reverse()) await stop()
  }
  return 0
}

function explainStart(error: unknown, folder: string, { listen }: MonitorConfig): unknown {
  if (!isMixnetError(error, 'ADDRESS_IN_USE')) {
    return explainLocked(error, folder, 'Stop it: one monitor is one process.')
  }
  const nextStep = `Write another port into ${configPath(folder)}, under [listen], and join with a URL that has it: beside "starling up" 8097, for its own monitors have 8095 and 8096.`
  return machineError(
    'ADDRESS_IN_USE',
    { port: listen.port },
    { nextStep, cause: error, message: `port ${listen.port} is taken by another program` },
  )
}

async function readExistingMonitor({ world }: Session, folder: string): Promise<MonitorConfig> {
  const path = configPath(folder)
  if ((await world.files.kindOf(path)) !== undefined) return readMonitorConfig(world.files, path)
  const nextStep = `Make one: starling monitor init ${folder}`
  throw new MixnetError('BAD_ARGUMENT', { folder }, { message: 'there is no monitor', nextStep })
}

/** Percent, by tokenomics 7.1: the ledger lists no versions, so none is behind; terms not accepted and no version at all are nothing. */
function configScore({ auxiliaryDetails, buildInformation }: DescribedNode): number {
  const hasVersion = /^\d+\.\d+\.\d+/.test(buildInformation.buildVersion)
  return hasVersion && auxiliaryDetails.acceptedOperatorTermsAndConditions ? 100 : 0
}
