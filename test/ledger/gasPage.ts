/** What docs/spec/gas.md says between its markers, made of vectors/gas.json. @module */
import type { GasRecord } from './gasActions.ts'

const BEGIN = '<!-- of vectors/gas.json: npm run gas -->'
const END = '<!-- end -->'
/** Of the default batches of the driver. */
const BATCH = 200
const MONITORS = 3
const NODES_IN_WORD = 32
const EPOCHS_A_DAY = 24
const GWEI_PRICES = [0.01, 1, 20] as const
const GWEI_IN_COIN = 1e9
/** As those of a measured network (bench/ledger.ts). */
const CANDIDATES_OF = [
  [60, 75],
  [240, 300],
  [1000, 1250],
] as const

/** The page with its tables as they should be. Throws where it has no markers. */
export function withTables(page: string, record: GasRecord): string {
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (from < 0 || to < from) throw new Error('docs/spec/gas.md has lost its markers')
  return `${page.slice(0, from)}${BEGIN}\n${tables(record)}\n${page.slice(to)}`
}

function tables(record: GasRecord): string {
  return [
    '### An epoch',
    '',
    ...table(
      [
        'rewarded nodes',
        'bonded',
        'the driver',
        'each monitor',
        'all of it',
        ...GWEI_PRICES.map((p) => `at ${p} gwei`),
      ],
      CANDIDATES_OF.map(([rewarded, bonded]) => {
        const [driver, monitor] = [driverGas(record, rewarded, bonded), monitorGas(record, bonded)]
        const all = driver + MONITORS * monitor
        return [
          ...[rewarded, bonded, driver, monitor, all].map(shown),
          ...GWEI_PRICES.map((price) => coins(all, price)),
        ]
      }),
    ),
    '',
    '### What each party pays',
    '',
    ...table(
      ['who', 'when', 'gas', ...GWEI_PRICES.map((p) => `at ${p} gwei`)],
      parties(record).map(([who, when, gas]) => [
        who,
        when,
        shown(gas),
        ...GWEI_PRICES.map((price) => coins(gas, price)),
      ]),
    ),
    '',
    '### Each action',
    '',
    ...table(
      ['action', 'gas'],
      Object.entries(record).map(([name, gas]) => [name, shown(gas)]),
    ),
  ].join('\n')
}

const of = (record: GasRecord, name: string): number => {
  const gas = record[name]
  if (gas === undefined) throw new Error(`vectors/gas.json does not have: ${name}`)
  return gas
}

/** Without events, which those pay for that made them. */
function driverGas(record: GasRecord, rewarded: number, bonded: number): number {
  const words = Math.ceil((bonded + 1) / NODES_IN_WORD)
  const [node, candidate] = [of(record, 'reward, each node, again'), of(record, 'draw, each candidate, again')]
  const rewardCall = of(record, 'mixnet.rewardNodes of 1, again') - node
  const drawCall = of(record, 'rewardedSet.draw of 1, again') - candidate
  const last = of(record, 'rewardedSet.draw, the last call, a set of 30, again') - candidate
  return (
    of(record, 'performance.settle, the last call, 3 reports') +
    (words - 1) * of(record, 'settle, each word of 3 reports') +
    of(record, 'mixnet.beginEpochTransition') +
    Math.ceil(rewarded / BATCH) * rewardCall +
    rewarded * node +
    of(record, 'mixnet.reconcileEpochEvents, of nothing') +
    (Math.ceil(bonded / BATCH) - 1) * drawCall +
    bonded * candidate +
    last
  )
}

function monitorGas(record: GasRecord, bonded: number): number {
  const words = Math.ceil((bonded + 1) / NODES_IN_WORD)
  const reveal =
    of(record, 'performance.reveal, two words, again') + (words - 2) * of(record, 'reveal, each word, again')
  return of(record, 'performance.commit, again') + reveal
}

function parties(record: GasRecord): readonly (readonly [string, string, number])[] {
  const gas = (...names: readonly string[]): number => names.reduce((sum, name) => sum + of(record, name), 0)
  const perDay = EPOCHS_A_DAY
  return [
    ['whoever founds a network', 'once', gas(...Object.keys(record).filter((name) => name.startsWith('deploy ')))],
    [
      'a node',
      'once',
      gas('token.approve', 'mixnet.bond', 'announcements.setAnnouncer', 'announcements.announce, the first'),
    ],
    ['a node', 'a day: two announcements a key rotation', 2 * gas('announcements.announce')],
    ['a node', 'to take its reward', gas('mixnet.withdrawOperatorReward')],
    ['a node', 'to leave', gas('mixnet.unbond', 'mixnet.claim')],
    ['a delegator', 'to delegate', gas('token.approve', 'mixnet.delegate')],
    ['a delegator', 'to take its reward', gas('mixnet.withdrawDelegatorReward')],
    ['a delegator', 'to leave', gas('mixnet.undelegate', 'mixnet.claim')],
    ['a monitor of 300 nodes', 'a day', perDay * monitorGas(record, 300)],
    ['who drives the epochs of 300 nodes', 'a day', perDay * driverGas(record, 240, 300)],
    ['a client', 'a ticket book', gas('token.approve', 'ecash.deposit')],
    [
      'a gateway',
      'a batch of tickets, 7 votes',
      gas('ecash.redeem, two votes') + 5 * gas('ecash.redeem, each further vote'),
    ],
    ['a gateway', 'to take what it earned', gas('ecash.withdrawEarnings')],
  ]
}

const shown = (gas: number): string => gas.toLocaleString('en-US')
const coins = (gas: number, gwei: number): string => Number(((gas * gwei) / GWEI_IN_COIN).toPrecision(2)).toString()

function table(heading: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(heading), line(heading.map(() => '---')), ...rows.map(line)]
}
