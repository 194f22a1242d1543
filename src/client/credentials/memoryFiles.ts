/** Where a client without a folder keeps its tickets: they end with it. @module */
import { MixnetError } from '../../foundation/base/errors.ts'
import type { ClientFiles } from '../../foundation/platform/files.ts'

export function memoryFiles(): ClientFiles {
  const files = new Map<string, Uint8Array>()
  const locked = new Set<string>()
  return {
    read: async (path) => files.get(path)?.slice(),
    async write(path, contents) {
      files.set(path, contents.slice())
    },
    async list(folder) {
      const inside = [...files.keys()].filter((path) => path.startsWith(`${folder}/`))
      return inside.map((path) => path.slice(folder.length + 1).split('/')[0] as string).sort()
    },
    async remove(path) {
      files.delete(path)
    },
    async lock(path) {
      if (locked.has(path)) throw new MixnetError('LOCKED', { path })
      locked.add(path)
      return { release: async () => void locked.delete(path) }
    },
  }
}
