/** Small answers of the directory: its health, its refusals, and which node stands behind an address. @module */
import { type JsonObject, parseJson } from './json.ts'

/** `api-status/health`. */
export interface ApiHealth {
  /** `stalled`: how long ago the ledger last moved, in words ("5m"). */
  readonly chainStatus: 'synced' | 'unknown' | { readonly stalled: string }
  readonly uptimeSeconds: number
}

const MAX_ADDRESSES = 4096
const MAX_REQUEST_CHARACTERS = 1024 * 1024

export function encodeApiHealth({ chainStatus, uptimeSeconds }: ApiHealth): JsonObject {
  const chain = typeof chainStatus === 'string' ? chainStatus : { stalled: { approximate_amount: chainStatus.stalled } }
  return { status: 'up', chain_status: chain, uptime: uptimeSeconds }
}

export function decodeApiHealth(text: string): ApiHealth {
  const json = parseJson(text, 'API health')
  json.field('status').oneOf(['up'])
  const chain = json.field('chain_status')
  const chainStatus = chain.isString
    ? chain.oneOf(['synced', 'unknown'])
    : { stalled: chain.field('stalled').field('approximate_amount').string() }
  return { chainStatus, uptimeSeconds: json.field('uptime').integer() }
}

/** The body of every refusal. */
export const encodeRequestError = (message: string): JsonObject => ({ message })

/** `POST nym-nodes/by-addresses`. */
export const encodeAddressesRequest = (ips: readonly string[]): JsonObject => ({ addresses: ips })

export function decodeAddressesRequest(text: string): string[] {
  const json = parseJson(text, 'addresses request', MAX_REQUEST_CHARACTERS)
  return json.field('addresses').array(MAX_ADDRESSES, (ip) => ip.ip())
}

/** The id of the node behind each address, undefined where there is none. */
export function encodeAddressesAnswer(existence: ReadonlyMap<string, number | undefined>): JsonObject {
  return { existence: Object.fromEntries([...existence].map(([ip, nodeId]) => [ip, nodeId ?? null])) }
}

export function decodeAddressesAnswer(text: string): Map<string, number | undefined> {
  const existence = parseJson(text, 'addresses answer').field('existence')
  return new Map(existence.entries(MAX_ADDRESSES, (nodeId) => nodeId.optional((id) => id.u32())))
}
