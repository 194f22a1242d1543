/** What can be typed behind `starling lab`, and what it does: experiments that need no network. @module */
import { join } from 'node:path'
import type { Command } from 'commander'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { millis } from '../../foundation/base/units.ts'
import { performanceLoss, sybilGain } from '../../lab/economy/experiments.ts'
import { simulateYear } from '../../lab/economy/year.ts'
import { checkOptions, DEFAULT_YEAR, EPOCHS_IN_DAY, LIMITS, type YearOptions } from '../../lab/economy/yearOptions.ts'
import { figuresOf, linesOf, yearFiles } from '../../lab/economy/yearReport.ts'
import { formatDecimal, ONE, type Percent, ratio } from '../../protocol/economy/decimal.ts'
import type { RewardedSetParams } from '../../protocol/economy/rewards.ts'
import { setSizes, share, upTo } from './arguments.ts'
import type { Run } from './issuerProgram.ts'
import { showIncome } from './labIncome.ts'
import type { Session } from './session.ts'

interface EconomyOptions {
  readonly seed: string
  readonly epochs: number
  readonly operators: number
  readonly delegators: number
  readonly stake: number
  // Commander writes defaults as JSON, which has neither Decimals nor sizes with slashes: their defaults are filled in here.
  readonly alpha?: Percent
  readonly emission?: Percent
  readonly set?: RewardedSetParams
  readonly out?: string
}

export function defineLab(program: Command, run: Run): void {
  const lab = program.command('lab').description('experiments that need no network: economy, income').helpCommand(false)
  const { rewardedSet: set } = DEFAULT_YEAR
  lab
    .command('economy')
    .description(
      'a year of bonds, delegations and rewards, by the rules of the ledger, on people with simple strategies',
    )
    .addHelpText('before', 'Example: starling lab economy --seed 7 --out year\n')
    .option('--seed <text>', 'what everything random comes from: the same seed, the same year', DEFAULT_YEAR.seed)
    .option('--epochs <hours>', 'an epoch is an hour; 720 are an interval', upTo(LIMITS.epochs), DEFAULT_YEAR.epochs)
    .option('--operators <number>', 'each begins with one node', upTo(LIMITS.operators), DEFAULT_YEAR.operators)
    .option('--delegators <number>', 'with all coins to delegate', upTo(LIMITS.delegators), DEFAULT_YEAR.delegators)
    .option('--stake <NYM>', 'what delegators have, all together', upTo(LIMITS.delegatedNym), DEFAULT_YEAR.delegatedNym)
    .option(
      '--alpha <share>',
      `Sybil resistance: what an own pledge adds to rewards, 0 to 1 (default: ${formatDecimal(DEFAULT_YEAR.sybilResistance)})`,
      share,
    )
    .option(
      '--emission <share>',
      `of the pool, for an interval, 0 to 1 (default: ${formatDecimal(DEFAULT_YEAR.emission)})`,
      share,
    )
    .option(
      '--set <sizes>',
      `drawn each epoch: entry/exit/mix/standby nodes (default: ${set.entryGateways}/${set.exitGateways}/${set.mixnodes}/${set.standby})`,
      setSizes,
    )
    .option('--out <folder>', 'write plots (SVG), figures.json and index.html there (default: nowhere)')
    .addHelpText(
      'after',
      `
Operators   steady, undercutter (of margins), splitter (more nodes when full), lazy, leaver
Delegators  chaser (of returns), loyal, spread, random
Pool, supply and work factor are those of Nym's main network in 2026. What it means for an operator:
docs/guides/operator-income.md`,
    )
    .action((options: EconomyOptions, command: Command) => run(command, (session) => runEconomy(session, options)))
  defineIncome(lab, run)
}

function defineIncome(lab: Command, run: Run): void {
  const nym = upTo(LIMITS.delegatedNym, 0)
  lab
    .command('income')
    .description("what a node would earn, and why not more, with the parameters of Nym's main network in 2026")
    .addHelpText('before', 'Example: starling lab income --pledge 20000 --delegated 200000 --performance 0.98\n')
    .option('--pledge <NYM>', "the operator's own stake", nym, 20_000)
    .option('--delegated <NYM>', 'what all delegators have there', nym, 200_000)
    .option('--cost <NYM>', 'operating cost of an interval, 720 hours', nym, 600)
    .option('--margin <share>', 'profit margin, 0 to 1 (default: 0.2)', share)
    .option('--performance <share>', 'p: routing and configuration, 0 to 1 (default: 1)', share)
    .option('--chance <share>', 'of epochs in which it is drawn, 0 to 1 (default: 1)', share)
    .addHelpText('after', '\nThe formulas in words: docs/guides/operator-income.md')
    .action(({ margin = ratio(20, 100), performance = ONE, chance = ONE, ...options }, command: Command) =>
      run(command, (session) => showIncome(session, { ...options, margin, performance, chance })),
    )
}

/** Interrupted before its result, it has failed; plots are written at the end only, so none is left half. */
async function runEconomy(session: Session, options: EconomyOptions): Promise<number> {
  try {
    return await economy(session, options)
  } catch (error) {
    if (!session.interrupted.aborted || !isMixnetError(error, 'ABORTED')) throw error
    session.screen.step('economy', 'stopped; nothing was written', undefined, { event: 'stopped' })
    return session.interruptedCode
  }
}

async function economy({ world, screen, interrupted }: Session, options: EconomyOptions): Promise<number> {
  const began = world.clock.monotonic()
  const year: YearOptions = {
    seed: options.seed,
    epochs: options.epochs,
    operators: options.operators,
    delegators: options.delegators,
    delegatedNym: options.stake,
    sybilResistance: options.alpha ?? DEFAULT_YEAR.sybilResistance,
    emission: options.emission ?? DEFAULT_YEAR.emission,
    rewardedSet: options.set ?? DEFAULT_YEAR.rewardedSet,
  }
  checkOptions(year)
  // Before a minute of work, not behind it.
  if (options.out !== undefined && (await world.files.kindOf(options.out)) === 'file') {
    throw new MixnetError('FILE_UNUSABLE', { path: options.out }, { message: 'a file is in the way' })
  }
  const turn = async () => {
    await new Promise<void>((resolve) => world.clock.after(millis(0), resolve))
    if (interrupted.aborted) throw new MixnetError('ABORTED')
  }
  const { epochs, operators, delegators, seed } = year
  screen.step(
    'economy',
    `${epochs} epochs, ${operators} operators, ${delegators} delegators, seed ${seed}`,
    undefined,
    {
      event: 'start',
      epochs,
      operators,
      delegators,
      seed,
    },
  )
  const running = simulateYear(year)
  let step = running.next()
  while (step.done !== true) {
    const percent = Math.floor((step.value / year.epochs) * 100)
    screen.progress(
      'economy',
      `day ${step.value / EPOCHS_IN_DAY} of ${Math.ceil(year.epochs / EPOCHS_IN_DAY)}, ${percent} %`,
    )
    await turn()
    step = running.next()
  }
  screen.progress('economy', 'what one more node would earn')
  await turn()
  const performance = performanceLoss(year, step.value.lastMarket)
  await turn()
  const study = { year: step.value, performance, sybil: sybilGain(year, step.value.lastMarket) }
  const figures = figuresOf(study)
  for (const [label, text] of linesOf(figures)) screen.step(label, text)
  if (options.out !== undefined) {
    const { out } = options
    for (const [name, contents] of yearFiles(study, typed(year))) await world.files.write(join(out, name), contents)
    screen.step('plots', join(out, 'index.html'))
  }
  const took = world.clock.monotonic() - began
  screen.step('done', `${epochs} epochs, seed ${seed}`, took, {
    event: 'economy',
    ...figures,
    ...(options.out === undefined ? {} : { folder: options.out }),
  })
  return 0
}

/** The command again, for the page: only what is not the default. */
function typed(year: YearOptions): string {
  const words = (of: YearOptions) => ({
    epochs: of.epochs,
    operators: of.operators,
    delegators: of.delegators,
    stake: of.delegatedNym,
    alpha: formatDecimal(of.sybilResistance),
    emission: formatDecimal(of.emission),
    set: Object.values(of.rewardedSet).join('/'),
  })
  const usual = new Map(Object.entries(words(DEFAULT_YEAR)))
  const changed = Object.entries(words(year)).filter(([name, value]) => value !== usual.get(name))
  const seed = /^[\w.-]+$/.test(year.seed) ? year.seed : `'${year.seed.replaceAll("'", "'\\''")}'`
  return ['starling lab economy --seed', seed, ...changed.map(([name, value]) => `--${name} ${value}`)].join(' ')
}
