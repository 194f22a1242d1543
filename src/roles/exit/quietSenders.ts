/**
 * Clients that have gone. They say no goodbye, and the reply SURBs they left would stay until the keys those lead through rotate: 1.3 kB each,
 * some forty a pseudonym, and a client has a pseudonym for each site and a spare one.
 *
 * When is one gone? Nobody with a connection is, for connections have limits of their own. Without one, a client of ours takes another pseudonym after
 * five minutes, and its spare whenever it likes; official clients keep theirs for good. Who comes back after all brings reply SURBs with its
 * connect request (official clients 20, or 10 with any other message; ours three, for they believe that there are more), and one is enough to
 * ask for as many as the answer needs: it is as it was at the first request, a round trip slower. A client left out in the cold
 * sends questions without any, to be answered through those of more than half an hour ago: no known one does, and rotating keys have always
 * cut it off, and so has every crowd at the exit.
 * @module
 */
import { type Millis, minutes, seconds } from '../../foundation/base/units.ts'
import type { RequesterClient } from './replyPath.ts'

export interface QuietSenderLimits {
  /** Without a connection and without a message either way. */
  readonly keepFor: Millis
  /** Above `maxSurbs` only so long. Not sooner: who hoards on connections would have others forgotten between question and answer. */
  readonly keepForInCrowd: Millis
  /**
   * Above these, whoever has no connection goes before that, the longest quiet first. Less than the mixnet client's own bounds, which do
   * not know who has one: there large stocks lose some of their SURBs, so those of who has gone should have made room before, and senders are
   * forgotten, who may only rest between two keep-alives.
   */
  readonly maxSurbs: number
  readonly maxSenders: number
}

/**
 * As long as a client may be silent that has a connection; in a crowd, as long as a client of ours keeps a pseudonym that rests; three
 * quarters of what is kept at all.
 */
export const DEFAULT_QUIET_SENDERS: QuietSenderLimits = {
  keepFor: minutes(30),
  keepForInCrowd: minutes(5),
  maxSurbs: 37_500,
  maxSenders: 7_500,
}

/**
 * Who is owed an answer stays that long even among too many senders. It waits for SURBs, asked for as it began to wait: they take a second or
 * two, and some more where a packet is lost; all that come, and every fragment, begin the time anew. No longer, for being owed an answer
 * costs a sender one message: to fill the mixnet client's own bound with such takes 2,000 a second.
 */
const OWED_FOR = seconds(5)

/** To be called every few seconds: it looks at every sender, at most some ten thousand. */
export function forgetQuiet(
  client: Pick<RequesterClient, 'senders' | 'forget'>,
  { keepFor, keepForInCrowd, maxSurbs, maxSenders }: QuietSenderLimits,
  now: Millis,
  isConnected: (tag: string) => boolean,
): void {
  let [surbs, senders] = [0, 0]
  for (const sender of client.senders) {
    surbs += sender.surbs.size
    senders++
  }
  for (const { tag, surbs: left, waiting, lastTouched } of client.senders) {
    const quietFor = now - lastTouched
    const isCrowded = senders > maxSenders || (surbs > maxSurbs && quietFor >= keepForInCrowd)
    // Neither for those after it, who were quiet less long.
    if (!isCrowded && quietFor < keepFor) return
    if (isConnected(tag) || (waiting.total > 0 && quietFor < OWED_FOR)) continue
    surbs -= left.size
    senders--
    client.forget(tag)
  }
}
