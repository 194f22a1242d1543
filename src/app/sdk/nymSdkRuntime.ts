/** What the drop-ins need of the machine they run on, and an identity that one of them uses at a time. @module */
import type { MixnetCore } from '../../client/mixnetCore.ts'
import type { MixnetOptions } from '../../client/openClient.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { type Millis, millis } from '../../foundation/base/units.ts'
import type { ClientWorld } from '../../foundation/platform/world.ts'

export interface NymRuntime<M extends MixnetCore> {
  readonly world: Pick<ClientWorld, 'clock' | 'files'>
  connect(options: MixnetOptions): Promise<M>
  /** Where that client is kept; undefined: nowhere. */
  folderOf(kind: 'sdk' | 'mix-fetch', clientId: string | undefined): string | undefined
}

export interface Identity {
  /** Kept nowhere where it is undefined. */
  readonly folder: string | undefined
  release(): Promise<void>
}

const RETRY = millis(50)

/** A name in a file system, whatever somebody calls their client: never `.`, `..` or a path. */
export function folderName(clientId: string): string {
  const escaped = (char: string) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`
  return encodeURIComponent(clientId).replace(/[.!'()*~]/g, escaped)
}

/**
 * `folder`, until it is released: two clients of one identity push each other out of their gateway, and take each other's
 * messages. A page that is loaded anew finds the lock of its former self for a moment, hence `patience`. Throws LOCKED, FILE_UNUSABLE.
 */
export async function takeIdentity(
  { clock, files }: NymRuntime<MixnetCore>['world'],
  folder: string | undefined,
  patience: Millis,
): Promise<Identity> {
  if (folder === undefined) return { folder, release: async () => {} }
  const end = clock.monotonic() + patience
  for (;;) {
    try {
      const lock = await files.lock(`${folder}/lock`)
      return { folder, release: () => lock.release() }
    } catch (error) {
      if (!isMixnetError(error, 'LOCKED')) throw error
      if (clock.monotonic() >= end) throw inUse(error)
    }
    await new Promise<void>((resolve) => clock.after(RETRY, resolve))
  }
}

/** Of several identities under one name the first that nobody uses. Throws LOCKED where there is none among `most`. */
export async function takeAnyIdentity(
  world: NymRuntime<MixnetCore>['world'],
  folder: string | undefined,
  most: number,
): Promise<Identity> {
  for (let number = 1; ; number++) {
    const numbered = folder === undefined || number === 1 ? folder : `${folder}-${number}`
    try {
      return await takeIdentity(world, numbered, millis(0))
    } catch (error) {
      if (!isMixnetError(error, 'LOCKED') || number >= most) throw error
    }
  }
}

const inUse = (cause: unknown): MixnetError =>
  new MixnetError(
    'LOCKED',
    {},
    {
      message: 'there is already an open connection to this client',
      nextStep: 'Close the other page, or give this one a clientId of its own.',
      cause,
    },
  )
