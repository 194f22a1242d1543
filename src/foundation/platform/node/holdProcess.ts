/** Keeps the process alive while something is awaited that has no socket open: platform timers do not. @module */

const LONGEST_INTERVAL_MS = 2 ** 31 - 1

/** Until the returned function is called. */
export function holdProcess(): () => void {
  const timer = setInterval(() => {}, LONGEST_INTERVAL_MS)
  return () => clearInterval(timer)
}
