/**
 * Makes every exported decoder tell what it is called with, by changing its module while it is loaded: what a decoder gets in a
 * running network has been decrypted and unwrapped on the way, and no tap on a wire would see it. To be imported before anything
 * else. @module
 */
import { registerHooks } from 'node:module'

export type Told = (decoder: string, args: readonly unknown[]) => void

declare global {
  var tellDecoder: Told | undefined
}

const ROOMS = /\/src\/(?:protocol|network|client|roles|app)\//
const DECODER =
  /^export (function|const) ((?:(?:decode|parse|open|unpad|read|recover|classify|step)[A-Z]\w*)|splitSurbAck|isCover)(?=[(<: ])/gm

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    if (!ROOMS.test(url) || typeof loaded.source === 'undefined' || loaded.source === null) return loaded
    const source =
      typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source as Uint8Array)
    const names: string[] = []
    const changed = source.replace(DECODER, (_match, kind: string, name: string) => {
      names.push(name)
      return `${kind} ${name}$real`
    })
    const wrappers = names.map(
      (name) =>
        `export function ${name}(...args: any[]): any { globalThis.tellDecoder?.('${name}', args); return (${name}$real as any)(...args) }`,
    )
    return { ...loaded, source: `${changed}\n${wrappers.join('\n')}\n` }
  },
})
