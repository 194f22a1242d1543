// The part of IndexedDB and Web Locks that foundation/platform/web uses, since the DOM library is not loaded: with it, every
// room could name `window` without the compiler's objection.
interface IDBRequest<T> {
  result: T
  error: unknown
  onsuccess: (() => void) | null
  onerror: (() => void) | null
}

interface IDBOpenRequest extends IDBRequest<IDBDatabase> {
  onupgradeneeded: (() => void) | null
  onblocked: (() => void) | null
}

interface IDBObjectStore {
  get(key: string): IDBRequest<unknown>
  getAllKeys(range: unknown): IDBRequest<unknown[]>
  put(value: unknown, key: string): IDBRequest<unknown>
  delete(key: string): IDBRequest<unknown>
}

interface IDBTransaction {
  objectStore(name: string): IDBObjectStore
  error: unknown
  oncomplete: (() => void) | null
  onerror: (() => void) | null
  onabort: (() => void) | null
}

interface IDBDatabase {
  createObjectStore(name: string): unknown
  transaction(store: string, mode: 'readonly' | 'readwrite', options?: { durability: 'strict' }): IDBTransaction
  close(): void
  onversionchange: (() => void) | null
}

declare const indexedDB: { open(name: string, version: number): IDBOpenRequest } | undefined
declare const IDBKeyRange: { bound(lower: string, upper: string, lowerOpen: boolean, upperOpen: boolean): unknown }
