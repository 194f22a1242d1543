/** Files of a simulated machine: in memory, outliving the processes on it. @module */
import { posix } from 'node:path'
import { concat } from '../../base/bytes.ts'
import { MixnetError } from '../../base/errors.ts'
import type { AppendFile, Files, Lock } from '../files.ts'
import type { Life } from './life.ts'

/** Every operation is an event of its own: a process that crashes before it has written nothing. */
export function simulatedFiles(life: Life): Files {
  const { files } = life.machine
  return {
    kindOf(path) {
      const name = posix.normalize(path).replace(/\/$/, '')
      return life.later(() => {
        if (files.has(name)) return 'file'
        // As `write` makes them: where there is a file below.
        return [...files.keys()].some((one) => one.startsWith(`${name}/`)) ? 'folder' : undefined
      })
    },
    openAppend(path, { secret = false } = {}): Promise<AppendFile> {
      const name = posix.normalize(path)
      return life.later(() => {
        const file = files.get(name) ?? { pieces: [], secret }
        files.set(name, file)
        let closed = false
        return {
          append(bytes) {
            if (closed || !life.alive) throw new MixnetError('STOPPED', { what: 'append' })
            file.pieces.push(bytes.slice())
          },
          close() {
            closed = true
            return life.later(() => {})
          },
        }
      })
    },
    read(path) {
      return life.later(() => {
        const file = files.get(posix.normalize(path))
        if (file === undefined) return undefined
        const contents = concat(...file.pieces)
        file.pieces = [contents.slice()]
        return contents
      })
    },
    readRange(path, offset, length) {
      return life.later(() => {
        const file = files.get(posix.normalize(path))
        return file === undefined ? undefined : concat(...file.pieces).slice(offset, offset + length)
      })
    },
    write(path, contents, { secret = false } = {}) {
      const pieces = [contents.slice()]
      return life.later(() => {
        files.set(posix.normalize(path), { pieces, secret })
      })
    },
    list(folder) {
      const inside = folder === '' || folder === '.' ? '' : `${posix.normalize(folder).replace(/\/$/, '')}/`
      return life.later(() => {
        const names = new Set<string>()
        for (const path of files.keys()) {
          if (path.startsWith(inside)) names.add(path.slice(inside.length).split('/')[0] as string)
        }
        return [...names].sort()
      })
    },
    remove(path) {
      return life.later(() => {
        files.delete(posix.normalize(path))
      })
    },
    lock(path): Promise<Lock> {
      const name = posix.normalize(path)
      return life.later(() => {
        if (life.locks.has(name)) throw new MixnetError('LOCKED')
        life.locks.add(name)
        if (!files.has(name)) files.set(name, { pieces: [], secret: false })
        let held = true
        return {
          release() {
            return life.later(() => {
              if (held) life.locks.delete(name)
              held = false
            })
          },
        }
      })
    },
  }
}
