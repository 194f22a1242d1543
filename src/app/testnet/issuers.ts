/**
 * The issuers of a network on one machine, and the faucet that their books cost nothing at. They make their keys as issuers on
 * machines of their own do; started again on the same folder they have them. @module
 */
import { type Log, Meter } from '../../foundation/base/observe.ts'
import { type Millis, millis } from '../../foundation/base/units.ts'
import { unlessAborted } from '../../foundation/platform/clock.ts'
import type { Endpoint, Listener } from '../../foundation/platform/net.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { DkgEngine } from '../../protocol/credentials/dkgEngine.ts'
import type { CredentialEngine } from '../../protocol/credentials/engine.ts'
import type { DepositLedger } from '../../roles/issuer/deposits.ts'
import { FileBoard } from '../../roles/issuer/dkg/fileBoard.ts'
import { Faucet } from '../../roles/issuer/faucet.ts'
import {
  checkIssuerConfig,
  DEFAULT_PRICE_UNYM,
  formatIssuerPlan,
  type IssuerPlan,
  readIssuerPlan,
} from '../node/issuerConfig.ts'
import { loadOrCreateIssuerKey } from '../node/issuerKey.ts'
import { type RunningIssuer, startIssuer } from '../node/issuerService.ts'
import { listenStepped } from '../node/steppedPort.ts'

export interface IssuerEngines {
  readonly engine: CredentialEngine
  readonly dkgEngine: DkgEngine
}

/** Who issues in a network on one machine. */
export interface TestnetIssuerPlan {
  /** Of each issuer; they may share one. */
  readonly hosts: readonly string[]
  readonly threshold: number
  readonly faucetHost: string
}

export interface TestnetIssuers {
  /** By index, from 1 at position 0. */
  readonly running: readonly RunningIssuer[]
  readonly meters: readonly Meter[]
  readonly urls: readonly string[]
  readonly faucetUrl: string
  readonly threshold: number
  /** Starts an issuer whose process died anew, on what it left behind. `position`: from 0. Resolves when it issues. */
  restart(position: number, world: World): Promise<void>
  restartFaucet(world: World): Promise<void>
  stop(): Promise<void>
}

const PORTS = { issuer: 8090, faucet: 8099 }
/** Everybody is here and answers at once: what is waited for is who has crashed. */
const PHASE_LIMIT_SECONDS = 20
const POLL_EVERY: Millis = millis(15)
const NETWORK = 'starling-local'

/** Books are paid for on a ledger: the faucet pays there, and issuers look there. */
export interface LedgerSale {
  readonly pay: (identityKey: Uint8Array) => Promise<number>
  readonly deposits: (world: World) => DepositLedger
}

export interface StartIssuersOptions extends IssuerEngines {
  readonly plan: TestnetIssuerPlan
  /** Everything is kept below it. */
  readonly folder: string
  /** Where their plan and their board are. */
  readonly world: World
  /** The world of a host of the plan. */
  readonly worldOf: (host: string) => World
  readonly logOf: (name: string) => Log
  readonly onStep?: ((what: string, wanted: number, used: number) => void) | undefined
  readonly sale?: LedgerSale | undefined
  readonly signal?: AbortSignal | undefined
}

/** Resolves when they issue. Throws as `startIssuer` and `agreeOnKeys`; nothing stays behind then. */
export async function startIssuers(options: StartIssuersOptions): Promise<TestnetIssuers> {
  const { plan: who, worldOf, folder, engine, dkgEngine, logOf, sale, signal } = options
  const path = `${folder}/issuers/issuers.toml`
  const stops: (() => unknown)[] = []
  const running: RunningIssuer[] = []
  const meters: Meter[] = []
  const stop = async () => {
    await Promise.all(running.splice(0).map((one) => one.stop()))
    for (const one of stops.splice(0)) await one()
  }
  try {
    const known = await options.world.files.read(path)
    const plan = known === undefined ? await newPlan(options, path) : await readIssuerPlan(options.world.files, path)
    // One for all of them: in a simulation their disks are not one machine's.
    const board = new FileBoard(options.world, plan.board)
    const startFaucet = async (world: World): Promise<void> => {
      const faucet = new Faucet(world, {
        folder: `${folder}/faucet`,
        priceUnym: plan.priceUnym,
        ...NO_LIMITS,
        pay: sale?.pay,
        log: logOf('faucet'),
      })
      stops.push(() => faucet.close())
      const listener = await faucet.serve(endpointOf(plan.faucet))
      stops.unshift(() => listener.close())
    }
    const startOne = async (position: number, world: World): Promise<RunningIssuer> => {
      const { url } = plan.issuers[position] as IssuerPlan['issuers'][number]
      const meter = new Meter()
      const name = `issuer-${position + 1}`
      const config = checkIssuerConfig(
        { name, listen: endpointOf(url), data: issuerFolder(folder, position), plan: path },
        name,
      )
      const dkg = { pollEvery: POLL_EVERY }
      const issuer = await startIssuer(world, {
        config,
        plan,
        engine,
        dkgEngine,
        dkg,
        board,
        deposits: sale?.deposits(world),
        meter,
        log: logOf(name),
        ...(signal === undefined ? {} : { signal }),
      })
      running[position] = issuer
      meters[position] = meter
      return issuer
    }
    await startFaucet(worldOf(who.faucetHost))
    // One that fails must not leave the others running behind it.
    const starts = plan.issuers.map((_, position) => startOne(position, worldOf(who.hosts[position] as string)))
    await Promise.allSettled(starts)
    const issuers = await Promise.all(starts)
    await unlessAborted(Promise.all(issuers.map(({ agreed }) => agreed)), signal)
    return {
      running,
      meters,
      urls: plan.issuers.map(({ url }) => url),
      faucetUrl: plan.faucet,
      threshold: plan.closed?.threshold ?? who.threshold,
      async restart(position, world) {
        await (await startOne(position, world)).agreed
      },
      restartFaucet: startFaucet,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** All of them are one machine's. */
const NO_LIMITS = { maxPerDay: 1_000_000, maxPerAddress: 1_000_000 }

const issuerFolder = (folder: string, position: number): string => `${folder}/issuers/${position + 1}`

/** Their addresses stand in their keys: ports are chosen once, those that are free now. */
async function newPlan(
  { plan, worldOf, folder, onStep, world }: StartIssuersOptions,
  path: string,
): Promise<IssuerPlan> {
  const held: Listener[] = []
  const chosen = async (what: string, host: string, wanted: number): Promise<string> => {
    const net = worldOf(host).net
    const step = { wanted, step: true, onStep: (asked: number, used: number) => onStep?.(what, asked, used) }
    const listener = await listenStepped(step, (port) =>
      net.listen({ host, port }, (connection) => connection.destroy()),
    )
    held.push(listener)
    return `http://${host}:${listener.endpoint.port}`
  }
  try {
    const issuers: IssuerPlan['issuers'][number][] = []
    for (const [position, host] of plan.hosts.entries()) {
      const key = await loadOrCreateIssuerKey(worldOf(host), issuerFolder(folder, position))
      const url = await chosen(`issuer-${position + 1}`, host, PORTS.issuer)
      issuers.push({ index: position + 1, identity: key.identity, url })
    }
    const made: IssuerPlan = {
      network: NETWORK,
      epoch: 0,
      issuers,
      board: `${folder}/issuers/board.log`,
      priceUnym: DEFAULT_PRICE_UNYM,
      faucet: await chosen('faucet', plan.faucetHost, PORTS.faucet),
      closed: {
        threshold: plan.threshold,
        startsAt: millis(Math.floor(world.clock.now())),
        phaseLimitSeconds: PHASE_LIMIT_SECONDS,
      },
    }
    await world.files.write(path, formatIssuerPlan({ ...made, board: 'board.log' }))
    return made
  } finally {
    await Promise.all(held.map((listener) => listener.close()))
  }
}

function endpointOf(url: string): Endpoint {
  const { hostname, port } = new URL(url)
  return { host: hostname, port: Number(port) }
}
