/** What undici and Node's `fetch` add to requests that tells this client from others, or how it is written. @module */

const UNDICI_USER_AGENTS: ReadonlySet<unknown> = new Set(['undici', 'node'])

/** Without those traces, where the caller did not ask for them. */
export function withoutTraces(headers: Readonly<Record<string, string>>, userAgent: string): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase()
    if (lower === 'sec-fetch-mode' || (lower === 'accept-language' && value === '*')) continue
    kept[name] = lower === 'user-agent' && UNDICI_USER_AGENTS.has(value) ? userAgent : value
  }
  return kept
}

/** Whether it was undici's `fetch` that wrote them: its caller named no program, so all that goes with that is undici's too. */
export function isOfFetch(headers: unknown): headers is Record<string, string> {
  return (
    typeof headers === 'object' &&
    headers !== null &&
    'user-agent' in headers &&
    UNDICI_USER_AGENTS.has(headers['user-agent'])
  )
}
