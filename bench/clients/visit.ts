/** One visit of somebody new: a fresh browser opens the page of a client, and the client does what is measured. @module */
import { SECURE_SITE, SITE } from '../../test/browser/network.ts'
import { pattern, sha256 } from '../../test/browser/site.ts'
import { BareChromium } from './bareChromium.ts'
import type { ClientFolder, ClientPages, Shipped } from './clientPages.ts'
import { cpuSeconds, memoryUse } from './processUsage.ts'

export interface Contender {
  readonly name: string
  readonly folder: ClientFolder
  /** What its page gives it. */
  readonly options: Readonly<Record<string, unknown>>
}

export interface VisitPlan {
  /** Of the first request. */
  readonly scheme: Scheme
  /** Requests one after another; none and nothing after the first response is measured. */
  readonly series: number
  readonly batches: number
  readonly idleSeconds: number
}

export type Scheme = 'http' | 'https'

export interface Requests {
  /** Milliseconds. */
  readonly series: readonly number[]
  /** Milliseconds until the last of ten is there, batch by batch. */
  readonly batches: readonly number[]
  readonly eachOfTen: readonly number[]
  readonly download: number
}

export interface Visit {
  /** Milliseconds from the start of the navigation. */
  readonly connected: number
  readonly first: number
  readonly shipped: Shipped
  readonly requests?: Readonly<Record<Scheme, Requests>>
  readonly idle?: Idle
}

export interface Idle {
  /** Of one core, in percent: the page's process, and all others of its browser. */
  readonly pageCpu: number
  readonly browserCpu: number
  readonly memoryBytes: number
  readonly peakBytes: number
}

const SITES: Readonly<Record<Scheme, string>> = { http: SITE, https: SECURE_SITE }
const AT_ONCE = 10
const MEGABYTE = 1_000_000
// A client that panics settles nothing any more: every step ends by itself.
const FIRST_LIMIT_MS = 60_000
const REQUEST_LIMIT_MS = 20_000
const DOWNLOAD_LIMIT_MS = 60_000
/** What the requests left behind to do is done. */
const SETTLING_MS = 3_000

/** Throws where the client fails, or takes too long over anything. */
export async function visit(contender: Contender, pages: ClientPages, plan: VisitPlan): Promise<Visit> {
  const browser = await BareChromium.launch()
  try {
    pages.takeShipped()
    const first = `${SITES[plan.scheme]}/hello?who=first`
    const fragment = encodeURIComponent(JSON.stringify({ options: contender.options, first }))
    await browser.open(`${pages.url(contender.folder)}#${fragment}`)
    const begun = await browser.value<{
      readonly value?: { readonly connected: number; readonly first: number }
      readonly error?: string
    }>('begun', FIRST_LIMIT_MS)
    if (begun.value === undefined) throw new Error(`no first response: ${begun.error}`)
    const started = { ...begun.value, shipped: pages.takeShipped() }
    if (plan.series === 0) return started
    const http = await requests(browser, SITES.http, plan)
    const https = await requests(browser, SITES.https, plan)
    return { ...started, requests: { http, https }, idle: await idle(browser, plan.idleSeconds) }
  } finally {
    await browser.close()
  }
}

async function requests(browser: BareChromium, site: string, plan: VisitPlan): Promise<Requests> {
  const small = `${site}/hello?who=bench`
  const series = await browser.call<number[]>('series', [small, plan.series], plan.series * REQUEST_LIMIT_MS)
  const batches: number[] = []
  const eachOfTen: number[] = []
  for (let i = 0; i < plan.batches; i++) {
    const { each, all } = await browser.call<{ readonly each: number[]; readonly all: number }>(
      'batch',
      [small, AT_ONCE],
      AT_ONCE * REQUEST_LIMIT_MS,
    )
    batches.push(all)
    eachOfTen.push(...each)
  }
  const { ms, ...got } = await browser.call<{ readonly ms: number; readonly bytes: number; readonly sha256: string }>(
    'download',
    [`${site}/bytes?count=${MEGABYTE}`],
    DOWNLOAD_LIMIT_MS,
  )
  if (got.bytes !== MEGABYTE || got.sha256 !== sha256(pattern(MEGABYTE))) throw new Error('the download is not as sent')
  return { series, batches, eachOfTen, download: ms }
}

async function idle(browser: BareChromium, forSeconds: number): Promise<Idle> {
  await new Promise((resolve) => setTimeout(resolve, SETTLING_MS))
  const processes = await browser.processes()
  const pids = (inPage: boolean) =>
    processes.filter(({ type }) => (type === 'renderer') === inPage).map(({ pid }) => pid)
  const cpu = async (inPage: boolean) => sum(await Promise.all(pids(inPage).map(cpuSeconds)))
  const began = performance.now()
  const before = [await cpu(true), await cpu(false)] as const
  await new Promise((resolve) => setTimeout(resolve, forSeconds * 1000))
  const percent = 100_000 / (performance.now() - began)
  const [page, others] = [await cpu(true), await cpu(false)]
  const memory = await Promise.all(pids(true).map(memoryUse))
  return {
    pageCpu: (page - before[0]) * percent,
    browserCpu: (others - before[1]) * percent,
    memoryBytes: sum(memory.map(({ proportionalBytes }) => proportionalBytes)),
    peakBytes: sum(memory.map(({ peakBytes }) => peakBytes)),
  }
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
