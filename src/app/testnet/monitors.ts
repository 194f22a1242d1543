/** Who measures the nodes of a network on one machine: monitors in its process, with stakes and sessions of their own. @module */
import { openWallet } from '../../client/credentials/openWallet.ts'
import type { TicketWallet } from '../../client/credentials/ticketWallet.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { type Log, Meter } from '../../foundation/base/observe.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { CredentialEngine } from '../../protocol/credentials/engine.ts'
import { configScore } from '../../protocol/economy/configScore.ts'
import type { DescribedNode } from '../../protocol/wire/directory/describedNodes.ts'
import type { TicketsOf } from '../../roles/monitor/testSession.ts'
import { type RunningMonitor, startMonitor } from '../node/monitorService.ts'
import type { TestnetLedger } from './ledger.ts'

export interface TestnetMonitorsOptions {
  readonly count: number
  readonly ledger: TestnetLedger
  readonly directoryUrl: string
  readonly folder: string
  readonly host: string
  readonly world: World
  /** What computes with tickets, where bandwidth is paid for. Stays its owner's. */
  readonly engine: CredentialEngine | undefined
  readonly logOf: (name: string) => Log
}

const FIRST_PORT = 8095
const PORTS_TRIED = 100

/** Resolves when they have joined and measure. Nothing stays behind where one fails. */
export async function startMonitors(options: TestnetMonitorsOptions): Promise<{ stop(): Promise<void> }> {
  const running: RunningMonitor[] = []
  const stop = async (): Promise<void> => {
    await Promise.all(running.splice(0).map((monitor) => monitor.stop()))
  }
  try {
    for (let number = 1; number <= options.count; number++) running.push(await startOne(options, number))
    return { stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function startOne(options: TestnetMonitorsOptions, number: number): Promise<RunningMonitor> {
  const { ledger, directoryUrl, folder, host, world, logOf } = options
  const name = `monitor-${number}`
  const { reports, join } = await ledger.monitor(number)
  for (let port = FIRST_PORT + number - 1; ; port++) {
    const config = {
      name,
      listen: { host, port },
      data: `${folder}/monitors/${number}`,
      directories: [directoryUrl],
      // 5 kB a second for each gateway, which a laptop does not notice.
      traffic: 'frugal' as const,
      keepEpochs: 60,
      local: true,
    }
    try {
      const monitor = await startMonitor(world, config, {
        ledger: reports,
        configScore: percentOf,
        tickets: ticketsOf(options),
        meter: new Meter(),
        log: logOf(name),
      })
      await join(`http://${host}:${monitor.endpoint.port}`)
      return monitor
    } catch (error) {
      if (!isMixnetError(error, 'ADDRESS_IN_USE') || port >= FIRST_PORT + PORTS_TRIED) throw error
    }
  }
}

/** The ledger keeps no list of versions, so none is behind. */
function percentOf({
  auxiliaryDetails,
  buildInformation: { binaryName, buildVersion: version },
}: DescribedNode): number {
  const acceptedTerms = auxiliaryDetails.acceptedOperatorTermsAndConditions
  return Math.round(configScore([], { binaryName, version, acceptedTerms }) * 100)
}

/** One wallet for all sessions of a monitor: fifty tickets last it for days. */
function ticketsOf({ engine, world, directoryUrl, logOf }: TestnetMonitorsOptions): TicketsOf | undefined {
  if (engine === undefined) return undefined
  const shared = { ...engine, close: undefined } as CredentialEngine
  let wallet: Promise<TicketWallet> | undefined
  return (identitySeed) => {
    wallet ??= openWallet(
      { world, folder: undefined, identitySeed },
      { directories: [directoryUrl], tickets: { buy: 'faucet' }, unasked: true, log: logOf('monitor-tickets') },
      shared,
    )
    return wallet
  }
}
