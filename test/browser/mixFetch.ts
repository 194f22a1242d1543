/** The official mix-fetch as the tests use it. @module */
import { DEADLINE_MS, type OfficialPage } from './officialPage.ts'
import type { Stage } from './stage.ts'

export interface MixFetchAnswer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** What was thrown instead. */
  readonly error?: string
}

export async function setUpMixFetch(
  page: OfficialPage,
  { network, options }: Stage,
  more: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  await page.call('setUp', {
    ...options,
    // With an API of one's own it looks for no requester by itself.
    preferredNetworkRequester: network.requester,
    // Its default of 5 s is for idle machines.
    mixFetchOverride: { requestTimeoutMs: DEADLINE_MS },
    ...more,
  })
}

export async function requestThrough(
  page: OfficialPage,
  url: string,
  init: Readonly<Record<string, unknown>> = {},
  deadline: number = DEADLINE_MS,
): Promise<MixFetchAnswer> {
  type Told = Omit<MixFetchAnswer, 'body'> & { readonly body?: string }
  const answer = await page.callWithin<Told>(deadline, 'request', url, init)
  const { body, ...rest } = answer
  return body === undefined ? rest : { ...rest, body: Buffer.from(body, 'base64') }
}
