/** Files as an argument. @module */

export interface WriteOptions {
  /** Readable by the owner only (0600). */
  readonly secret?: boolean
}

export interface Lock {
  release(): Promise<void>
}

/** A file that only grows. What was appended survives kill -9 of the process (it is with the operating system), not power loss. */
export interface AppendFile {
  /** Synchronous: when it returns, the bytes are with the operating system. */
  append(bytes: Uint8Array): void
  close(): Promise<void>
}

/** `other`: a device, a pipe, a socket. */
export type FileKind = 'file' | 'folder' | 'other'

export interface Files {
  /** What a path leads to, links followed; undefined where there is nothing. */
  kindOf(path: string): Promise<FileKind | undefined>
  /** Opens for appending; makes the file and missing folders. Existing contents stay. */
  openAppend(path: string, options?: WriteOptions): Promise<AppendFile>
  /** undefined where there is no such file. */
  read(path: string): Promise<Uint8Array | undefined>
  /** At most `length` bytes from `offset`, fewer at the end of the file; undefined where there is none. */
  readRange(path: string, offset: number, length: number): Promise<Uint8Array | undefined>
  /** Atomic and durable: after a crash the file has either its old or its new contents. Makes missing folders. */
  write(path: string, contents: Uint8Array, options?: WriteOptions): Promise<void>
  /** Names in a folder, sorted; empty where there is none. */
  list(folder: string): Promise<readonly string[]>
  /** Nothing happens where there is no such file. */
  remove(path: string): Promise<void>
  /** An exclusive lock that dies with the process. Throws LOCKED. */
  lock(path: string): Promise<Lock>
}

/** What a client needs of them, and a browser has. */
export type ClientFiles = Pick<Files, 'read' | 'write' | 'list' | 'remove' | 'lock'>
