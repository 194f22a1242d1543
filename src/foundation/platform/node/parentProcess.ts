/** Notices that the program which started this one is gone. @module */
import { readFileSync } from 'node:fs'

const LOOK_AGAIN_MS = 500

/**
 * Calls back once, when it is gone; returns what ends the watching. Killed, npm takes nothing along: it runs scripts through a shell,
 * and either the shell dies (and we are somebody else's child) or it outlives npm, and waits for us. So where the parent's parent
 * calls itself npm, it is watched as well; on systems without /proc, and on Windows, where orphans keep their parent's number,
 * only what the parent's number tells.
 */
export function whenParentGone(gone: () => void): () => void {
  const parent = process.ppid
  const npm = npmAbove(parent)
  const timer = setInterval(() => {
    if (process.ppid === parent && (npm === undefined || isAlive(npm))) return
    clearInterval(timer)
    gone()
  }, LOOK_AGAIN_MS)
  timer.unref()
  return () => clearInterval(timer)
}

function npmAbove(id: number): number | undefined {
  try {
    // "id (name) state parent …", where the name may have spaces and brackets.
    const above = Number(/\) \S (\d+) [^)]*$/.exec(readFileSync(`/proc/${id}/stat`, 'utf8'))?.[1])
    return readFileSync(`/proc/${above}/comm`, 'utf8').startsWith('npm') ? above : undefined
  } catch {
    return undefined
  }
}

function isAlive(id: number): boolean {
  try {
    process.kill(id, 0)
    return true
  } catch (error) {
    return (error as { code?: unknown }).code === 'EPERM'
  }
}
