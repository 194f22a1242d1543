/** How long the process lives: while something is awaited that has no socket open, since platform timers hold it up no more than that. @module */

const LONGEST_INTERVAL_MS = 2 ** 31 - 1
const END_LOOK_MS = 1000

/** Until the returned function is called. */
export function holdProcess(): () => void {
  const timer = setInterval(() => {}, LONGEST_INTERVAL_MS)
  return () => clearInterval(timer)
}

/**
 * Its work is done: within some seconds it ends, with `process.exitCode`, once what it has written is taken. Without this, whatever still waits for
 * an answer that nobody needs any more would hold it until its own deadline.
 */
export function endProcessSoon(): void {
  const look = (): void => {
    if (process.stdout.writableLength + process.stderr.writableLength === 0) process.exit()
    setTimeout(look, END_LOOK_MS).unref()
  }
  setTimeout(look, END_LOOK_MS).unref()
}
