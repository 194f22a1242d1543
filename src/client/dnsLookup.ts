/**
 * Asking a DNS server for addresses, through the exit, over TCP. The server is whoever the caller names: we know of none. What the exit
 * learns is the question, and it could forge the answer, for nothing of this is signed: it connects to names for us all the same, and
 * could go elsewhere there as well. @module
 */
import { concat } from '../foundation/base/bytes.ts'
import { MixnetError, malformed, tryDecode } from '../foundation/base/errors.ts'
import { millis, seconds } from '../foundation/base/units.ts'
import { unlessAborted, withDeadline } from '../foundation/platform/clock.ts'
import { below } from '../foundation/platform/random.ts'
import type { ClientWorld } from '../foundation/platform/world.ts'
import { expectDestination } from './destinationHost.ts'
import type { Dialer } from './dialer.ts'
import { type AddressType, type DnsQuestion, decodeDnsAnswer, encodeDnsQuery } from './dnsMessages.ts'
import { expectRequest } from './optionKinds.ts'

export interface ResolveOptions {
  /** The DNS server to ask, by address or name; the exit's policy must allow it. There is no default. */
  readonly server: string
  /** Default 53. */
  readonly port?: number | undefined
  /** Default 'A', IPv4. */
  readonly type?: AddressType | undefined
  /** Milliseconds for all of it. Default 30,000. */
  readonly timeout?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** The exit cannot tell that questions with different keys are one client's. Default: one for each name. */
  readonly isolation?: string | undefined
}

const DNS_PORT = 53
const TIMEOUT = seconds(30)
const LENGTH_BYTES = 2
const LEAST_MESSAGE = 12

/**
 * Addresses of a host; none where it exists and has none of that type. Throws BAD_ARGUMENT, HOST_UNKNOWN, MALFORMED for an answer that
 * makes no sense, TIMEOUT, ABORTED, and what opening a connection throws.
 */
export async function lookUp(
  { clock, random }: Pick<ClientWorld, 'clock' | 'random'>,
  dialer: Dialer,
  name: string,
  options: ResolveOptions,
): Promise<readonly string[]> {
  const { server, port = DNS_PORT, type = 'A', timeout = TIMEOUT, signal, isolation = `dns ${name}` } = options ?? {}
  if (typeof server !== 'string' || server === '')
    throw badArgument('server', "Name a DNS server: { server: '9.9.9.9' }.")
  expectDestination({ host: server, port }, 'server')
  if (type !== 'A' && type !== 'AAAA') throw badArgument('type', "Give 'A' or 'AAAA'.")
  expectRequest({ timeout, signal, isolation })
  const question: DnsQuestion = { id: below(random.stream('dns'), 0x1_0000), name, type }
  const query = encodeDnsQuery(question)
  // Nobody is told of a question that is not asked any more.
  if (signal?.aborted) throw new MixnetError('ABORTED')
  const stream = dialer.open({ host: server, port }, isolation)
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
  let heard: Uint8Array = new Uint8Array(0)
  stream.attach({
    data(chunk) {
      // At most what a length of two bytes can say: with all of it there, nobody listens any more.
      heard = concat(heard, chunk)
      const whole = tryDecode(() => wholeMessage(heard))
      if (whole instanceof Uint8Array) resolve(whole)
      else if (whole !== undefined) reject(whole)
    },
    end: () => reject(malformed('DNS answer', 'ends before its length')),
    close: (error) => reject(error ?? new MixnetError('CONNECTION_CLOSED')),
  })
  stream.write(query).catch(reject)
  try {
    const answer = await withDeadline(clock, millis(timeout), 'DNS', unlessAborted(promise, signal))
    return decodeDnsAnswer(answer, question)
  } finally {
    stream.destroy()
  }
}

/** undefined while there is more to come. */
function wholeMessage(heard: Uint8Array): Uint8Array | undefined {
  const [high, low] = heard
  if (high === undefined || low === undefined) return undefined
  const length = (high << 8) | low
  if (length < LEAST_MESSAGE) throw malformed('DNS answer', 'length: shorter than its head')
  return heard.length < LENGTH_BYTES + length ? undefined : heard.subarray(LENGTH_BYTES, LENGTH_BYTES + length)
}

const badArgument = (argument: string, nextStep: string): MixnetError =>
  new MixnetError('BAD_ARGUMENT', { argument }, { nextStep })
