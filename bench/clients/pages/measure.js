// What both clients are asked to do, and what the time is taken of: inside the page, so that no driver is in between. What to
// begin with stands in the page's address, since the first thing measured is how long a page takes from its very beginning.

/** `open(options)` resolves with something like `fetch`. */
export function measure(open) {
  const { options, first } = JSON.parse(decodeURIComponent(location.hash.slice(1)))
  let request

  const body = async (url) => {
    const response = await request(url)
    const bytes = new Uint8Array(await response.arrayBuffer())
    if (response.status !== 200) throw new Error(`status ${response.status} of ${url}`)
    return bytes
  }
  const took = async (work) => {
    const before = performance.now()
    await work()
    return performance.now() - before
  }

  const begin = async () => {
    request = await open(options)
    const connected = performance.now()
    await body(first)
    // Both count from the start of the navigation.
    return { connected, first: performance.now() }
  }

  Object.assign(globalThis, {
    begun: begin().then(
      (value) => ({ value }),
      (error) => ({ error: String(error?.message ?? error) }),
    ),
    /** Milliseconds of each, one after another. */
    async series(url, count) {
      const each = []
      for (let i = 0; i < count; i++) each.push(await took(() => body(url)))
      return each
    },
    /** Milliseconds of each, and until the last one is there. */
    async batch(url, count) {
      let each
      const all = await took(async () => {
        each = await Promise.all(Array.from({ length: count }, () => took(() => body(url))))
      })
      return { each, all }
    },
    /** Milliseconds, and what came, for the bench to check. */
    async download(url) {
      let bytes
      const ms = await took(async () => {
        bytes = await body(url)
      })
      const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
      return {
        ms,
        bytes: bytes.length,
        sha256: Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join(''),
      }
    },
  })
}
