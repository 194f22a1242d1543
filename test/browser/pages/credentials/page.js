// A page that makes a book and spends of it, for the test to ask step by step. Bytes cross in base64.

const toBase64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))
const fromBase64 = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0))

const mapped = (value, leaf) => {
  const found = leaf(value)
  if (found !== undefined) return found
  if (Array.isArray(value)) return value.map((item) => mapped(item, leaf))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapped(item, leaf)]))
}
const packed = (value) => mapped(value, (item) => (item instanceof Uint8Array ? { base64: toBase64(item) } : undefined))
const unpacked = (value) =>
  mapped(value, (item) => (typeof item?.base64 === 'string' ? fromBase64(item.base64) : undefined))

let engine

globalThis.load = async () => {
  const { loadPageEngine } = await import('./src/app/sdk/webCredentialEngine.ts')
  engine = await loadPageEngine()
}
globalThis.close = () => engine.close()

/** What a method gives, how often a timer of the page fired meanwhile, and how long the page stood still at most. */
globalThis.ask = async (method, ...args) => {
  let ticks = 0
  let stall = 0
  const started = performance.now()
  let last = started
  const tick = () => {
    const now = performance.now()
    stall = Math.max(stall, now - last)
    last = now
  }
  const timer = setInterval(() => {
    ticks++
    tick()
  }, 4)
  try {
    return { value: packed(await engine[method](...unpacked(args))), ticks, ...done() }
  } catch (error) {
    return { code: error.code ?? String(error), ticks, ...done() }
  } finally {
    clearInterval(timer)
  }

  function done() {
    tick()
    return { stall, took: last - started }
  }
}
