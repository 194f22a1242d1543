/** What a program gives us to call. @module */

/**
 * The same, and what it throws is its own affair: reported as uncaught, as of any event listener, a microtask later, when nothing of ours
 * is half done any more. Where the program lives on, its client does too.
 */
export function isolated<A extends readonly unknown[]>(
  callback: ((...args: A) => void) | undefined,
): ((...args: A) => void) | undefined {
  if (callback === undefined) return undefined
  return (...args) => {
    try {
      callback(...args)
    } catch (error) {
      queueMicrotask(() => {
        throw error
      })
    }
  }
}
