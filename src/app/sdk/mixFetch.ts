/** `starling-mixnet/mix-fetch` on Node: there is no page here, hence no origin, and CORS says nothing, as in Node's own fetch. @module */
import {
  createMixFetchApi,
  type MixFetchApi,
  RESPONSE_BODY_DEFAULTS,
  type ResponseBodyConfigMap,
} from './mixFetchApi.ts'
import { nodeRuntime } from './nymSdkNode.ts'

export type {
  IMixFetch,
  IMixFetchFn,
  MixFetchArgs,
  ResponseBodyConfigMap,
  ResponseBodyMethod,
  SetupMixFetchOps,
} from './mixFetchApi.ts'

const api: MixFetchApi = createMixFetchApi({
  runtime: nodeRuntime,
  holder: { instance: undefined },
  page: () => undefined,
})

export const createMixFetch: MixFetchApi['createMixFetch'] = api.createMixFetch
export const mixFetch: MixFetchApi['mixFetch'] = api.mixFetch
export const disconnectMixFetch: MixFetchApi['disconnectMixFetch'] = api.disconnectMixFetch
export const ResponseBodyConfigMapDefaults: ResponseBodyConfigMap = RESPONSE_BODY_DEFAULTS
export const EventKinds: { readonly Loaded: 'Loaded' } = { Loaded: 'Loaded' }
