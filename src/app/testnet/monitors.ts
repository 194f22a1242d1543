/** Who measures the nodes of a network on one machine: monitors in its process, with stakes and sessions of their own. @module */
import { isMixnetError } from '../../foundation/base/errors.ts'
import { type Log, Meter } from '../../foundation/base/observe.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { CredentialEngine } from '../../protocol/credentials/engine.ts'
import { configScore } from '../../protocol/economy/configScore.ts'
import type { DescribedNode } from '../../protocol/wire/directory/describedNodes.ts'
import { startMonitor } from '../node/monitorService.ts'
import { openMonitorTickets } from '../node/monitorTickets.ts'
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

interface Stopping {
  stop(): Promise<void>
}

/** Resolves when they have joined and measure. Nothing stays behind where one fails. */
export async function startMonitors(options: TestnetMonitorsOptions): Promise<Stopping> {
  const running: Stopping[] = []
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

async function startOne(options: TestnetMonitorsOptions, number: number): Promise<Stopping> {
  const { ledger, directoryUrl, folder, world, engine, logOf } = options
  const data = `${folder}/monitors/${number}`
  const { reports, deposits, join } = await ledger.monitor(number)
  // Without `confirm`: the directory is our own.
  const tickets =
    engine &&
    (await openMonitorTickets(world, {
      ...{ folder: `${data}/tickets`, directories: [directoryUrl], deposits },
      engine: () => ({ ...engine, close: undefined }) as CredentialEngine,
      log: logOf('monitor-tickets'),
    }))
  try {
    const monitor = await onFreePort(FIRST_PORT + number - 1, (port) =>
      startMonitor(
        world,
        {
          name: `monitor-${number}`,
          listen: { host: options.host, port },
          data,
          directories: [directoryUrl],
          // 5 kB a second for each gateway, which a laptop does not notice.
          traffic: 'frugal',
          keepEpochs: 60,
          local: true,
        },
        {
          ledger: reports,
          configScore: percentOf,
          tickets: tickets?.wallet,
          meter: new Meter(),
          log: logOf(`monitor-${number}`),
        },
      ),
    )
    await join(`http://${options.host}:${monitor.endpoint.port}`)
    return {
      async stop() {
        await monitor.stop()
        await tickets?.close()
      },
    }
  } catch (error) {
    await tickets?.close()
    throw error
  }
}

async function onFreePort<T>(first: number, start: (port: number) => Promise<T>): Promise<T> {
  for (let port = first; ; port++) {
    try {
      return await start(port)
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
