/** Logs of our contracts as events, by the ABIs. @module */
import { decodeEventLog, encodeEventTopics, toEventSelector } from 'viem/utils'
import { ABIS, type ContractName } from './abis.ts'
import type { Address, Hex } from './chain.ts'
import type { Deployment } from './deployment.ts'
import type { AnyLedgerEvent } from './ledger.ts'
import type { RawLog } from './rpcValues.ts'

/** What `eth_getLogs` is asked for. */
export interface LogFilter {
  readonly address: Address | readonly Address[]
  readonly topics: readonly (Hex | readonly Hex[] | null)[]
}

/** Logs of one event, with any of the given values of its indexed parameters. */
export function eventFilter(deployment: Deployment, contract: ContractName, event: string, filter: unknown): LogFilter {
  const request = { abi: ABIS[contract], eventName: event, args: filter } as Parameters<typeof encodeEventTopics>[0]
  return { address: deployment.addresses[contract], topics: encodeEventTopics(request) as LogFilter['topics'] }
}

/** Logs of every event of the contracts. */
export function contractsFilter(deployment: Deployment, contracts: readonly ContractName[]): LogFilter {
  return { address: contracts.map((name) => deployment.addresses[name]), topics: [[...selectorsOf(contracts)]] }
}

function selectorsOf(contracts: readonly ContractName[]): ReadonlySet<Hex> {
  const items = contracts.flatMap((name) => ABIS[name] as readonly { readonly type: string }[])
  return new Set(
    items
      .filter(({ type }) => type === 'event')
      .map((item) => toEventSelector(item as Parameters<typeof toEventSelector>[0])),
  )
}

/** undefined for what is no event of a contract of ours: whoever answers may add what he likes, and contracts log for each other. */
export function eventOf(contracts: ReadonlyMap<string, ContractName>, log: RawLog): AnyLedgerEvent | undefined {
  const contract = contracts.get(log.address)
  if (contract === undefined) return undefined
  const { block, blockHash, transactionHash, logIndex } = log
  try {
    const request = { abi: ABIS[contract], topics: log.topics, data: log.data, strict: true }
    const decoded = decodeEventLog(request as unknown as Parameters<typeof decodeEventLog>[0])
    const args: unknown = decoded.args ?? {}
    return { contract, event: decoded.eventName, args, block, blockHash, transactionHash, logIndex } as AnyLedgerEvent
  } catch {
    return undefined
  }
}

/** By address in lower case, as checked answers have it. */
export function contractsByAddress({ addresses }: Pick<Deployment, 'addresses'>): ReadonlyMap<string, ContractName> {
  return new Map(Object.entries(addresses).map(([name, address]) => [address.toLowerCase(), name as ContractName]))
}
