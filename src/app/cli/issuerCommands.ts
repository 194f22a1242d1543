/** `starling issuer init` and `plan`: who issues, and when they make their keys. Running is in issuerRunning.ts. @module */
import { basename, dirname, isAbsolute, relative, resolve } from 'node:path'
import { toBase58 } from '../../foundation/base/base58.ts'
import { equalBytes, toHex } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { millis, seconds } from '../../foundation/base/units.ts'
import type { Files } from '../../foundation/platform/files.ts'
import type { World } from '../../foundation/platform/world.ts'
import { openNamedLedger } from '../../network/ledger/namedLedger.ts'
import { newKey } from '../../network/ledger/signers.ts'
import type { CredentialEpoch } from '../../protocol/wire/issuer/credentialEpoch.ts'
import { formatRfc3339 } from '../../protocol/wire/timestamp.ts'
import { startCredentialEngine } from '../node/credentialEngine.ts'
import {
  checkIssuerConfig,
  DEFAULT_PRICE_UNYM,
  expectClosed,
  formatIssuerConfig,
  formatIssuerPlan,
  type IssuerConfig,
  type IssuerPlan,
  lowestThreshold,
  readIssuerConfig,
  readIssuerPlan,
} from '../node/issuerConfig.ts'
import { loadOrCreateIssuerKey } from '../node/issuerKey.ts'
import { askEpoch, keysText } from './issuerQuestions.ts'
import { explainFileError } from './problems.ts'
import type { Session } from './session.ts'

export interface IssuerInitOptions {
  readonly url: string
  readonly host: string
  readonly port: number
  readonly plan: string
  readonly faucet?: string
  readonly name?: string
  /** Then there is no file of a plan. */
  readonly rpc?: readonly string[]
  readonly deployment?: string
  readonly key?: string
  readonly confirmations?: number
}

export interface IssuerPlanOptions {
  readonly threshold: number
  readonly startsIn: number
  readonly phaseLimit: number
}

export interface HandOnOptions {
  /** An issuer of the epoch before. */
  readonly from: string
  /** Its plan. */
  readonly plan: string
}

const configPath = (folder: string): string => `${folder}/issuer.toml`

/** Makes an issuer, and puts it into the plan; the first one makes the plan. */
export async function initIssuer(session: Session, folder: string, options: IssuerInitOptions): Promise<number> {
  const { world, screen } = session
  const { files } = world
  const path = configPath(folder)
  if ((await files.read(path)) !== undefined) {
    throw new MixnetError(
      'BAD_ARGUMENT',
      { folder },
      {
        message: 'there is an issuer already',
        nextStep: `Run it: starling issuer run ${folder}. Its settings: ${path}`,
      },
    )
  }
  if (options.rpc !== undefined) return initLedgerIssuer(session, folder, options, options.rpc)
  const plan = await openPlan(files, options)
  if (plan.closed !== undefined) {
    const nextStep = 'Who joins issuers that have keys already is in the plan of the next epoch: make another file.'
    throw new MixnetError('BAD_ARGUMENT', { '--plan': options.plan }, { message: 'the plan is closed', nextStep })
  }
  const config = checkIssuerConfig(
    {
      name: options.name ?? basename(resolve(folder)),
      listen: { host: options.host, port: options.port },
      data: '.',
      plan: relative(resolve(folder), resolve(options.plan)),
    },
    'the command line',
  )
  const key = await loadOrCreateIssuerKey(world, folder).catch((error: unknown) => {
    throw explainFileError(error)
  })
  const joined = join(plan, { identity: key.identity, url: options.url })
  await files.write(options.plan, formatIssuerPlan(joined))
  await files.write(path, formatIssuerConfig(config))
  const identity = toBase58(key.identity)
  const index = joined.issuers.at(-1)?.index
  screen.step('issuer', `${config.name}   number ${index} of ${options.plan}   ${options.url}`, undefined, {
    event: 'issuer',
    identity,
    index,
    config: path,
    plan: options.plan,
  })
  screen.line(`\n  When all are in   starling issuer plan ${options.plan} --threshold N`)
  screen.line(`  Then run each     starling issuer run ${folder}`)
  return 0
}

/** Makes an issuer whose plan is the ledger's, and says what governance has to be told of it. */
async function initLedgerIssuer(
  { world, screen }: Session,
  folder: string,
  options: IssuerInitOptions,
  rpc: readonly string[],
): Promise<number> {
  const { files } = world
  const { deployment, key: keyPath = `${folder}/account.key` } = options
  if (deployment === undefined) {
    const nextStep = 'Say where the file is that "starling ledger deploy" wrote: --deployment FILE.'
    throw new MixnetError('BAD_ARGUMENT', { '--deployment': '' }, { message: 'no ledger was named', nextStep })
  }
  const beside = (path: string): string => relative(resolve(folder), resolve(path))
  const config = checkIssuerConfig(
    {
      name: options.name ?? basename(resolve(folder)),
      listen: { host: options.host, port: options.port },
      data: '.',
      ledger: {
        rpc,
        deployment: beside(deployment),
        key: beside(keyPath),
        ...(options.confirmations === undefined ? {} : { confirmations: options.confirmations }),
      },
    },
    'the command line',
  )
  const identity = await loadOrCreateIssuerKey(world, folder).catch((error: unknown) => {
    throw explainFileError(error)
  })
  if ((await files.kindOf(keyPath)) === undefined) {
    await files.write(keyPath, newKey(world.random).expose(), { secret: true })
  }
  const { account } = await openNamedLedger(world, { rpc, deployment, key: keyPath })
  await files.write(configPath(folder), formatIssuerConfig(config))
  const identityKey = `0x${toHex(identity.identity)}`
  screen.step('issuer', `${config.name}   ${options.url}`, undefined, {
    event: 'issuer',
    identity: toBase58(identity.identity),
    identityKey,
    owner: account.address,
    url: options.url,
    config: configPath(folder),
  })
  screen.line('\n  Governance names it        starling ledger plan FILE, where the file has')
  screen.line('    [[issuers]]')
  screen.line(`    owner = "${account.address}"`)
  screen.line(`    identity = "${toBase58(identity.identity)}"`)
  screen.line(`    url = "${options.url}"`)
  screen.line("\n  The owner needs some of the chain's coin for fees: its key is in")
  screen.line(`    ${keyPath}`)
  screen.line(`\n  Run it                     starling issuer run ${folder}`)
  return 0
}

/** Closes a plan: how many of its issuers a book needs, and when they begin to make their keys. */
export async function closePlan({ world, screen }: Session, path: string, options: IssuerPlanOptions): Promise<number> {
  const { files, clock } = world
  const plan = await readIssuerPlan(files, path)
  const { issuers } = plan
  if (plan.closed !== undefined) {
    const nextStep = `Keys are made from it at ${formatRfc3339(plan.closed.startsAt)}: starling issuer run FOLDER.`
    throw new MixnetError('BAD_ARGUMENT', { plan: path }, { message: 'the plan is closed already', nextStep })
  }
  const { threshold } = options
  const lowest = lowestThreshold(plan)
  if (threshold > issuers.length || threshold < lowest) {
    const nextStep =
      lowest > issuers.length
        ? 'Too few of them know which deposits were used. Let fewer go and come at once.'
        : `Of these ${issuers.length} issuers at least ${lowest} must sign, or some could make books that nobody paid for.`
    throw new MixnetError(
      'BAD_ARGUMENT',
      { '--threshold': threshold },
      { message: 'the threshold does not fit', nextStep },
    )
  }
  const startsAt = millis(Math.ceil(clock.now() / 1000) * 1000 + seconds(options.startsIn))
  const closed = { threshold, startsAt, phaseLimitSeconds: options.phaseLimit }
  await files.write(path, formatIssuerPlan({ ...plan, board: relativeBoard(path, plan), closed }))
  screen.step(
    'plan',
    `any ${threshold} of ${issuers.length} issue; they make their keys at ${formatRfc3339(startsAt)}`,
    undefined,
    {
      event: 'plan',
      plan: path,
      threshold,
      issuers: issuers.length,
      startsAt: formatRfc3339(startsAt),
    },
  )
  screen.line('\n  Run all of them by then   starling issuer run FOLDER')
  return 0
}

/** The plan of the next epoch: the same key in other hands. It begins with those who have it; `init` adds others, an editor removes. */
export async function handOn(
  { world, screen }: Session,
  path: string,
  { from, plan: before }: HandOnOptions,
): Promise<number> {
  const { files } = world
  if ((await files.kindOf(path)) !== undefined) {
    const nextStep = 'Choose a file that is not there yet: nothing is written over.'
    throw new MixnetError('BAD_ARGUMENT', { plan: path }, { message: 'the file exists', nextStep })
  }
  const old = await readIssuerPlan(files, before)
  const epoch = await agreedEpoch(world, from, old, expectClosed(old, before).threshold)
  const engine = startCredentialEngine()
  const masterKey = await engine.aggregateKeys(epoch.issuers.slice(0, epoch.threshold)).finally(() => engine.close())
  const { epochId, threshold, issuers } = epoch
  await files.write(
    path,
    formatIssuerPlan({
      network: old.network,
      epoch: epochId + 1,
      issuers: issuers.map(({ index, identity, url }) => ({ index, identity, url })),
      board: `${basename(path, '.toml')}-board.log`,
      priceUnym: old.priceUnym,
      faucet: old.faucet,
      previous: { epochId, threshold, masterKey, members: issuers },
    }),
  )
  screen.step('plan', `${path}   epoch ${epochId + 1}, with the key of epoch ${epochId}`, undefined, {
    event: 'plan',
    plan: path,
    epoch: epochId + 1,
  })
  screen.line(`\n  Who joins   starling issuer init FOLDER --url URL --plan ${path}`)
  screen.line(`  Who leaves  remove its entry under [[issuers]] in ${path}; it runs on until the key is handed on`)
  screen.line(
    `  Then        starling issuer plan ${path} --threshold N, and in each issuer.toml: plan = "${isAbsolute(path) ? path : `../${path}`}"`,
  )
  return 0
}

/**
 * What that issuer says, where t of the plan say the same: whoever writes down the key that is handed on decides who can make books, and
 * one issuer must not.
 */
async function agreedEpoch(world: World, from: string, plan: IssuerPlan, threshold: number): Promise<CredentialEpoch> {
  const [epoch, ...others] = await Promise.all(
    [from, ...plan.issuers.map(({ url }) => url)].map((url) => askEpoch(world, url)),
  )
  if (epoch === undefined || isMixnetError(epoch)) throw epoch
  const said = keysText(epoch)
  const agreeing = others.filter((one) => !isMixnetError(one) && keysText(one) === said).length
  if (agreeing >= threshold && epoch.epochId === plan.epoch && epoch.threshold === threshold) return epoch
  throw new MixnetError(
    'ISSUERS_UNAVAILABLE',
    { agreeing, needed: threshold, epoch: epoch.epochId, plan: plan.epoch },
    {
      message: 'the issuers of the plan do not say what that one says',
      nextStep:
        'See that they run (starling issuer status), that the plan is of this epoch, and ask another: --from URL.',
    },
  )
}

async function openPlan(files: Files, { plan: path, faucet }: IssuerInitOptions): Promise<IssuerPlan> {
  if ((await files.read(path)) !== undefined) {
    const plan = await readIssuerPlan(files, path)
    return { ...plan, board: relativeBoard(path, plan) }
  }
  if (faucet === undefined) {
    const nextStep = 'The first issuer makes the plan: say where deposits are made, --faucet http://HOST:PORT.'
    throw new MixnetError('BAD_ARGUMENT', { '--plan': path }, { message: 'there is no such plan', nextStep })
  }
  return {
    network: basename(resolve(path), '.toml'),
    epoch: 0,
    issuers: [],
    board: 'board.log',
    priceUnym: DEFAULT_PRICE_UNYM,
    faucet,
  }
}

const relativeBoard = (path: string, { board }: IssuerPlan): string => relative(dirname(resolve(path)), resolve(board))

function join(plan: IssuerPlan, { identity, url }: { identity: Uint8Array; url: string }): IssuerPlan {
  const taken = plan.issuers.find((one) => one.url === url || equalBytes(one.identity, identity))
  if (taken !== undefined) {
    const nextStep = `Number ${taken.index} of the plan has this address. Every issuer has one of its own.`
    throw new MixnetError('BAD_ARGUMENT', { '--url': url }, { message: 'the plan has it', nextStep })
  }
  const index = Math.max(0, ...plan.issuers.map((one) => one.index)) + 1
  return { ...plan, issuers: [...plan.issuers, { index, identity, url }] }
}

/** Throws BAD_ARGUMENT where `init` never made one there, CONFIG_INVALID. */
export async function readExistingIssuer(files: Files, folder: string): Promise<IssuerConfig> {
  if ((await files.read(configPath(folder))) !== undefined) return readIssuerConfig(files, configPath(folder))
  const nextStep = `Make one: starling issuer init ${folder} (see starling issuer init --help)`
  throw new MixnetError('BAD_ARGUMENT', { folder }, { message: 'there is no issuer', nextStep })
}
