/**
 * What a network is: its name, its ledger, its contracts and where its APIs are; `network/details`, versions 1 and 2, which
 * differ in where the API addresses stand. Format: docs/spec/directory.md. @module
 */
import { type Json, type JsonObject, parseJson } from './json.ts'

export interface Denomination {
  readonly base: string
  readonly display: string
  readonly displayExponent: number
}

export interface LedgerEndpoint {
  readonly nyxdUrl: string
  readonly websocketUrl: string | undefined
  readonly apiUrl: string | undefined
}

export interface ApiUrl {
  readonly url: string
  /** Other hosts that answer for it. */
  readonly frontHosts: readonly string[] | undefined
}

export type ContractName = (typeof CONTRACTS)[number]

export interface NetworkDetails {
  /** The ledger node that this directory uses. */
  readonly connectedNyxd: string
  readonly networkName: string
  readonly bech32Prefix: string
  readonly mixDenomination: Denomination
  readonly stakeDenomination: Denomination
  readonly endpoints: readonly LedgerEndpoint[]
  /** The contracts that exist. */
  readonly contracts: Readonly<Partial<Record<ContractName, string>>>
  readonly nymApiUrls: readonly ApiUrl[]
  readonly nymVpnApiUrls: readonly ApiUrl[]
  /** Addresses of host names for when names do not resolve; version 2 only. */
  readonly dnsFallbacks: readonly { readonly url: string; readonly addresses: readonly string[] }[]
}

export type NetworkDetailsVersion = 1 | 2

const MAX_ITEMS = 1024
const CONTRACTS = [
  'mixnet',
  'vesting',
  'performance',
  'network_monitors',
  'node_families',
  'directory',
  'geolocation',
  'ecash',
  'group',
  'multisig',
  'coconut_dkg',
] as const

export function encodeNetworkDetails(details: NetworkDetails, version: NetworkDetailsVersion): JsonObject {
  const network = {
    network_name: details.networkName,
    chain_details: {
      bech32_account_prefix: details.bech32Prefix,
      mix_denom: encodeDenomination(details.mixDenomination),
      stake_denom: encodeDenomination(details.stakeDenomination),
    },
    endpoints: details.endpoints.map(({ nyxdUrl, websocketUrl, apiUrl }) => ({
      nyxd_url: nyxdUrl,
      websocket_url: websocketUrl ?? null,
      api_url: apiUrl ?? null,
    })),
    contracts: Object.fromEntries(
      CONTRACTS.map((name) => [`${name}_contract_address`, details.contracts[name] ?? null]),
    ),
  }
  const nymApis = details.nymApiUrls.map(encodeApiUrl)
  const nymVpnApis = details.nymVpnApiUrls.map(encodeApiUrl)
  const apis: JsonObject =
    version === 1
      ? {
          nym_vpn_api_url: details.nymVpnApiUrls[0]?.url ?? null,
          nym_api_urls: nymApis.length === 0 ? null : nymApis,
          nym_vpn_api_urls: nymVpnApis.length === 0 ? null : nymVpnApis,
        }
      : {
          networking: {
            nym_api_urls: nymApis,
            nym_vpn_api_urls: nymVpnApis,
            dns_fallbacks: details.dnsFallbacks.map(({ url, addresses }) => ({ url, addresses })),
          },
        }
  return { connected_nyxd: details.connectedNyxd, network: { ...network, ...apis } }
}

/** Reads both versions. */
export function decodeNetworkDetails(text: string): NetworkDetails {
  const json = parseJson(text, 'network details')
  const network = json.field('network')
  const chain = network.field('chain_details')
  const networking = network.field('networking')
  const apis = networking.present ? networking : network
  const urls = (name: string): ApiUrl[] => apis.field(name).optional((list) => list.array(MAX_ITEMS, readApiUrl)) ?? []
  const texts = (list: Json): string[] => list.array(MAX_ITEMS, (item) => item.string())
  return {
    connectedNyxd: json.field('connected_nyxd').string(),
    networkName: network.field('network_name').string(),
    bech32Prefix: chain.field('bech32_account_prefix').string(),
    mixDenomination: readDenomination(chain.field('mix_denom')),
    stakeDenomination: readDenomination(chain.field('stake_denom')),
    endpoints: network.field('endpoints').array(MAX_ITEMS, (endpoint) => ({
      nyxdUrl: endpoint.field('nyxd_url').string(),
      websocketUrl: optionalText(endpoint.field('websocket_url')),
      apiUrl: optionalText(endpoint.field('api_url')),
    })),
    contracts: readContracts(network.field('contracts')),
    nymApiUrls: urls('nym_api_urls'),
    nymVpnApiUrls: urls('nym_vpn_api_urls'),
    dnsFallbacks:
      apis.field('dns_fallbacks').optional((list) =>
        list.array(MAX_ITEMS, (item) => ({
          url: item.field('url').string(),
          addresses: texts(item.field('addresses')),
        })),
      ) ?? [],
  }
}

const optionalText = (json: Json): string | undefined => json.optional((text) => text.string())

function encodeDenomination({ base, display, displayExponent }: Denomination): JsonObject {
  return { base, display, display_exponent: displayExponent }
}

function readDenomination(json: Json): Denomination {
  return {
    base: json.field('base').string(),
    display: json.field('display').string(),
    displayExponent: json.field('display_exponent').u32(),
  }
}

const encodeApiUrl = ({ url, frontHosts }: ApiUrl): JsonObject => ({ url, front_hosts: frontHosts ?? null })

function readApiUrl(json: Json): ApiUrl {
  return {
    url: json.field('url').string(),
    frontHosts: json.field('front_hosts').optional((hosts) => hosts.array(MAX_ITEMS, (host) => host.string())),
  }
}

function readContracts(json: Json): Partial<Record<ContractName, string>> {
  const contracts: Partial<Record<ContractName, string>> = {}
  for (const name of CONTRACTS) {
    const address = optionalText(json.field(`${name}_contract_address`))
    if (address !== undefined) contracts[name] = address
  }
  return contracts
}
