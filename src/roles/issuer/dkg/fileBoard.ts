/**
 * A board in one file that several processes of a machine share: `<time> <base64 of the message>.` a line, and `<time> .` where
 * somebody made sure that nothing earlier follows. Whoever appends holds the lock beside it, reads what is new, and writes one line
 * with one call. A line that a crash cut short has no full stop: the next writer ends it,
 * and it is nobody's message.
 *
 * Whoever can write the file can end phases early or keep members from writing: it is for machines whose owner is trusted with
 * that. What is written, nobody believes for standing there. Format: docs/spec/dkg.md. @module
 */
import { base64 } from '@scure/base'
import { fromUtf8Lossy, utf8 } from '../../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../../../foundation/base/errors.ts'
import { type Millis, millis } from '../../../foundation/base/units.ts'
import { sleep } from '../../../foundation/platform/clock.ts'
import type { Lock } from '../../../foundation/platform/files.ts'
import type { World } from '../../../foundation/platform/world.ts'
import { type BoardEntry, type BulletinBoard, MAX_BOARD_MESSAGE_BYTES } from './bulletinBoard.ts'

const NEWLINE = 0x0a
const PIECE_BYTES = 1024 * 1024
/** A hundred members fill a quarter of it. What stands behind is not read. */
const MAX_FILE_BYTES = 64 * 1024 * 1024
const MAX_LINE_BYTES: number = 32 + Math.ceil(MAX_BOARD_MESSAGE_BYTES / 3) * 4
const ENTRIES_A_READ = 100
/** Others hold the lock for a write each. */
const LOCK_RETRY: Millis = millis(15)
const LOCK_TRIES = 1_000
const LINE = /^(\d{1,15}) ([A-Za-z0-9+/]*={0,2})\.$/

export class FileBoard implements BulletinBoard {
  readonly #world: Pick<World, 'files' | 'clock'>
  readonly #path: string
  readonly #entries: BoardEntry[] = []
  #latest: Millis = millis(0)
  /** Bytes of the file taken in, all of them whole lines or part of one too long. */
  #taken = 0
  #skipping = false
  /** Whether bytes without an end of line stand behind them. */
  #unfinished = false
  #turn: Promise<unknown> = Promise.resolve()

  constructor(world: Pick<World, 'files' | 'clock'>, path: string) {
    this.#world = world
    this.#path = path
  }

  append(message: Uint8Array): Promise<void> {
    return this.#alone(async () => {
      if (message.length > MAX_BOARD_MESSAGE_BYTES) throw new MixnetError('MESSAGE_TOO_LONG', { bytes: message.length })
      await this.#locked(() => this.#write(this.#now(), base64.encode(message)))
    })
  }

  read(position: number): Promise<readonly BoardEntry[]> {
    return this.#alone(async () => {
      if (position >= this.#entries.length) await this.#catchUp()
      return this.#entries.slice(position, position + ENTRIES_A_READ)
    })
  }

  complete(instant: Millis): Promise<boolean> {
    return this.#alone(async () => {
      if (this.#latest >= instant) return true
      if (this.#now() < instant) return false
      // It must stand there: the next writer's clock may have been set back meanwhile.
      await this.#locked(async () => {
        if (this.#latest < instant) await this.#write(instant, '')
      })
      return true
    })
  }

  #now(): Millis {
    return millis(Math.max(this.#latest, Math.floor(this.#world.clock.now())))
  }

  async #write(time: Millis, what: string): Promise<void> {
    const line = utf8(`${this.#unfinished ? '\n' : ''}${time} ${what}.\n`)
    if (this.#taken + line.length > MAX_FILE_BYTES) throw new MixnetError('QUEUE_FULL', { what: 'board' })
    const file = await this.#world.files.openAppend(this.#path)
    try {
      file.append(line)
    } finally {
      await file.close()
    }
    await this.#catchUp()
  }

  /** Takes in the whole lines that are new. */
  async #catchUp(): Promise<void> {
    this.#unfinished = false
    while (this.#taken < MAX_FILE_BYTES) {
      const piece = await this.#world.files.readRange(this.#path, this.#taken, PIECE_BYTES)
      if (piece === undefined || piece.length === 0) {
        this.#unfinished = this.#skipping
        return
      }
      const before = this.#taken
      for (let start = 0; ; ) {
        const end = piece.indexOf(NEWLINE, start)
        if (end < 0) break
        if (!this.#skipping) this.#line(piece.subarray(start, end))
        this.#skipping = false
        this.#taken += end + 1 - start
        start = end + 1
      }
      const rest = before + piece.length - this.#taken
      if (rest > MAX_LINE_BYTES) {
        this.#skipping = true
        this.#taken += rest
      } else if (piece.length < PIECE_BYTES) {
        this.#unfinished = rest > 0 || this.#skipping
        return
      }
    }
  }

  #line(bytes: Uint8Array): void {
    if (bytes.length > MAX_LINE_BYTES) return
    const [, time, what] = LINE.exec(fromUtf8Lossy(bytes)) ?? []
    if (time === undefined || what === undefined) return
    let message: Uint8Array | undefined
    if (what !== '') {
      try {
        message = base64.decode(what)
      } catch {
        return
      }
    }
    this.#latest = millis(Math.max(this.#latest, Number(time)))
    if (message !== undefined) this.#entries.push({ time: this.#latest, message })
  }

  async #locked(work: () => Promise<void>): Promise<void> {
    const lock = await this.#lock()
    try {
      await this.#catchUp()
      await work()
    } finally {
      await lock.release()
    }
  }

  async #lock(): Promise<Lock> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#world.files.lock(`${this.#path}.lock`)
      } catch (error) {
        if (!isMixnetError(error, 'LOCKED') || attempt >= LOCK_TRIES) throw error
        await sleep(this.#world.clock, LOCK_RETRY)
      }
    }
  }

  /** One after the other: what was taken in must not change under somebody's feet. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work, work)
    this.#turn = done
    return done
  }
}
