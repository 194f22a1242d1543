/** `starling-mixnet/mix-fetch` in pages and workers. @module */
import {
  createMixFetchApi,
  type IMixFetch,
  type MixFetchApi,
  type MixFetchHolder,
  RESPONSE_BODY_DEFAULTS,
  type ResponseBodyConfigMap,
} from './mixFetchApi.ts'
import { webRuntime } from './nymSdkWeb.ts'

export type {
  IMixFetch,
  IMixFetchFn,
  MixFetchArgs,
  ResponseBodyConfigMap,
  ResponseBodyMethod,
  SetupMixFetchOps,
} from './mixFetchApi.ts'

interface PageGlobals {
  /** Of windows and workers; 'null' where a page has none of its own, which only a site open to all lets in. */
  readonly origin?: string
  readonly location?: { readonly href: string }
  __mixFetchGlobal?: IMixFetch | undefined
}

const globals = globalThis as PageGlobals
let instance: IMixFetch | undefined

/** Page code may look for the instance where the official package puts it. We never do: that one may be there, and is another client. */
const holder: MixFetchHolder = {
  get instance() {
    return instance
  },
  set instance(value) {
    if (globals.__mixFetchGlobal === instance) globals.__mixFetchGlobal = value
    instance = value
  },
}

const api: MixFetchApi = createMixFetchApi({
  runtime: webRuntime,
  holder,
  page() {
    const { origin, location } = globals
    return origin === undefined || location === undefined ? undefined : { origin, url: location.href }
  },
})

export const createMixFetch: MixFetchApi['createMixFetch'] = api.createMixFetch
export const mixFetch: MixFetchApi['mixFetch'] = api.mixFetch
export const disconnectMixFetch: MixFetchApi['disconnectMixFetch'] = api.disconnectMixFetch
export const ResponseBodyConfigMapDefaults: ResponseBodyConfigMap = RESPONSE_BODY_DEFAULTS
export const EventKinds: { readonly Loaded: 'Loaded' } = { Loaded: 'Loaded' }
