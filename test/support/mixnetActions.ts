/**
 * What may happen to a mixnet, as plain data, so that a history can be generated, made shorter and printed. Numbers only choose: which
 * person, node or amount they mean depends on what there is when their turn comes. @module
 */
import fc from 'fast-check'

export const PEOPLE = 7
export const ACTIONS = 200

interface ByWhom {
  readonly who: number
}

interface OfNode extends ByWhom {
  /** Of all ids that were given, and one more. */
  readonly node: number
}

interface Costly extends ByWhom {
  readonly margin: number
  readonly cost: number
}

/** The set of the next epoch: of each id in turn, over and over: 0 not in it, 1 on standby, else active. */
type Roles = readonly number[]

export type Action =
  | (Costly & { readonly do: 'bond'; readonly amount: number; readonly key: number; readonly signed: boolean })
  | (ByWhom & { readonly do: 'pledgeMore' | 'decreasePledge'; readonly amount: number })
  | (Costly & { readonly do: 'costs' })
  | (ByWhom & { readonly do: 'host'; readonly length: number })
  | (ByWhom & { readonly do: 'unbond' | 'withdrawOperator' | 'claim' })
  | (OfNode & { readonly do: 'delegate'; readonly amount: number })
  | (OfNode & { readonly do: 'undelegate' | 'withdrawDelegator' })
  | (ByWhom & { readonly do: 'fundPool'; readonly amount: number })
  /** The next step, whichever that is, where `wrong` is 0; else any. */
  | { readonly do: 'step'; readonly limit: number; readonly wrong: number; readonly roles: Roles }
  /** As many of them as are left of this epoch, and into the next, in pieces of `limit`. */
  | { readonly do: 'epoch'; readonly limit: number; readonly roles: Roles }
  /** Of the length of an epoch, in percent. */
  | { readonly do: 'time'; readonly percent: number }
  | { readonly do: 'score'; readonly node: number; readonly score: number }
  | { readonly do: 'settled'; readonly settled: boolean }
  | {
      readonly do: 'rewardingParams'
      readonly force: boolean
      readonly pool: number
      readonly supply: number
      readonly percents: readonly number[]
      readonly factor: number
      readonly set: readonly number[]
    }
  | { readonly do: 'activeSet'; readonly force: boolean; readonly set: readonly number[] }
  | { readonly do: 'intervalConfig'; readonly force: boolean; readonly epochs: number; readonly length: number }
  | {
      readonly do: 'operatorsParams'
      readonly margins: readonly number[]
      readonly costs: readonly number[]
      readonly minimums: readonly number[]
    }

const who = fc.nat(PEOPLE - 1)
const node = fc.nat(19)
const some = fc.nat(9)
/** A choice of parameters, of which the higher ones are refused. */
const mostly = fc.oneof({ weight: 12, arbitrary: fc.nat(7) }, fc.integer({ min: 8, max: 9 }))
const atLeastOne = fc.oneof({ weight: 12, arbitrary: fc.integer({ min: 1, max: 3 }) }, fc.constant(0))
const mixes = fc.oneof({ weight: 12, arbitrary: fc.constantFrom(3, 6) }, fc.nat(7))
const amount = fc.nat(99_999)
const limit = fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 1, max: 4 }) }, fc.constantFrom(0, 100))
const roles = fc.array(fc.nat(4), { minLength: 1, maxLength: 8 })
const force = fc.boolean()

const action = fc.oneof<[fc.WeightedArbitrary<Action>, ...fc.WeightedArbitrary<Action>[]]>(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('bond'),
      who,
      margin: mostly,
      cost: mostly,
      amount,
      key: some,
      signed: fc.nat(9).map((n) => n < 9),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('pledgeMore', 'decreasePledge'), who, amount }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('costs'), who, margin: mostly, cost: mostly }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('host'), who, length: fc.constantFrom(0, 9, 255, 256) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('unbond'), who }) },
  { weight: 7, arbitrary: fc.record({ do: fc.constantFrom('withdrawOperator', 'claim'), who }) },
  { weight: 22, arbitrary: fc.record({ do: fc.constant('delegate'), who, node, amount }) },
  { weight: 12, arbitrary: fc.record({ do: fc.constantFrom('undelegate', 'withdrawDelegator'), who, node }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fundPool'), who, amount }) },
  { weight: 20, arbitrary: fc.record({ do: fc.constant('step'), limit, wrong: fc.nat(9), roles }) },
  { weight: 16, arbitrary: fc.record({ do: fc.constant('epoch'), limit, roles }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('time'), percent: fc.constantFrom(1, 30, 99, 100, 350) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('score'), node, score: fc.nat(7) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('settled'), settled: fc.nat(3).map((n) => n > 0) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('rewardingParams'),
      force,
      pool: some,
      supply: some,
      percents: fc.tuple(mostly, mostly, mostly),
      factor: fc.oneof({ weight: 8, arbitrary: fc.nat(2) }, fc.nat(4)),
      set: fc.tuple(atLeastOne, atLeastOne, mixes, fc.nat(4)),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('activeSet'), force, set: fc.tuple(atLeastOne, atLeastOne, mixes) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('intervalConfig'), force, epochs: mostly, length: fc.nat(6) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('operatorsParams'),
      margins: fc.tuple(mostly, mostly),
      costs: fc.tuple(mostly, mostly),
      minimums: fc.tuple(some, some),
    }),
  },
)

/**
 * Always as many actions as asked for; made shorter by leaving pieces out, halves first, down to single actions, and then by making
 * the numbers of those that remain smaller.
 */
class Histories extends fc.Arbitrary<readonly Action[]> {
  readonly #whole: fc.Arbitrary<Action[]>

  constructor(length: number) {
    super()
    this.#whole = fc.array(action, { minLength: length, maxLength: length })
  }

  generate(random: fc.Random, bias: number | undefined): fc.Value<readonly Action[]> {
    return new fc.Value<readonly Action[]>(this.#whole.generate(random, bias).value, undefined)
  }

  canShrinkWithoutContext(_value: unknown): _value is readonly Action[] {
    return true
  }

  shrink(value: readonly Action[]): fc.Stream<fc.Value<readonly Action[]>> {
    return fc.stream(shorter(value)).map((history) => new fc.Value(history, undefined))
  }
}

const SMALL = 25

function* shorter(history: readonly Action[]): Generator<readonly Action[]> {
  for (let piece = Math.ceil(history.length / 2); piece >= 1; piece = piece === 1 ? 0 : Math.ceil(piece / 2)) {
    // From the end: what follows the failure is needed for nothing.
    for (let end = history.length; end > 0; end -= piece) {
      yield [...history.slice(0, Math.max(0, end - piece)), ...history.slice(end)]
    }
  }
  if (history.length > SMALL) return
  for (const [i, of] of history.entries()) {
    for (const [key, value] of Object.entries(of)) {
      if (typeof value !== 'number' || value === 0) continue
      for (const smaller of new Set([0, Math.floor(value / 2)])) {
        yield history.with(i, { ...of, [key]: smaller } as Action)
      }
    }
  }
}

export const histories = (length: number = ACTIONS): fc.Arbitrary<readonly Action[]> => new Histories(length)
