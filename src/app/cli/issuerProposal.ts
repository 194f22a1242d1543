/** `starling ledger plan`: governance names the issuers, first to the timelock and, when that has waited, to the contract. @module */
import { z } from 'zod'
import { fromBase58, toBase58 } from '../../foundation/base/base58.ts'
import { equalBytes, fromHex, toHex } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError, tryDecode } from '../../foundation/base/errors.ts'
import { type Millis, millis } from '../../foundation/base/units.ts'
import type { Address, Hex } from '../../network/ledger/chain.ts'
import { type Proposal, proposalOf, readProposal } from '../../network/ledger/proposals.ts'
import { formatRfc3339, parseRfc3339 } from '../../protocol/wire/timestamp.ts'
import { readConfigFile } from '../node/configFile.ts'
import { lowestThreshold } from '../node/issuerConfig.ts'
import { epochsOf, type LedgerEpoch, readLedgerEpoch } from '../node/ledgerPlan.ts'
import { durationText } from './epochText.ts'
import { EXIT_CODES } from './exitCodes.ts'
import { carryOut, type Hand, type HandOptions, openHand } from './ledgerWrites.ts'
import type { Session } from './session.ts'

interface Member {
  readonly owner: Address
  /** Ed25519. */
  readonly identity: Uint8Array
  readonly url: string
}

interface PlanFile {
  readonly threshold: number
  readonly startsAt: Millis
  readonly phaseSeconds: number
  /** In the order of their numbers; undefined where nobody has that number now. */
  readonly members: readonly (Member | undefined)[]
}

const MAX_ISSUERS = 100
const MAX_PHASE_SECONDS = 30 * 86_400
const KEY_BYTES = 32
const NOBODY: { readonly owner: Address; readonly identityKey: Hex; readonly url: string } = {
  owner: `0x${'00'.repeat(20)}`,
  identityKey: `0x${'00'.repeat(32)}`,
  url: '',
}
/** A plan that was given up is made again with another time in it: nothing else tells two apart. */
const SALT: Hex = `0x${'00'.repeat(32)}`

const identity = z.string().transform((text, context): Uint8Array => {
  const bytes = tryDecode(() => (text.startsWith('0x') ? fromHex(text.slice(2)) : fromBase58(text, 'identity')))
  if (!isMixnetError(bytes) && bytes.length === KEY_BYTES) return bytes
  context.addIssue({ code: 'custom', message: 'must be an Ed25519 key, in base58 or as 0x and 64 digits' })
  return z.NEVER
})
const instant = z.string().transform((text, context): Millis => {
  const parsed = parseRfc3339(text)
  if (parsed !== undefined) return parsed
  context.addIssue({ code: 'custom', message: 'must be a time like "2026-12-01T12:00:00Z"' })
  return z.NEVER
})
const member = z.union(
  [
    z.strictObject({
      owner: z.custom<Address>((value) => typeof value === 'string' && /^0x[0-9a-fA-F]{40}$/.test(value)),
      identity,
      url: z
        .url({ protocol: /^https?$/ })
        .max(255)
        .refine((text) => !text.endsWith('/')),
    }),
    z.strictObject({ vacant: z.literal(true) }),
  ],
  { error: 'must have owner (0x and 40 digits), identity and url (no slash at its end), or be { vacant = true }' },
)

const schema: z.ZodType<PlanFile, unknown> = z
  .strictObject({
    threshold: z.number().int().min(1).max(MAX_ISSUERS),
    starts_at: instant,
    phase_seconds: z.number().int().min(1).max(MAX_PHASE_SECONDS).default(600),
    issuers: z.array(member).min(1).max(MAX_ISSUERS),
  })
  .transform(
    ({ threshold, starts_at, phase_seconds, issuers }): PlanFile => ({
      threshold,
      startsAt: starts_at,
      phaseSeconds: phase_seconds,
      members: issuers.map((one) => ('vacant' in one ? undefined : one)),
    }),
  )

/**
 * Does the next step with that file: proposes it, and when the delay is over executes it; where there is no delay both. The exit code: 3
 * while it waits. Throws CONFIG_INVALID, and BAD_ARGUMENT of a plan that the contract or the issuers would refuse.
 */
export async function planIssuers(session: Session, path: string, options: HandOptions): Promise<number> {
  const plan = await readConfigFile(session.world.files, path, schema)
  const hand = await openHand(session, options)
  const { agreed } = await epochsOf(hand.ledger)
  expectPossible(path, plan, agreed === 0 ? undefined : await readLedgerEpoch(hand.ledger, agreed))
  const proposal = proposalOf(hand.ledger, { contract: 'issuers', fn: 'plan', args: argumentsOf(plan) }, SALT)
  const { state } = await readProposal(hand.ledger, proposal)
  if (state === 'unknown') {
    const code = await propose(hand, path, plan, proposal)
    if (code !== 0 || (await readProposal(hand.ledger, proposal)).state === 'unknown') return code
  }
  return execute(hand, path, plan, proposal)
}

async function propose(hand: Hand, path: string, plan: PlanFile, proposal: Proposal): Promise<number> {
  const { delay } = await readProposal(hand.ledger, proposal)
  expectTime(path, plan, millis((await timeOf(hand)) + delay * 1000))
  return carryOut(hand, {
    contract: 'timelock',
    fn: 'schedule',
    args: [...proposal, BigInt(delay)],
    effects: [
      ...linesOf(plan),
      ['proposal', delay === 0 ? 'of the timelock, which executes it at once' : `waits ${durationText(delay)} there`],
    ],
    done: () => ({ text: 'proposed', event: { startsAt: formatRfc3339(plan.startsAt) } }),
    look: `starling ledger plan ${path}`,
  })
}

async function execute(hand: Hand, path: string, plan: PlanFile, proposal: Proposal): Promise<number> {
  const { session, ledger } = hand
  const { screen } = session
  const { state, readyAt } = await readProposal(ledger, proposal)
  if (state === 'done') {
    screen.step('plan', 'executed already: starling issuer status', undefined, { event: 'proposal', state })
    return 0
  }
  if (state !== 'ready') {
    const ready = formatRfc3339(millis(readyAt * 1000))
    const text = `proposed; from ${ready} on the same command executes it, and anybody may`
    screen.step('waits', text, undefined, { event: 'proposal', state, readyAt: ready })
    return EXIT_CODES.network
  }
  expectTime(path, plan, await timeOf(hand))
  return carryOut(hand, {
    contract: 'timelock',
    fn: 'execute',
    args: proposal,
    effects: [...linesOf(plan), ['now', 'the contract has it; the issuers make their keys when it begins']],
    done: () => ({ text: 'planned; see starling issuer status', event: { state: 'done' } }),
    look: `starling ledger plan ${path}`,
  })
}

/** The contracts go by that of blocks, which may be ahead of ours, and behind where none was made for a while. */
async function timeOf({ session, ledger }: Hand): Promise<Millis> {
  return millis(Math.max((await ledger.block()).time * 1000, session.world.clock.now()))
}

function argumentsOf({ members, threshold, startsAt, phaseSeconds }: PlanFile): readonly unknown[] {
  const all = members.map((one) =>
    one === undefined ? NOBODY : { owner: one.owner, identityKey: `0x${toHex(one.identity)}`, url: one.url },
  )
  return [all, threshold, BigInt(Math.floor(startsAt / 1000)), phaseSeconds]
}

function linesOf({ members, threshold, startsAt, phaseSeconds }: PlanFile): (readonly [string, string])[] {
  const present = members.filter((one) => one !== undefined).length
  return [
    ['issuers', `${present}, of whom any ${threshold} can issue; fewer can neither issue nor learn the key`],
    ...members.map((one, i): readonly [string, string] => [
      `number ${i + 1}`,
      one === undefined ? 'nobody' : `${one.url}   ${toBase58(one.identity)}   pays as ${one.owner}`,
    ]),
    ['begins', `${formatRfc3339(startsAt)}; who is silent for ${durationText(phaseSeconds)} is left out`],
  ]
}

/** Of those who issue now. What the contract cannot know: who remembers which deposits were used, and whose share is which. */
function expectPossible(path: string, { members, threshold }: PlanFile, before: LedgerEpoch | undefined): void {
  const issuers = members.flatMap((one, i) => (one === undefined ? [] : [{ ...one, index: i + 1 }]))
  const refuse = (message: string, nextStep: string): never => {
    throw new MixnetError('BAD_ARGUMENT', { plan: path }, { message, nextStep })
  }
  for (const [i, one] of issuers.entries()) {
    const twin = issuers
      .slice(0, i)
      .find(
        ({ owner, identity: key }) => owner.toLowerCase() === one.owner.toLowerCase() || equalBytes(key, one.identity),
      )
    if (twin !== undefined)
      refuse(`numbers ${twin.index} and ${one.index} are one`, 'Give each an owner and an identity of its own.')
    const known = before?.members.find(({ identity: key }) => equalBytes(key, one.identity))
    if (known !== undefined && known.index !== one.index) {
      refuse(
        `number ${one.index} is number ${known.index} now`,
        'Who stays keeps the number; put { vacant = true } where nobody is.',
      )
    }
  }
  const lowest = lowestThreshold({ issuers, ...(before === undefined ? {} : { previous: before }) })
  if (threshold > issuers.length || threshold < lowest) {
    refuse(
      'the threshold does not fit',
      lowest > issuers.length
        ? 'Too few of them know which deposits were used. Let fewer go and come at once.'
        : `Of these ${issuers.length} issuers at least ${lowest} must sign, or some could make books that nobody paid for.`,
    )
  }
}

function expectTime(path: string, { startsAt }: PlanFile, earliest: Millis): void {
  if (startsAt >= earliest) return
  const nextStep = `Give starts_at in ${path} as ${formatRfc3339(millis(Math.ceil(earliest / 1000) * 1000))} or later, with time for you to execute it.`
  throw new MixnetError(
    'BAD_ARGUMENT',
    { starts_at: formatRfc3339(startsAt) },
    { message: 'the plan would begin before it can be executed', nextStep },
  )
}
