/**
 * The issuers of a network on one machine, and the faucet that their books cost nothing at. They make their keys as issuers on
 * machines of their own do; started again on the same folder they have them. @module
 */
import { equalBytes } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { machineError } from '../../foundation/base/machineError.ts'
import { type Log, Meter } from '../../foundation/base/observe.ts'
import { type Millis, millis } from '../../foundation/base/units.ts'
import { unlessAborted } from '../../foundation/platform/clock.ts'
import type { Endpoint, Listener } from '../../foundation/platform/net.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { Address, Hex } from '../../network/ledger/chain.ts'
import type { DkgEngine } from '../../protocol/credentials/dkgEngine.ts'
import type { CredentialEngine } from '../../protocol/credentials/engine.ts'
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
import { type LedgerIssuerOptions, startLedgerIssuer } from '../node/ledgerIssuer.ts'
import type { LedgerEpoch } from '../node/ledgerPlan.ts'
import { hexOfBytes } from '../node/ledgerSources.ts'
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
/** A plan that was cut off is not waited for, but made anew: this is for slow machines. */
const LEDGER_PHASE_SECONDS = 120
const POLL_FILE: Millis = millis(15)
const POLL_LEDGER: Millis = millis(80)
const NETWORK = 'starling-local'

/** Where there is a ledger: it names the issuers, has their board, and what pays for books. */
export interface IssuingLedger {
  /** Of the faucet: resolves to the deposit's number. */
  readonly pay: (identityKey: Uint8Array) => Promise<number>
  /** An issuer's own account, and how it reaches the ledger from there. */
  readonly issuer: (
    keyPath: string,
    world: World,
  ) => Promise<Pick<LedgerIssuerOptions, 'ledger' | 'account' | 'confirmations' | 'durable'>>
  /** undefined where they have never had keys. */
  readonly agreed: () => Promise<LedgerEpoch | undefined>
  /** Governance names them; they make their keys at once. */
  readonly plan: (
    members: readonly { readonly owner: Address; readonly identityKey: Hex; readonly url: string }[],
    threshold: number,
    phaseSeconds: number,
  ) => Promise<void>
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
  readonly ledger?: IssuingLedger | undefined
  readonly signal?: AbortSignal | undefined
}

/** Resolves when they issue. Throws as `startIssuer` and `agreeOnKeys`; nothing stays behind then. */
export async function startIssuers(options: StartIssuersOptions): Promise<TestnetIssuers> {
  const { plan: who, worldOf, folder, engine, dkgEngine, logOf, ledger, signal } = options
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
        pay: ledger?.pay,
        log: logOf('faucet'),
      })
      stops.push(() => faucet.close())
      const listener = await withItsPort('faucet', plan.faucet, faucet.serve(endpointOf(plan.faucet)))
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
      const parts = {
        config,
        engine,
        dkgEngine,
        meter,
        log: logOf(name),
        ...(signal === undefined ? {} : { signal }),
      }
      const starting =
        ledger === undefined
          ? startIssuer(world, { ...parts, plan, board, dkg: { pollEvery: POLL_FILE } })
          : startLedgerIssuer(world, {
              ...parts,
              ...(await ledger.issuer(accountPath(folder, position), world)),
              dkg: { pollEvery: POLL_LEDGER },
              faucetUrl: plan.faucet,
            })
      const issuer = await withItsPort(name, url, starting)
      running[position] = issuer
      meters[position] = meter
      return issuer
    }
    await startFaucet(worldOf(who.faucetHost))
    if (ledger !== undefined) await planOnLedger(options, ledger, plan)
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

/** Where each of them is stands in their keys: none can take another port. */
async function withItsPort<T>(who: string, url: string, starting: Promise<T>): Promise<T> {
  try {
    return await starting
  } catch (error) {
    if (!isMixnetError(error, 'ADDRESS_IN_USE')) throw error
    const message = `another program has the port of this network's ${who}`
    const nextStep = `Stop whatever listens at ${url}; or begin another network in another folder.`
    throw machineError('ADDRESS_IN_USE', { [who]: url }, { message, nextStep, cause: error })
  }
}

/** All of them are one machine's. */
const NO_LIMITS = { maxPerDay: 1_000_000, maxPerAddress: 1_000_000 }

/**
 * Before they start, so that they find it at their first look. A plan of which nothing came, since everything was killed, is given up for
 * another: its phases have an end, and whoever was away then is out. Throws CONFIG_INVALID where the ledger's issuers are others.
 */
async function planOnLedger(
  { plan: who, worldOf, folder }: StartIssuersOptions,
  ledger: IssuingLedger,
  { issuers }: IssuerPlan,
): Promise<void> {
  const agreed = await ledger.agreed()
  if (agreed !== undefined) {
    const known = issuers.filter(({ index, identity }) =>
      agreed.members.some((one) => one.index === index && equalBytes(one.identity, identity)),
    )
    if (known.length >= agreed.threshold) return
    const nextStep = `Move ${folder} away: a new network is made. Or restore its folder "issuers" from a backup.`
    const details = { folder, why: 'the ledger names other issuers than the folder has' }
    throw new MixnetError('CONFIG_INVALID', details, { nextStep })
  }
  const members = await Promise.all(
    issuers.map(async ({ identity, url }, position) => {
      const { account } = await ledger.issuer(accountPath(folder, position), worldOf(who.hosts[position] as string))
      return { owner: account.address, identityKey: hexOfBytes(identity), url }
    }),
  )
  await ledger.plan(members, who.threshold, LEDGER_PHASE_SECONDS)
}

const accountPath = (folder: string, position: number): string => `${issuerFolder(folder, position)}/account.key`
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
