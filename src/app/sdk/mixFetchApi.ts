/**
 * The interface of `@nymproject/mix-fetch` 1.4.4, over a client of ours. What is different, and why: docs/compatibility.md, "Our
 * drop-ins"; from one to the other: docs/guides/from-mix-fetch.md. @module
 */
import type { MixnetCore } from '../../client/mixnetCore.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { type Millis, seconds } from '../../foundation/base/units.ts'
import { admitted, type CorsRequest, checkRequest, modeOf, tellsOrigin } from './mixFetchCors.ts'
import { duration, mixnetOptions, type NymClientOptions } from './nymSdkOptions.ts'
import { type Identity, type NymRuntime, takeAnyIdentity } from './nymSdkRuntime.ts'

export interface SetupMixFetchOps extends NymClientOptions {
  /** Address of the network requester. Default: one that the directory lists, and another where it goes silent. */
  readonly preferredNetworkRequester?: string | undefined
  readonly mixFetchOverride?:
    | {
        /** From the call to the last byte of the body. Default 60 s. */
        readonly requestTimeoutMs?: number | undefined
      }
    | undefined
  /** Bodies arrive as they were sent, whatever their type: not looked at. */
  readonly responseBodyConfigMap?: ResponseBodyConfigMap | undefined
  /** Of earlier versions; gateways come from the directory: not looked at. */
  readonly extra?: unknown
}

export type ResponseBodyMethod = 'uint8array' | 'json' | 'text' | 'formData' | 'blob'

export type ResponseBodyConfigMap = {
  readonly [method in ResponseBodyMethod]?: readonly (RegExp | string)[] | undefined
} & { readonly fallback?: ResponseBodyMethod | undefined }

/** Exported by the official package, and what it does by them. */
export const RESPONSE_BODY_DEFAULTS: ResponseBodyConfigMap = {
  uint8array: ['application/octet-stream'],
  json: ['application/json', 'text/json', /application\/json.*/, /text\/json\+.*/],
  text: ['text/plain', /text\/plain.*/, 'text/html', /text\/html.*/],
  formData: ['application/x-www-form-urlencoded', 'multipart/form-data'],
  blob: [/image\/.*/, /video\/.*/],
  fallback: 'blob',
}

/** As of `fetch`; `mode` may be 'unsafe-ignore-cors' as well. */
export type MixFetchArgs = Omit<RequestInit, 'mode'> & { readonly mode?: RequestInit['mode'] | 'unsafe-ignore-cors' }

/**
 * As `fetch`, through the mixnet. Rejects with MixnetErrors (EXIT_REFUSED, HOST_UNKNOWN, CORS_REFUSED, TIMEOUT …), or with the
 * reason of the caller's signal where that was aborted. Options count the first time only, where nothing is set up yet.
 */
export type IMixFetchFn = (
  url: string | URL | Request,
  args?: MixFetchArgs,
  opts?: SetupMixFetchOps,
) => Promise<Response>

export interface IMixFetch {
  readonly mixFetch: IMixFetchFn
  readonly setupMixFetch: (opts?: SetupMixFetchOps) => Promise<void>
  readonly disconnectMixFetch: () => Promise<void>
}

export interface MixFetchApi {
  /**
   * Connects, once for all who ask. Rejects with BAD_ARGUMENT for options that cannot be kept, and as `connect` of this package; it may
   * be called again then.
   */
  readonly createMixFetch: (opts?: SetupMixFetchOps) => Promise<IMixFetch>
  readonly mixFetch: IMixFetchFn
  /** Ends all requests with STOPPED. Rejects with STOPPED where nothing was set up. */
  readonly disconnectMixFetch: () => Promise<void>
}

/** Where the one instance is kept. */
export interface MixFetchHolder {
  instance: IMixFetch | undefined
}

interface FetchingMixnet extends MixnetCore {
  readonly fetch: (input: string | URL | Request, init?: RequestInit & { timeout?: Millis }) => Promise<Response>
}

interface Running {
  readonly mixnet: FetchingMixnet
  readonly identity: Identity
  readonly timeout: Millis
}

export interface MixFetchSurroundings {
  readonly runtime: NymRuntime<FetchingMixnet>
  readonly holder: MixFetchHolder
  /** Of the page, for CORS and relative URLs. */
  readonly page: () => { readonly origin: string; readonly url: string } | undefined
}

const REQUEST_TIMEOUT = seconds(60)
// Tabs of one site: each has guards of its own, so more would meet more gateways than one person should.
const MAX_TABS = 8

export function createMixFetchApi({ runtime, holder, page }: MixFetchSurroundings): MixFetchApi {
  let starting: Promise<IMixFetch> | undefined

  async function connect(opts: SetupMixFetchOps): Promise<Running> {
    const { preferredNetworkRequester: exit, mixFetchOverride, storagePassphrase: passphrase, clientId } = opts
    const requestTimeoutMs = mixFetchOverride?.requestTimeoutMs
    const timeout = duration('mixFetchOverride.requestTimeoutMs', requestTimeoutMs, 1) ?? REQUEST_TIMEOUT
    const options = mixnetOptions(opts)
    const identity = await takeAnyIdentity(runtime.world, runtime.folderOf('mix-fetch', clientId), MAX_TABS)
    try {
      const mixnet = await runtime.connect({ ...options, folder: identity.folder, locked: true, passphrase, exit })
      return { mixnet, identity, timeout }
    } catch (error) {
      await identity.release()
      throw error
    }
  }

  function newInstance(): IMixFetch {
    let running: Promise<Running> | undefined
    const instance: IMixFetch = {
      async setupMixFetch(opts = {}) {
        if (running !== undefined) {
          throw new MixnetError('BAD_ARGUMENT', {}, { message: 'mixFetch has already been initialised' })
        }
        const connecting = connect(opts)
        running = connecting
        try {
          await connecting
        } catch (error) {
          if (running === connecting) running = undefined
          throw error
        }
      },
      async mixFetch(url, args) {
        if (running === undefined) throw notSetUp()
        return await request(await running, url, args ?? {})
      },
      async disconnectMixFetch() {
        const stopping = running
        if (stopping === undefined) throw notSetUp()
        running = undefined
        if (holder.instance === instance) holder.instance = undefined
        const { mixnet, identity } = await stopping
        await mixnet.close().finally(() => identity.release())
      },
    }
    return instance
  }

  async function request(
    { mixnet, timeout }: Running,
    input: string | URL | Request,
    { mode: given, ...init }: MixFetchArgs,
  ): Promise<Response> {
    const { origin, url: base } = page() ?? { origin: undefined, url: undefined }
    const asked = typeof input === 'string' || input instanceof URL ? undefined : input
    const target = asked ?? urlOf(String(input), base)
    const method = (init.method ?? asked?.method ?? 'GET').toUpperCase()
    const rules: CorsRequest = {
      mode: modeOf(given ?? asked?.mode),
      credentials: init.credentials ?? asked?.credentials ?? 'same-origin',
      redirect: init.redirect ?? asked?.redirect ?? 'follow',
      origin,
    }
    checkRequest(target instanceof URL ? target : new URL(target.url), rules)
    const headers = tellsOrigin(method, init.referrerPolicy ?? asked?.referrerPolicy, rules)
      ? withOrigin(init.headers ?? asked?.headers, origin as string)
      : init.headers
    const options = { ...init, timeout, ...(headers === undefined ? {} : { headers }) }
    return admitted(await mixnet.fetch(target, options), rules)
  }

  function createMixFetch(opts?: SetupMixFetchOps): Promise<IMixFetch> {
    const present = holder.instance
    if (present !== undefined) return Promise.resolve(present)
    starting ??= begin(opts).finally(() => {
      starting = undefined
    })
    return starting
  }

  async function begin(opts: SetupMixFetchOps | undefined): Promise<IMixFetch> {
    const instance = newInstance()
    await instance.setupMixFetch(opts)
    holder.instance = instance
    return instance
  }

  return {
    createMixFetch,
    async mixFetch(url, args, opts) {
      // Nobody has said yet which network.
      if (opts === undefined && holder.instance === undefined && starting === undefined) throw notSetUp()
      return await (await createMixFetch(opts)).mixFetch(url, args)
    },
    async disconnectMixFetch() {
      const instance = holder.instance ?? (await starting)
      if (instance === undefined) throw notSetUp()
      await instance.disconnectMixFetch()
    },
  }
}

const notSetUp = (): MixnetError =>
  new MixnetError('STOPPED', {}, { message: "mixFetch hasn't been setup", nextStep: 'Call createMixFetch first.' })

function urlOf(url: string, base: string | undefined): URL {
  const parsed = URL.parse(url, base)
  // What `new URL` throws carries the URL into whoever logs its causes.
  if (parsed === null) throw new MixnetError('BAD_ARGUMENT', { argument: 'URL' })
  return parsed
}

/** In the spelling and the order of the caller. */
function withOrigin(headers: RequestInit['headers'], origin: string): NonNullable<RequestInit['headers']> {
  if (new Headers(headers).has('origin')) return headers as NonNullable<RequestInit['headers']>
  if (Array.isArray(headers)) return [...headers, ['Origin', origin]]
  if (headers === undefined || !(headers instanceof Headers)) return { ...headers, Origin: origin }
  const more = new Headers(headers)
  more.set('Origin', origin)
  return more
}
