/**
 * Ours on mcl beside the official crate and beside ours on noble. All take turns within every round; ratios are taken per round,
 * and all times are CPU times. What serves a whole epoch is made beforehand and not timed: tables of multiples, decoded keys and
 * lists. The crate makes no tables. Its payments are of the version that binds indices, like ours.
 *
 * What limits us, by profile. A payment in a batch takes 13.6 ms: 4.3 to open thirteen points, two thirds of that to see that they
 * are of the subgroup; 5.7 for the proof, half of it in eight multiplications of points that nobody has seen before; 3.7 for the
 * pairings, nearly all Miller loops. Weighting the subgroup checks together would not be sound: both curves have points of small
 * order, which a random sum misses once in three. Unblinding is a product of two pairings for two thirds, which mcl does in
 * 4.3 ms and noble in 20: that alone keeps it below seven times noble. @module
 */
import { loadMclBls } from '../../src/foundation/crypto/mclBls.ts'
import { nobleBls } from '../../src/foundation/crypto/nobleBls.ts'
import { cpuTimeOf } from '../cpuTime.ts'
import { type Figure, ratios, type Subject, spread } from '../figures.ts'
import { OfficialCrate } from '../officialCrate.ts'
import { BATCH, makeClaims, type Operation, operationsOf } from './operations.ts'

interface Row {
  readonly name: string
  /** In one call. */
  readonly tickets?: number
  /** How often in a round, unless it is a batch: until it takes some tens of milliseconds. */
  readonly repeats?: number
  /** What the crate does instead. */
  readonly peer?: Operation
  /** How many times as fast as the crate it shall be. */
  readonly goal?: number
}

const ROWS: Readonly<Record<Operation, Row>> = {
  withdrawal: { name: 'request a book' },
  issue: { name: 'check the request and issue', goal: 1 },
  unblind: { name: 'unblind and verify one share', goal: 1 },
  spend: { name: 'spend one ticket', goal: 1.4 },
  verify: { name: 'decode and verify one', goal: 1.4 },
  batch: { name: `decode and verify ${BATCH}, each`, tickets: BATCH, peer: 'verify', goal: 2.5 },
  identify: { name: 'identify a double spender', repeats: 50 },
}
const NOBLE_GOAL = 7
const REPEATS = 4
/** Until the tables are made. */
const WARM_UP = 100

export const speed: Subject = {
  name: 'speed',
  title: 'Credentials, three of five issuers, payments of one ticket with its index bound, one core',
  async run({ quick, say }) {
    const { program, notes } = await OfficialCrate.build('ecash', say)
    try {
      const mcl = await loadMclBls()
      const claims = makeClaims(mcl, BATCH)
      say('preparing')
      const ours = operationsOf(mcl, claims)
      const reference = operationsOf(nobleBls, claims)
      const figures: Figure[] = []
      for (const operation of Object.keys(ROWS) as Operation[]) {
        say(operation)
        const rounds = { crate: quick ? 5 : 21, noble: quick ? 1 : 3 }
        figures.push(...(await measure(operation, ours[operation], reference[operation], program, rounds)))
      }
      return { figures, notes }
    } finally {
      program?.stop()
    }
  },
}

async function measure(
  operation: Operation,
  ours: () => void,
  reference: () => void,
  official: OfficialCrate | undefined,
  rounds: { readonly crate: number; readonly noble: number },
): Promise<Figure[]> {
  const { name, tickets = 1, repeats = tickets === 1 ? REPEATS : 1, peer = operation, goal } = ROWS[operation]
  const milliseconds = (task: () => void, count: number): number => cpuTimeOf(task, count) / tickets / 1000
  cpuTimeOf(ours, tickets === 1 ? WARM_UP : 1)
  if (tickets === 1) cpuTimeOf(reference, REPEATS)
  await official?.time(peer, repeats)

  const taken = { ours: [] as number[], crate: [] as number[], noble: [] as number[], besideNoble: [] as number[] }
  for (let round = 0; round < rounds.crate; round++) {
    const own = milliseconds(ours, repeats)
    taken.ours.push(own)
    if (official) taken.crate.push((await official.time(peer, Math.max(repeats, REPEATS))) / 1000)
    if (round < rounds.noble) {
      taken.noble.push(milliseconds(reference, 1))
      taken.besideNoble.push(own)
    }
  }
  const figure = (reference: string, theirs: readonly number[], own: readonly number[], atLeast?: number): Figure => ({
    name,
    unit: 'ms',
    measured: spread(own),
    reference: { name: reference, value: spread(theirs) },
    ratio: ratios(theirs, own),
    ...(atLeast === undefined ? {} : { goal: { of: 'ratio', atLeast } }),
  })
  return [
    ...(official ? [figure('official crate', taken.crate, taken.ours, goal)] : []),
    figure('noble', taken.noble, taken.besideNoble, NOBLE_GOAL),
  ]
}
