/** Where a client is kept: its own while it is connected, under a passphrase or not, and with errors that say what to do. @module */
import { isMixnetError, MixnetError } from '../foundation/base/errors.ts'
import type { Secret } from '../foundation/base/secret.ts'
import { seconds } from '../foundation/base/units.ts'
import { sleep } from '../foundation/platform/clock.ts'
import type { ClientFiles } from '../foundation/platform/files.ts'
import { isSealed, openSealedFiles } from '../foundation/platform/sealedFiles.ts'
import type { ClientWorld } from '../foundation/platform/world.ts'
import type { TicketSource } from './ticketSource.ts'

export interface FolderChoice {
  readonly folder?: string | undefined
  readonly passphrase?: string | undefined
  /** The caller holds the lock of `folder` and lets go of it. */
  readonly locked?: boolean | undefined
}

export interface ClientFolder {
  readonly files: ClientFiles
  /** Where bandwidth is paid for. `release` closes what this opened. */
  readonly tickets?: (identitySeed: Secret) => Promise<TicketSource>
  /** Others may use it now. */
  release(): Promise<void>
}

/** A page that is loaded anew finds the lock of its former self for a moment. */
const PATIENCE = seconds(1)
const RETRY = seconds(0.1)

/**
 * Two clients of one identity push each other out of their gateway and take each other's messages, so the second is refused. Throws LOCKED,
 * FILE_UNUSABLE, KEY_FILE_UNREADABLE, BAD_ARGUMENT.
 */
export async function openFolder(
  world: ClientWorld,
  { folder, passphrase, locked }: FolderChoice,
): Promise<ClientFolder> {
  if (folder === undefined) {
    if (passphrase === undefined) return { files: world.files, release: async () => {} }
    throw new MixnetError('BAD_ARGUMENT', { argument: 'passphrase', why: 'nothing is kept without a folder' })
  }
  const files = explained(world.files)
  const lock = locked === true ? undefined : await takeLock({ ...world, files }, folder)
  const release = async () => lock?.release()
  try {
    if (passphrase !== undefined) {
      const random = world.random.stream('sealing')
      return { files: await openSealedFiles(files, { folder, passphrase, random }), release }
    }
    if (!(await isSealed(files, folder))) return { files, release }
    const nextStep = 'Give its passphrase, or another folder to begin anew.'
    throw new MixnetError('KEY_FILE_UNREADABLE', { folder, why: 'sealed under a passphrase' }, { nextStep })
  } catch (error) {
    await release()
    throw error
  }
}

async function takeLock({ clock, files }: ClientWorld, folder: string): ReturnType<ClientFiles['lock']> {
  const end = clock.monotonic() + PATIENCE
  for (;;) {
    try {
      return await files.lock(`${folder}/lock`)
    } catch (cause) {
      if (!isMixnetError(cause, 'LOCKED')) throw cause
      const message = 'another client uses this folder'
      const nextStep = 'Close it, or give this one a folder of its own.'
      if (clock.monotonic() >= end) throw new MixnetError('LOCKED', { folder }, { message, nextStep, cause })
    }
    await sleep(clock, RETRY)
  }
}

/** A system's errors say what it could not do, and nobody whose fault that is. */
function explained(files: ClientFiles): ClientFiles {
  const explain = (cause: unknown): never => {
    if (isMixnetError(cause) || !(cause instanceof Error)) throw cause
    const { code: why = cause.name, path } = cause as { readonly code?: string; readonly path?: string } & Error
    throw new MixnetError('FILE_UNUSABLE', { ...(path === undefined ? {} : { path }), why }, { cause })
  }
  return {
    read: (path) => files.read(path).catch(explain),
    write: (path, contents, options) => files.write(path, contents, options).catch(explain),
    list: (folder) => files.list(folder).catch(explain),
    remove: (path) => files.remove(path).catch(explain),
    lock: (path) => files.lock(path).catch(explain),
  }
}
