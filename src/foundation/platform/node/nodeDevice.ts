/**
 * Writing to a device or a named pipe. Never so that a call waits for the reader: one that stands still would hold up the whole
 * process, signals included, or, from libuv's pool, its end. @module
 */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { MixnetError } from '../../base/errors.ts'

export interface Device {
  /** Resolves when all of it is taken. Throws ABORTED. */
  write(bytes: Uint8Array): Promise<void>
  close(): Promise<void>
}

// Windows has no such flag, and no such files.
const FLAGS = constants.O_WRONLY | constants.O_APPEND | (constants.O_NONBLOCK ?? 0)
/** A pipe holds 64 KiB: that often, it is more than any mixnet brings. */
const LOOK_AGAIN_MS = 10

/** Waits for a pipe's reader. Throws ABORTED. */
export async function openDevice(path: string, signal: AbortSignal): Promise<Device> {
  const file = await unless('ENXIO', signal, () => open(path, FLAGS))
  return {
    async write(bytes) {
      for (let offset = 0; offset < bytes.length; ) {
        const { bytesWritten } = await unless('EAGAIN', signal, () => file.write(bytes, offset))
        offset += bytesWritten
      }
    },
    close: () => file.close(),
  }
}

/** Tries until it fails no longer with `code`. */
async function unless<T>(code: string, signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    if (signal.aborted) throw new MixnetError('ABORTED')
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === code)) throw error
    }
    await sleep(LOOK_AGAIN_MS)
  }
}
