/** Where the contract tests of this room play: two worlds that can reach each other, real or simulated. @module */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { concat } from '../base/bytes.ts'
import type { MixnetError } from '../base/errors.ts'
import { seconds } from '../base/units.ts'
import type { LinkCryptoProvider } from '../crypto/provider.ts'
import type { Connection, WebSocketConnection } from './net.ts'
import { nodeWorld } from './node/nodeWorld.ts'
import { Simulation } from './simulated/simulation.ts'
import type { World } from './world.ts'

export interface Stage {
  readonly here: World
  readonly there: World
  /** The address of `here`. */
  readonly ownHost: string
  /** The address of `there`, to listen on and to connect to. */
  readonly host: string
  /** A folder of `here` with nothing in it. */
  readonly folder: string
}

export interface Platform {
  readonly name: 'node' | 'simulated'
  /** Plays `scene` to its end, in whatever time means there. */
  play(scene: (stage: Stage) => Promise<void>): Promise<void>
}

export function platforms(crypto: LinkCryptoProvider): readonly Platform[] {
  return [
    {
      name: 'node',
      async play(scene) {
        const world = nodeWorld(crypto)
        const folder = mkdtempSync(join(tmpdir(), 'starling-test-'))
        try {
          await scene({ here: world, there: world, ownHost: '127.0.0.1', host: '127.0.0.1', folder })
        } finally {
          rmSync(folder, { recursive: true })
        }
      },
    },
    {
      name: 'simulated',
      async play(scene) {
        const simulation = new Simulation({ seed: 'stage', crypto })
        const here = simulation.host('here', { ips: ['10.0.0.1'] })
        const there = simulation.host('there', { ips: ['10.0.0.2'] })
        await simulation.complete(
          scene({ here, there, ownHost: '10.0.0.1', host: '10.0.0.2', folder: '/data' }),
          seconds(600),
        )
      },
    },
  ]
}

/** What a connection has delivered, and promises for what it will. */
export interface Received<Item> {
  readonly items: Item[]
  /** Settles once `enough` is true of the items. */
  until(enough: (items: readonly Item[]) => boolean): Promise<readonly Item[]>
  readonly ended: Promise<void>
  readonly closed: Promise<MixnetError | undefined>
  /** How often `close` was called. */
  closes(): number
}

function receiver<Item>() {
  const items: Item[] = []
  const waiting = new Set<() => void>()
  const ended = Promise.withResolvers<void>()
  const closed = Promise.withResolvers<MixnetError | undefined>()
  let closes = 0
  const received: Received<Item> = {
    items,
    until(enough) {
      return new Promise((resolve) => {
        const look = () => {
          if (!enough(items)) return
          waiting.delete(look)
          resolve(items)
        }
        waiting.add(look)
        look()
      })
    },
    ended: ended.promise,
    closed: closed.promise,
    closes: () => closes,
  }
  return {
    received,
    add(item: Item) {
      items.push(item)
      for (const look of waiting) look()
    },
    end: ended.resolve,
    close(error: MixnetError | undefined) {
      closes++
      closed.resolve(error)
    },
  }
}

/** Attaches to `connection`. With `keepOpen`, its end does not destroy it. */
export function receive(
  connection: Connection,
  { keepOpen = false, drain = () => {} }: { readonly keepOpen?: boolean; readonly drain?: () => void } = {},
): Received<Uint8Array> {
  const { received, add, end, close } = receiver<Uint8Array>()
  connection.attach({ data: (chunk) => add(chunk.slice()), drain, close, ...(keepOpen ? { end } : {}) })
  return received
}

export function receiveMessages(socket: WebSocketConnection): Received<string | Uint8Array> {
  const { received, add, close } = receiver<string | Uint8Array>()
  socket.attach({ text: add, binary: add, close })
  return received
}

export const bytesOf = (chunks: readonly Uint8Array[]): Uint8Array => concat(...chunks)

/** For `until`: at least this many bytes in all. */
export const atLeast =
  (length: number) =>
  (chunks: readonly Uint8Array[]): boolean =>
    chunks.reduce((sum, chunk) => sum + chunk.length, 0) >= length

/** A promise and its function for the connection that `accept` gets next. */
export function nextAccepted<T>(): { accept(connection: T): void; readonly accepted: Promise<T> } {
  const { promise, resolve } = Promise.withResolvers<T>()
  return { accept: resolve, accepted: promise }
}
