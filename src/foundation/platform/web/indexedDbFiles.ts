/**
 * A client's files in a browser: one IndexedDB database per origin, one record per file, its path the key. Writes ask for strict
 * durability: an identity that was shown is there after a power cut, where the browser keeps its word. A browser may throw an
 * origin's data away when the disk is full, unless the page was granted persistence. @module
 */
import { MixnetError } from '../../base/errors.ts'
import type { ClientFiles, Lock } from '../files.ts'

const DATABASE = 'starling'
const VERSION = 1
const STORE = 'files'

let opening: Promise<IDBDatabase> | undefined

function openDatabase(): Promise<IDBDatabase> {
  opening ??= new Promise<IDBDatabase>((resolve, reject) => {
    if (typeof indexedDB === 'undefined') throw unusable('this runtime has no IndexedDB')
    const request = indexedDB.open(DATABASE, VERSION)
    request.onupgradeneeded = () => request.result.createObjectStore(STORE)
    request.onerror = () => reject(unusable('IndexedDB does not open', request.error))
    request.onblocked = () => reject(unusable('another page holds an older version of the database'))
    request.onsuccess = () => {
      const database = request.result
      // A newer version of this package in another tab waits for us to let go.
      database.onversionchange = () => {
        database.close()
        opening = undefined
      }
      resolve(database)
    }
  }).catch((error: unknown) => {
    opening = undefined
    throw error
  })
  return opening
}

const unusable = (why: string, cause?: unknown): MixnetError => new MixnetError('FILE_UNUSABLE', { why }, { cause })

async function inTransaction<T>(
  mode: 'readonly' | 'readwrite',
  run: (store: IDBObjectStore) => IDBRequest<T>,
): Promise<T> {
  const database = await openDatabase()
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(STORE, mode, { durability: 'strict' })
    const request = run(transaction.objectStore(STORE))
    // Not when the request succeeds: only a completed transaction is on disk.
    transaction.oncomplete = () => resolve(request.result)
    const fail = () => reject(unusable('the browser did not store or read it', transaction.error))
    transaction.onabort = fail
    transaction.onerror = fail
  })
}

export const indexedDbFiles: ClientFiles = {
  async read(path) {
    const contents = await inTransaction('readonly', (store) => store.get(path))
    return contents instanceof Uint8Array ? contents : undefined
  },
  async write(path, contents) {
    await inTransaction('readwrite', (store) => store.put(contents.slice(), path))
  },
  async list(folder) {
    const below = `${folder}/`
    // '0' is the character after '/'.
    const range = IDBKeyRange.bound(below, `${folder}0`, true, true)
    const keys = await inTransaction('readonly', (store) => store.getAllKeys(range))
    const names = keys.map((key) => (String(key).slice(below.length).split('/', 1) as [string])[0])
    return [...new Set(names)].sort()
  },
  async remove(path) {
    await inTransaction('readwrite', (store) => store.delete(path))
  },
  lock: lockByName,
}

interface LockManager {
  request(name: string, options: { ifAvailable: true }, run: (lock: unknown) => Promise<void>): Promise<void>
}

const lockedHere = new Set<string>()

function lockInPage(path: string): Lock {
  if (lockedHere.has(path)) throw new MixnetError('LOCKED', { path })
  lockedHere.add(path)
  return { release: async () => void lockedHere.delete(path) }
}

/** Web Locks: they die with the page or worker that holds them. */
async function lockByName(path: string): Promise<Lock> {
  const { locks } = globalThis.navigator as unknown as { locks?: LockManager }
  // Only secure contexts have them. Others are no place for secrets, and what is left is not to trip over oneself.
  if (locks === undefined) return lockInPage(path)
  const released = Promise.withResolvers<void>()
  const acquired = Promise.withResolvers<boolean>()
  const over = locks.request(`${DATABASE}:${path}`, { ifAvailable: true }, async (lock) => {
    acquired.resolve(lock !== null)
    if (lock !== null) await released.promise
  })
  over.catch(acquired.reject)
  if (!(await acquired.promise)) throw new MixnetError('LOCKED', { path })
  return {
    async release() {
      released.resolve()
      await over
    },
  }
}
