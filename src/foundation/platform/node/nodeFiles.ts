/** Files of the machine: durable atomic writes, and locks that the kernel drops when the process dies. @module */
import { writeSync } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { MixnetError } from '../../base/errors.ts'
import type { AppendFile, FileKind, Files, Lock, WriteOptions } from '../files.ts'
import { plainBytes } from './nodeTcp.ts'

const OWNER_ONLY = 0o600
const OWNER_ONLY_FOLDER = 0o700
const READABLE = 0o644
/** What a file is called until it is complete. One name per file, so what a crash leaves behind is overwritten, not collected. */
const UNFINISHED = /^\..*\.unfinished$/
const unfinishedName = (path: string): string => join(dirname(path), `.${basename(path)}.unfinished`)

function isMissing(error: unknown): boolean {
  const { code } = error as { code?: unknown }
  return code === 'ENOENT' || code === 'ENOTDIR'
}

async function orMissing<T, Missing>(work: Promise<T>, missing: Missing): Promise<T | Missing> {
  try {
    return await work
  } catch (error) {
    if (isMissing(error)) return missing
    throw error
  }
}

async function withHandle(path: string, flags: string, mode: number, use: (file: FileHandle) => Promise<void>) {
  const file = await open(path, flags, mode)
  try {
    await use(file)
  } finally {
    await file.close()
  }
}

/** A rename is durable once its folder is. Windows has no such call and needs none. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform !== 'win32') await withHandle(folder, 'r', 0, (handle) => handle.sync())
}

/**
 * With the folders above it. Not `recursive` of mkdir: where a file system says ENOENT to whatever is asked of it (`/proc`), Node 26 tries
 * again for ever, in a thread that no signal ends.
 */
async function makeFolder(folder: string, secret: boolean): Promise<void> {
  const make = () => mkdir(folder, secret ? { mode: OWNER_ONLY_FOLDER } : {})
  try {
    await make()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' && dirname(folder) !== folder) {
      await makeFolder(dirname(folder), secret)
      await make().catch(unlessFolder(folder))
    } else await unlessFolder(folder)(error)
  }
}

/** Somebody made it meanwhile, or it was there: some systems say so in other words (EROFS, EPERM, EISDIR). */
const unlessFolder =
  (folder: string) =>
  async (error: unknown): Promise<void> => {
    const found = await stat(folder).catch(() => undefined)
    if (found?.isDirectory() !== true) throw error
  }

async function replace(path: string, contents: Uint8Array, { secret = false }: WriteOptions): Promise<void> {
  const folder = dirname(path)
  await makeFolder(folder, secret)
  const unfinished = unfinishedName(path)
  await rm(unfinished, { force: true })
  // Made anew and exclusively: neither an old file's permissions nor a planted link can get at a secret.
  await withHandle(unfinished, 'wx', secret ? OWNER_ONLY : READABLE, async (file) => {
    await file.writeFile(contents)
    await file.sync()
  })
  try {
    await rename(unfinished, path)
  } catch (error) {
    // A folder is in the way. Elsewhere the next write would take the name again; here there may be none.
    await rm(unfinished, { force: true })
    throw error
  }
  await syncFolder(folder)
}

/** Writes to one file follow each other in the order they were asked for. */
const writing = new Map<string, Promise<void>>()

function inOrder(path: string, work: () => Promise<void>): Promise<void> {
  const done = (writing.get(path) ?? Promise.resolve()).then(work, work)
  writing.set(path, done)
  const forget = () => {
    if (writing.get(path) === done) writing.delete(path)
  }
  done.then(forget, forget)
  return done
}

async function openAppend(path: string, { secret = false }: WriteOptions = {}): Promise<AppendFile> {
  await makeFolder(dirname(path), secret)
  const file = await open(path, 'a', secret ? OWNER_ONLY : READABLE)
  let closed = false
  return {
    append(bytes) {
      if (closed) throw new MixnetError('STOPPED', { what: 'append' })
      for (let offset = 0; offset < bytes.length; ) offset += writeSync(file.fd, bytes, offset)
    },
    async close() {
      closed = true
      await file.close()
    },
  }
}

// A database that nobody refers to is closed by the garbage collector, and its lock with it.
const held = new Set<DatabaseSync>()

/**
 * The lock is SQLite's: a lock of the operating system on an empty database. It falls with the process, whatever killed it,
 * and no process id is compared, which another process might have by then. The file stays: removing it would let two
 * processes lock two files of the same name.
 */
async function lock(path: string): Promise<Lock> {
  await makeFolder(dirname(path), false)
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (/locked|busy/i.test((error as Error).message)) throw new MixnetError('LOCKED')
    throw error
  }
  held.add(database)
  return {
    async release() {
      if (held.delete(database)) database.close()
    },
  }
}

async function kindOf(path: string): Promise<FileKind | undefined> {
  const found = await orMissing(stat(path), undefined)
  if (found === undefined) return undefined
  if (found.isDirectory()) return 'folder'
  return found.isFile() ? 'file' : 'other'
}

export const nodeFiles: Files = {
  kindOf,
  openAppend,
  async read(path) {
    const contents = await orMissing(readFile(path), undefined)
    return contents && plainBytes(contents)
  },
  async readRange(path, offset, length) {
    const file = await orMissing(open(path, 'r'), undefined)
    if (file === undefined) return undefined
    try {
      const bytes = new Uint8Array(length)
      let filled = 0
      while (filled < length) {
        const { bytesRead } = await file.read(bytes, filled, length - filled, offset + filled)
        if (bytesRead === 0) break
        filled += bytesRead
      }
      return bytes.subarray(0, filled)
    } finally {
      await file.close()
    }
  },
  write(path, contents, options = {}) {
    return inOrder(path, () => replace(path, contents, options))
  },
  async list(folder) {
    const names = await orMissing(readdir(folder), [])
    return names.filter((name) => !UNFINISHED.test(name)).sort()
  },
  remove(path) {
    return inOrder(path, async () => {
      await orMissing(rm(path, { force: true }), undefined)
      await orMissing(syncFolder(dirname(path)), undefined)
    })
  },
  lock,
}
