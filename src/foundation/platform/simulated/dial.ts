/** How every simulated connection begins: a packet there, a packet back, and somebody or nobody who listens. @module */
import { isMixnetError, MixnetError } from '../../base/errors.ts'
import type { Millis } from '../../base/units.ts'
import type { Endpoint } from '../net.ts'
import type { Life, Service, ServiceKind } from './life.ts'
import { ephemeralPort, type Network, type Path } from './network.ts'

/** Bytes of an IP and TCP header, of which an opening packet consists. */
const OPENING_BYTES = 40

export interface DialOptions extends Endpoint {
  readonly kind: ServiceKind
  /** What takes too long when it takes too long. */
  readonly what: string
  readonly timeout: Millis
  readonly localHost?: string
  readonly signal?: AbortSignal
  /** Before the connection is usable: one for TCP, two for what says hello above it. */
  readonly roundTrips: number
}

/** The moment the opening packet finds a listener. */
export interface Meeting<Accept> {
  readonly service: Service<Accept>
  readonly path: Path
  readonly local: Endpoint
  readonly remote: Endpoint
  /** When the caller will know; nothing the listener sends arrives earlier. */
  readonly answerArrives: number
}

/**
 * A promise that one of the two functions given to `start` settles, or the deadline, or the signal; `stop` is called when it
 * was one of the latter. It never settles once the process is dead.
 */
export function settleOnce<T>(
  life: Life,
  { what, timeout, signal }: Pick<DialOptions, 'what' | 'timeout' | 'signal'>,
  start: (resolve: (value: T) => void, reject: (error: MixnetError) => void, isSettled: () => boolean) => () => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let settled = false
    const settle = (finish: () => void) => {
      if (settled || !life.alive) return
      settled = true
      timer.cancel()
      signal?.removeEventListener('abort', abort)
      finish()
    }
    const giveUp = (error: MixnetError) =>
      settle(() => {
        reject(error)
        stop()
      })
    const abort = () => giveUp(new MixnetError('ABORTED'))
    const timer = life.schedule(timeout, () => giveUp(new MixnetError('TIMEOUT', { what, limitMs: timeout })))
    const stop = start(
      (value) => settle(() => resolve(value)),
      (error) => settle(() => reject(error)),
      () => settled,
    )
    if (signal?.aborted) abort()
    else signal?.addEventListener('abort', abort, { once: true })
  })
}

/** Opens a connection: `meet` makes both ends when the listener is found, and returns the caller's, or what the caller is refused with. */
export function dial<Accept, End extends { destroy(): void }>(
  network: Network,
  life: Life,
  options: DialOptions,
  meet: (meeting: Meeting<Accept>) => End | MixnetError,
): Promise<End> {
  const { host, port, kind, localHost } = options
  return settleOnce(life, options, (resolve, reject, isSettled) => {
    let path: ReturnType<Network['path']>
    try {
      path = network.path(life, host, localHost)
    } catch (error) {
      life.schedule(0, () => reject(error as MixnetError))
      return () => {}
    }
    let end: End | undefined
    let refusal: MixnetError | undefined
    const knock = (roundTrips: number) => {
      path.there.transmit(OPENING_BYTES, 0, () => {
        if (isSettled() || !life.alive) return
        const service = network.find<Accept>(path, port, kind)
        if (service === undefined) {
          const refused = new MixnetError('CONNECTION_REFUSED', { system: 'ECONNREFUSED' })
          path.back.transmit(OPENING_BYTES, 0, () => reject(refused))
        } else if (roundTrips > 1) {
          path.back.transmit(OPENING_BYTES, 0, () => knock(roundTrips - 1))
        } else {
          const answerArrives = path.back.transmit(OPENING_BYTES, 0, () => {
            if (refusal !== undefined) reject(refusal)
            else if (end !== undefined) resolve(end)
          })
          const local: Endpoint = { host: path.localIp, port: ephemeralPort(life.machine) }
          const met = meet({ service, path, local, remote: { host: path.ip, port }, answerArrives })
          if (isMixnetError(met)) refusal = met
          else end = met
        }
      })
    }
    knock(options.roundTrips)
    return () => end?.destroy()
  })
}
