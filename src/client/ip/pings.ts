/**
 * Pings of programs, made anew: `ping` puts the machine's clock in its payload, and counts from 1 with its process's number beside it, and whoever
 * passes them on or answers them would know one machine again by that wherever it goes. The program gets its own back. @module
 */
import { equalBytes } from '../../foundation/base/bytes.ts'
import type { RandomStream } from '../../foundation/platform/random.ts'
import type { Echo } from '../../protocol/wire/ip/echo.ts'

interface Pending {
  readonly sent: Echo
  readonly own: Echo
  /** Whom the program wrote to. */
  readonly asked: Uint8Array
}

interface Flow {
  readonly identifier: number
  /** Added to the program's numbers. */
  readonly offset: number
}

/** Those used last stay: a megabyte and a half of answers that may still come, where pings are long. */
const MAX_PENDING = 512
const MAX_FLOWS = 512

export class Pings {
  readonly #random: RandomStream
  readonly #flows = new Map<string, Flow>()
  readonly #pending = new Map<string, Pending>()

  constructor(random: RandomStream) {
    this.#random = random
  }

  /** A request as it leaves to `peer`. `asked`: to whom the program sent it. */
  leaving(echo: Echo, peer: Uint8Array, asked: Uint8Array): Echo {
    const { identifier, offset } = this.#flowOf(`${echo.identifier} ${peer.join('.')}`)
    const data = this.#random.bytes(echo.data.length)
    const sent = { isReply: false, identifier, sequence: (echo.sequence + offset) & 0xffff, data }
    const own = { ...echo, data: echo.data.slice() }
    putLast(this.#pending, keyOf(sent, peer), { sent, own, asked: asked.slice() }, MAX_PENDING)
    return sent
  }

  /** The answer as the program expects it, and from whom. undefined: not one to what was sent. */
  coming(reply: Echo, peer: Uint8Array): { readonly echo: Echo; readonly asked: Uint8Array } | undefined {
    const pending = reply.isReply ? this.#pending.get(keyOf(reply, peer)) : undefined
    if (pending === undefined || !equalBytes(pending.sent.data, reply.data)) return undefined
    this.#pending.delete(keyOf(reply, peer))
    return { echo: { ...pending.own, isReply: true }, asked: pending.asked }
  }

  /** Whether a program pinged it, lately. */
  knows(peer: Uint8Array): boolean {
    const ending = ` ${peer.join('.')}`
    return [...this.#flows.keys()].some((key) => key.endsWith(ending))
  }

  #flowOf(key: string): Flow {
    const known = this.#flows.get(key)
    const flow = known ?? { identifier: this.#random.u32() & 0xffff, offset: this.#random.u32() & 0xffff }
    putLast(this.#flows, key, flow, MAX_FLOWS)
    return flow
  }
}

const keyOf = ({ identifier, sequence }: Echo, peer: Uint8Array): string =>
  `${identifier} ${sequence} ${peer.join('.')}`

function putLast<V>(map: Map<string, V>, key: string, value: V, most: number): void {
  map.delete(key)
  map.set(key, value)
  const [oldest] = map.keys()
  if (map.size > most && oldest !== undefined) map.delete(oldest)
}
