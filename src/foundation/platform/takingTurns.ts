/**
 * What `startWebThread` gives, where there can be no worker: the methods run in the page's own thread, one after the other, and whatever
 * else waits gets its turn before each. A page stands still for as long as one call takes, and not for all of them together. @module
 */
import { MixnetError } from '../base/errors.ts'
import type { Clock } from './clock.ts'
import {
  type Answer,
  answerTo,
  type Call,
  callsBy,
  type MethodNames,
  type Methods,
  type Thread,
  UnansweredCalls,
} from './threadCalls.ts'

export interface TurnOptions<T> {
  readonly name: string
  readonly methods: MethodNames<T>
  /** How many calls may wait; one more is refused. */
  readonly maxCalls: number
  readonly clock: Pick<Clock, 'soon'>
}

export function takingTurns<T extends Methods<T>>(
  served: T,
  { name, methods, maxCalls, clock }: TurnOptions<T>,
): Thread<T> {
  const unanswered = new UnansweredCalls(name, maxCalls)
  const waiting: Call[] = []
  let closed = false
  let busy = false

  const turn = async () => {
    const call = waiting.shift()
    const answer: Answer | undefined = call && (await answerTo(served, call))
    if (answer !== undefined) unanswered.answered(answer)
    busy = waiting.length > 0
    if (busy) clock.soon(turn)
  }
  const stopped = () => new MixnetError('STOPPED', { thread: name })
  return {
    calls: callsBy<T>(methods, async (method, args) => {
      if (closed) throw stopped()
      return await unanswered.make(method, args, (call) => {
        waiting.push(structuredClone(call))
        if (busy) return
        busy = true
        clock.soon(turn)
      })
    }),
    async close() {
      closed = true
      waiting.length = 0
      unanswered.abandon(stopped)
    },
  }
}
