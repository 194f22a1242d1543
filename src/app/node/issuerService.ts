/** An issuer as a process: makes its share of the keys with the others of its plan, and serves. @module */
import type { Hono } from 'hono'
import type { Log, Meter } from '../../foundation/base/observe.ts'
import type { Secret } from '../../foundation/base/secret.ts'
import { seconds } from '../../foundation/base/units.ts'
import type { Endpoint } from '../../foundation/platform/net.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { DkgEngine } from '../../protocol/credentials/dkgEngine.ts'
import type { CredentialEngine } from '../../protocol/credentials/engine.ts'
import type { AgreedKeys } from '../../roles/issuer/agreedKeys.ts'
import { type DepositLedger, faucetDeposits } from '../../roles/issuer/deposits.ts'
import type { BulletinBoard } from '../../roles/issuer/dkg/bulletinBoard.ts'
import type { DkgParams } from '../../roles/issuer/dkg/dkgParams.ts'
import { agreeOnKeys, type DkgOutcome } from '../../roles/issuer/dkg/dkgParticipant.ts'
import { FileBoard } from '../../roles/issuer/dkg/fileBoard.ts'
import { loadAgreedKeys } from '../../roles/issuer/dkg/keyFile.ts'
import { Issuer, type IssuerStatus } from '../../roles/issuer/issuer.ts'
import { expectClosed, type IssuerConfig, type IssuerPlan } from './issuerConfig.ts'
import { type IssuerKey, loadOrCreateIssuerKey } from './issuerKey.ts'
import { PROMETHEUS_TEXT, prometheusText } from './metrics.ts'

/** Of every issuer, wherever its plan is. */
export interface IssuerParts {
  readonly config: Pick<IssuerConfig, 'data' | 'listen' | 'compatible'>
  readonly engine: CredentialEngine
  readonly dkgEngine: DkgEngine
  readonly dkg?: DkgParams
  readonly meter: Meter
  readonly log: Log
  /** Gives up agreeing on keys. */
  readonly signal?: AbortSignal
}

export interface IssuerServiceOptions extends IssuerParts {
  readonly config: IssuerConfig
  readonly plan: IssuerPlan
  /** Where they agree. Default: the file that the plan names. */
  readonly board?: BulletinBoard
}

export interface RunningIssuer {
  /** Ed25519. */
  readonly identity: Uint8Array
  readonly endpoint: Endpoint
  /** Resolves with the keys it issues under; rejects as `agreeOnKeys`, and with STOPPED. It serves meanwhile, and issues nothing. */
  readonly agreed: Promise<DkgOutcome>
  status(): IssuerStatus
  stop(): Promise<void>
}

/** What an issuer gets its keys with, from when it serves until `signal`. */
export interface KeyWork {
  readonly agreed: Promise<DkgOutcome>
  /** Resolves when nothing is done any more. */
  readonly ended: Promise<void>
}

export interface ServedWith {
  readonly deposits: DepositLedger
  readonly faucetUrl: string | undefined
  readonly olderKeys: readonly AgreedKeys[]
  readonly work: (issuer: Issuer, key: IssuerKey, signal: AbortSignal) => KeyWork
}

const FAUCET_TIMEOUT = seconds(10)

/** Serves when it resolves. Throws LOCKED, ADDRESS_IN_USE, KEY_FILE_UNREADABLE, CONFIG_INVALID of a plan that is open or not about us. */
export async function startIssuer(world: World, options: IssuerServiceOptions): Promise<RunningIssuer> {
  const { config, plan, meter, log } = options
  const closed = expectClosed(plan, config.plan ?? 'the plan')
  return serveIssuer(world, options, async () => {
    const olderKeys = await keysBefore(world, config.data, plan.epoch)
    const work = (issuer: Issuer, { seed }: IssuerKey, signal: AbortSignal): KeyWork => {
      const agreed = agreeOnKeys(world, {
        plan: {
          network: plan.network,
          epochId: plan.epoch,
          threshold: closed.threshold,
          members: plan.issuers,
          ...(plan.previous === undefined ? {} : { previous: plan.previous }),
          startsAt: closed.startsAt,
          phaseLimit: seconds(closed.phaseLimitSeconds),
        },
        identitySeed: seed,
        board: options.board ?? new FileBoard(world, plan.board),
        engine: options.dkgEngine,
        previousKey: ownKeyOf(olderKeys, plan),
        folder: config.data,
        log: log.child('dkg'),
        meter,
        signal,
        ...(options.dkg === undefined ? {} : { params: options.dkg }),
      }).then((outcome) => {
        if (outcome.kind === 'member') adopt(issuer, outcome.keys, log)
        return outcome
      })
      return {
        agreed,
        ended: agreed.then(
          () => {},
          () => {},
        ),
      }
    }
    const { faucet: faucetUrl, priceUnym } = plan
    const deposits = faucetDeposits(world, { url: faucetUrl, priceUnym, timeout: FAUCET_TIMEOUT })
    return { deposits, faucetUrl, olderKeys, work }
  })
}

/** What all issuers have in common: one process a folder, one identity, and an API that is there before there are keys. Throws as `startIssuer`. */
export async function serveIssuer(
  world: World,
  { config, engine, meter, log, signal }: IssuerParts,
  preparing: () => Promise<ServedWith>,
): Promise<RunningIssuer> {
  const lock = await world.files.lock(`${config.data}/lock`)
  const stopping = new AbortController()
  const abort = () => stopping.abort()
  signal?.addEventListener('abort', abort, { once: true })
  if (signal?.aborted) abort()
  const release = async () => {
    signal?.removeEventListener('abort', abort)
    await lock.release()
  }
  try {
    const key = await loadOrCreateIssuerKey(world, config.data)
    const { work, ...served } = await preparing()
    let issuer: Issuer | undefined
    issuer = await Issuer.start(world, {
      ...served,
      folder: config.data,
      identitySeed: key.seed,
      engine,
      listen: config.listen,
      compatible: config.compatible,
      extend: statusPages(() => issuer?.status(), meter),
      meter,
      log,
    })
    const running = issuer
    const { agreed, ended } = work(running, key, stopping.signal)
    // Whoever starts it may never ask.
    agreed.catch(() => {})
    return {
      identity: key.identity,
      endpoint: running.endpoint ?? config.listen,
      agreed,
      status: () => running.status(),
      async stop() {
        abort()
        await ended
        await running.stop()
        await release()
      },
    }
  } catch (error) {
    await release()
    throw error
  }
}

/** Nothing there that the API does not tell everybody anyway. */
const statusPages =
  (status: () => IssuerStatus | undefined, meter: Meter) =>
  (app: Hono): void => {
    app.get('/status', () => Response.json({ ...status(), counters: meter.snapshot() }))
    app.get(
      '/metrics',
      async () => new Response(await prometheusText(meter), { headers: { 'content-type': PROMETHEUS_TEXT } }),
    )
  }

function adopt(issuer: Issuer, keys: AgreedKeys, log: Log): void {
  issuer.adopt(keys)
  log.info('issuer.keys', { epoch: keys.epochId, threshold: keys.threshold, issuers: keys.members.length })
}

/** Books of a week ago are still about, and an epoch lasts longer. */
const EPOCHS_BACK = 4

async function keysBefore({ files }: World, folder: string, epoch: number): Promise<readonly AgreedKeys[]> {
  const older = Array.from({ length: Math.min(epoch, EPOCHS_BACK) }, (_, i) => epoch - 1 - i)
  const keys = await Promise.all(older.map((one) => loadAgreedKeys(files, folder, one)))
  return keys.filter((one) => one !== undefined)
}

/** What we deal, where we were of those that hand their key on. */
function ownKeyOf(older: readonly AgreedKeys[], { previous }: IssuerPlan): Secret | undefined {
  return older.find(({ epochId }) => epochId === previous?.epochId)?.own.secretKey
}
