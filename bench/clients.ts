/**
 * `npm run bench:clients`: our client beside the official mix-fetch, each in a page of real Chromium, on one local network.
 *
 *     npm run bench:clients -- [--quick] [--rounds <n>]
 *
 * Both keep Nym's defaults: a packet every 20 ms and a loop every 200 ms on average, 15 ms at each mix node. Both enter by the
 * same gateway and leave by the same exit. mix-fetch tells the exit its address and has no other way; so does ours in the first
 * table. The second is ours by default: the exit learns a pseudonym only, which mix-fetch does not offer.
 *
 * Every visit is a fresh browser with nothing stored, so a fresh identity. The clients take turns, and begin in another order
 * each round. Exits with 1 where a client failed.
 *
 * @module
 */
import { Command, InvalidArgumentError } from 'commander'
import { noChromium } from '../test/browser/chromium.ts'
import { LocalNetwork } from '../test/browser/network.ts'
import { serveClientPages } from './clients/clientPages.ts'
import { comparison } from './clients/comparison.ts'
import { type Contender, type Visit, type VisitPlan, visit } from './clients/visit.ts'
import { formatReport } from './figures.ts'

const DIRECTORY_PORT = 26_800
// mix-fetch's own default of 5 s is for machines with nothing else to do.
const THEIR_TIMEOUT_MS = 60_000
const ATTEMPTS = 2

function wholeNumber(text: string): number {
  if (!/^[1-9]\d?$/.test(text)) throw new InvalidArgumentError('a number from 1 to 99')
  return Number(text)
}

const { quick, rounds = quick ? 1 : 5 } = new Command('npm run bench:clients --')
  .description('Our client beside the official mix-fetch 1.4.4, each in a page of real Chromium.')
  .option('--quick', 'one round, fewer requests, less idle time: for a look, not for a record', false)
  .option('--rounds <n>', 'visits of each kind; 5 where nothing is said', wholeNumber)
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .parse()
  .opts<{ readonly quick: boolean; readonly rounds?: number }>()

const SHORT: VisitPlan = { scheme: 'http', series: 0, batches: 0, idleSeconds: 0 }
const LONG: VisitPlan = quick
  ? { scheme: 'https', series: 20, batches: 2, idleSeconds: 10 }
  : { scheme: 'https', series: 50, batches: 5, idleSeconds: 25 }

interface Visits {
  readonly short: Visit[]
  readonly long: Visit[]
}

const say = (line: string) => process.stderr.write(`  … ${line}\n`)

async function main(): Promise<void> {
  if (noChromium !== false) throw new Error(noChromium)
  const failures: string[] = []
  const network = await LocalNetwork.start(DIRECTORY_PORT)
  try {
    const pages = await serveClientPages()
    try {
      const contenders = contendersOn(network)
      const visits = new Map<Contender, Visits>(contenders.map((one) => [one, { short: [], long: [] }]))
      for (let round = 0; round < rounds; round++) {
        for (const plan of [SHORT, LONG]) {
          for (let i = 0; i < contenders.length; i++) {
            const contender = contenders[(i + round) % contenders.length] as Contender
            say(`round ${round + 1} of ${rounds}: ${contender.name}, ${plan.series === 0 ? 'first response' : 'all'}`)
            const made = await visitOrFail(contender, plan)
            if (made !== undefined) visits.get(contender)?.[plan.series === 0 ? 'short' : 'long'].push(made)
          }
        }
      }
      const [addressed, theirs, anonymous] = contenders.map((one) => visits.get(one)) as [Visits, Visits, Visits]
      print('The same on both sides: the exit learns the address', addressed, theirs)
      print('Ours by default, anonymous to the exit; mix-fetch as above', anonymous, theirs)
      for (const failure of failures) console.log(`  FAILED: ${failure}`)
      if (failures.length > 0) process.exitCode = 1

      async function visitOrFail(contender: Contender, plan: VisitPlan): Promise<Visit | undefined> {
        for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
          try {
            return await visit(contender, pages, plan)
          } catch (error) {
            const failure = `${contender.name}: ${(error as Error).message}`
            failures.push(failure)
            say(failure)
          }
        }
        return undefined
      }
    } finally {
      await pages.close()
    }
  } finally {
    await network.stop()
  }
}

/** Ours as mix-fetch does it, mix-fetch, and ours by default. */
function contendersOn({ directoryUrl, requester, gateways }: LocalNetwork): readonly Contender[] {
  const [gateway] = gateways
  // In the place where mix-fetch has its own: both write their keys to the origin's database.
  const ours = { directory: directoryUrl, gateway, exit: requester, folder: 'bench' }
  return [
    { name: 'ours, address known', folder: 'starling', options: { ...ours, anonymous: false } },
    {
      name: 'mix-fetch 1.4.4',
      folder: 'mixFetch',
      options: {
        nymApiUrl: directoryUrl,
        preferredGateway: gateway,
        preferredNetworkRequester: requester,
        mixFetchOverride: { requestTimeoutMs: THEIR_TIMEOUT_MS },
      },
    },
    { name: 'ours, anonymous', folder: 'starling', options: ours },
  ]
}

function print(title: string, ours: Visits, theirs: Visits): void {
  const figures = comparison({
    short: { ours: ours.short, theirs: theirs.short },
    long: { ours: ours.long, theirs: theirs.long },
  })
  const files = new Set(ours.long.flatMap(({ shipped }) => shipped.files))
  const notes = [
    `Medians of ${ours.long.length} and ${theirs.long.length} visits, in brackets the smallest and the largest; a ratio above 1 is for us.`,
    `Our page loaded ${[...files].join(', ')}.`,
  ]
  console.log(formatReport({ title }, { figures, notes }))
}

await main()
