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
import { loadOrCreateIssuerKey } from './issuerKey.ts'
import { PROMETHEUS_TEXT, prometheusText } from './metrics.ts'

export interface IssuerServiceOptions {
  readonly config: IssuerConfig
  readonly plan: IssuerPlan
  readonly engine: CredentialEngine
  readonly dkgEngine: DkgEngine
  readonly dkg?: DkgParams
  /** Where they agree. Default: the file that the plan names. */
  readonly board?: BulletinBoard
  /** Who has paid. Default: the faucet of the plan knows. */
  readonly deposits?: DepositLedger | undefined
  readonly meter: Meter
  readonly log: Log
  /** Gives up agreeing on keys. */
  readonly signal?: AbortSignal
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

const FAUCET_TIMEOUT = seconds(10)

/** Serves when it resolves. Throws LOCKED, ADDRESS_IN_USE, KEY_FILE_UNREADABLE, CONFIG_INVALID of a plan that is open or not about us. */
export async function startIssuer(world: World, options: IssuerServiceOptions): Promise<RunningIssuer> {
  const { config, plan, meter, log, engine } = options
  const closed = expectClosed(plan, config.plan ?? 'the plan')
  const lock = await world.files.lock(`${config.data}/lock`)
  const stopping = new AbortController()
  const stopAgreeing = () => stopping.abort()
  options.signal?.addEventListener('abort', stopAgreeing, { once: true })
  if (options.signal?.aborted) stopAgreeing()
  try {
    const key = await loadOrCreateIssuerKey(world, config.data)
    const olderKeys = await keysBefore(world, config.data, plan.epoch)
    let issuer: Issuer | undefined
    issuer = await Issuer.start(world, {
      folder: config.data,
      identitySeed: key.seed,
      olderKeys,
      engine,
      deposits:
        options.deposits ??
        faucetDeposits(world, { url: plan.faucet, priceUnym: plan.priceUnym, timeout: FAUCET_TIMEOUT }),
      faucetUrl: plan.faucet,
      listen: config.listen,
      compatible: config.compatible,
      extend: statusPages(() => issuer?.status(), meter),
      meter,
      log,
    })
    const running = issuer
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
      identitySeed: key.seed,
      board: options.board ?? new FileBoard(world, plan.board),
      engine: options.dkgEngine,
      previousKey: ownKeyOf(olderKeys, plan),
      folder: config.data,
      log: log.child('dkg'),
      meter,
      signal: stopping.signal,
      ...(options.dkg === undefined ? {} : { params: options.dkg }),
    }).then((outcome) => {
      if (outcome.kind === 'member') adopt(running, outcome.keys, log)
      return outcome
    })
    // Whoever starts it may never ask.
    agreed.catch(() => {})
    return {
      identity: key.identity,
      endpoint: running.endpoint ?? config.listen,
      agreed,
      status: () => running.status(),
      async stop() {
        stopping.abort()
        await agreed.catch(() => {})
        await running.stop()
        await lock.release()
      },
    }
  } catch (error) {
    await lock.release()
    throw error
  }
}

/** Nothing there that the API does not tell everybody anyway. */
export const statusPages =
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
