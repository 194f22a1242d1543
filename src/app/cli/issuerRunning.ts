/** `starling issuer run`, `status` and `faucet`. @module */
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { Meter } from '../../foundation/base/observe.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { DkgOutcome } from '../../roles/issuer/dkg/dkgParticipant.ts'
import { Faucet } from '../../roles/issuer/faucet.ts'
import { startCredentialEngine } from '../node/credentialEngine.ts'
import { openDkgEngine } from '../node/dkgEngine.ts'
import { DEFAULT_PRICE_UNYM, type IssuerConfig, type IssuerPlan, readIssuerPlan } from '../node/issuerConfig.ts'
import { type IssuerServiceOptions, type RunningIssuer, startIssuer } from '../node/issuerService.ts'
import { openConfiguredLedger } from '../node/ledgerConfig.ts'
import { startLedgerIssuer } from '../node/ledgerIssuer.ts'
import { epochsOf, readLedgerEpoch } from '../node/ledgerPlan.ts'
import { EXIT_CODES } from './exitCodes.ts'
import { explainLocked, lockFolder } from './folders.ts'
import { readExistingIssuer } from './issuerCommands.ts'
import { askEpoch, keysText } from './issuerQuestions.ts'
import { type LedgerOptions, openChosenLedger } from './ledgerAccess.ts'
import { listening } from './listening.ts'
import type { Session } from './session.ts'

/** Logs to standard error until Ctrl-C. */
export async function runIssuer(session: Session, folder: string): Promise<number> {
  const { world, screen, interrupted } = session
  const config = await readExistingIssuer(world.files, folder)
  const log = session.logOf(config.name)
  const engine = startCredentialEngine()
  try {
    const parts = { engine, dkgEngine: await openDkgEngine(world), meter: new Meter(), log, signal: interrupted }
    const issuer = await startByConfig(world, config, parts).catch((error: unknown) => {
      throw explainLocked(error, folder, 'Stop it: one issuer is one process.')
    })
    try {
      const { host, port } = issuer.endpoint
      screen.step('issuer', `${config.name}   http://${host}:${port}/v1/ecash`, undefined, {
        event: 'listening',
        http: issuer.endpoint,
      })
      screen.step('plan', config.plan ?? `on the ledger: ${config.ledger?.deployment}`)
      screen.step('stop', 'Ctrl-C')
      issuer.agreed.then(
        (outcome) => showOutcome(session, outcome),
        (error: unknown) => {
          if (!interrupted.aborted) screen.problem('keys', error)
        },
      )
      await session.untilInterrupted()
      log.info('issuer.stopping')
    } finally {
      await issuer.stop()
    }
  } finally {
    await engine.close()
  }
  return 0
}

async function startByConfig(
  world: World,
  config: IssuerConfig,
  parts: Omit<IssuerServiceOptions, 'config' | 'plan'>,
): Promise<RunningIssuer> {
  if (config.ledger !== undefined) {
    const { confirmations } = config.ledger
    return startLedgerIssuer(world, {
      ...parts,
      ...(await openConfiguredLedger(world, config.ledger)),
      config,
      confirmations,
    })
  }
  return startIssuer(world, { ...parts, config, plan: await readIssuerPlan(world.files, config.plan as string) })
}

function showOutcome({ screen }: Session, outcome: DkgOutcome): void {
  for (const { index, as, fault } of outcome.culprits) {
    screen.step('excluded', `number ${index}, as ${as}: ${fault}`, undefined, { event: 'excluded', index, as, fault })
  }
  if (outcome.kind !== 'member') {
    screen.step(
      'keys',
      outcome.kind === 'retired' ? 'handed on: this issuer has none any more' : 'made without this issuer',
      undefined,
      {
        event: 'keys',
        outcome: outcome.kind,
      },
    )
    return
  }
  const { epochId, threshold, members, own } = outcome.keys
  screen.step(
    'keys',
    `${members.length} issuers agreed, any ${threshold} can issue; this is number ${own.index}`,
    undefined,
    {
      event: 'keys',
      outcome: 'member',
      epoch: epochId,
      threshold,
      issuers: members.length,
      index: own.index,
    },
  )
}

/**
 * What the issuers of a plan say, asked one by one; without a file, those of the ledger. 0 where a book can be had: enough of them answer for
 * one epoch.
 */
export async function showIssuerStatus(
  session: Session,
  path: string | undefined,
  options: LedgerOptions = {},
): Promise<number> {
  const { world, screen } = session
  const plan = path === undefined ? await ledgerMembers(session, options) : await readIssuerPlan(world.files, path)
  const answers = await Promise.all(plan.issuers.map(({ url }) => askEpoch(world, url)))
  const saying = new Map<string, number>()
  for (const [i, { index, url }] of plan.issuers.entries()) {
    const answer = answers[i]
    const epoch = isMixnetError(answer) ? undefined : answer
    if (epoch !== undefined) saying.set(keysText(epoch), (saying.get(keysText(epoch)) ?? 0) + 1)
    const text =
      epoch === undefined
        ? 'does not issue'
        : `epoch ${epoch.epochId}, any ${epoch.threshold} of ${epoch.issuers.length}`
    screen.step(`issuer ${index}`, `${url}   ${text}`, undefined, {
      event: 'issuer',
      index,
      url,
      issues: epoch !== undefined,
      ...(epoch === undefined ? {} : { epoch: epoch.epochId, threshold: epoch.threshold }),
    })
  }
  const needed = plan.closed?.threshold
  // Those of two epochs make no book together.
  const alive = Math.max(0, ...saying.values())
  const enough = needed !== undefined && alive >= needed
  screen.step(
    'books',
    enough ? 'can be bought' : `cannot be bought: ${needed ?? 'more than half'} must issue, ${alive} do`,
    undefined,
    {
      event: 'books',
      available: enough,
    },
  )
  return enough ? 0 : EXIT_CODES.network
}

/** The issuers in force; before there are some, those of the newest plan. */
async function ledgerMembers(
  session: Session,
  options: LedgerOptions,
): Promise<Pick<IssuerPlan, 'issuers'> & { readonly closed?: { readonly threshold: number } }> {
  const { ledger } = await openChosenLedger(session, options)
  const { agreed, planned } = await epochsOf(ledger)
  if (planned === 0) {
    const nextStep = 'Governance names them: "starling ledger plan". "starling issuer init" says what it needs of each.'
    throw new MixnetError('ISSUERS_UNAVAILABLE', {}, { message: 'the ledger has no issuers yet', nextStep })
  }
  const { members, threshold } = await readLedgerEpoch(ledger, agreed === 0 ? planned : agreed)
  return { issuers: members, closed: { threshold } }
}

/** `starling issuer faucet`: deposits for nothing, for networks that try things out. Until Ctrl-C. */
export async function runFaucet(
  session: Session,
  folder: string,
  options: { host: string; port: number },
): Promise<number> {
  const { world, screen } = session
  const lock = await lockFolder(world.files, folder, 'Stop it: one faucet has one process.')
  const faucet = new Faucet(world, { folder, priceUnym: DEFAULT_PRICE_UNYM, log: session.logOf('faucet') })
  try {
    const listener = await listening(options.port, '--port', options.host, (endpoint) => faucet.serve(endpoint))
    const { host, port } = listener.endpoint
    screen.step('faucet', `http://${host}:${port}   deposits for nothing`, undefined, {
      event: 'listening',
      http: listener.endpoint,
    })
    screen.step('stop', 'Ctrl-C')
    await session.untilInterrupted()
    await listener.close()
  } finally {
    faucet.close()
    await lock.release()
  }
  return 0
}
