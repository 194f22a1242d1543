/** Questions of the execution API that more than one part asks. @module */
import type { Address, Block, Hex } from './chain.ts'
import type { RpcCall } from './jsonRpc.ts'
import {
  bytesOf,
  countOf,
  type Header,
  headerOf,
  mismatch,
  quantityOf,
  type RawReceipt,
  receiptOf,
} from './rpcValues.ts'

export const hexOf = (value: number | bigint): Hex => `0x${value.toString(16)}`

export const NEWEST_HEADER: RpcCall<Header | undefined> = {
  method: 'eth_getBlockByNumber',
  params: ['latest', false],
  decode: headerOf,
}

export const headerByNumber = (number: number): RpcCall<Header | undefined> => ({
  method: 'eth_getBlockByNumber',
  params: [hexOf(number), false],
  decode: headerOf,
})

/** By hash (EIP-1898): of that block, or refused once it is not the chain's any more. */
const tagOf = (block: Block | undefined): unknown =>
  block === undefined ? 'latest' : { blockHash: block.hash, requireCanonical: true }

export interface CallRequest {
  readonly from?: Address
  readonly to: Address | undefined
  readonly data: Hex
  readonly value?: bigint
}

const callParams = ({ from, to, data, value }: CallRequest) => ({
  ...(from === undefined ? {} : { from }),
  ...(to === undefined ? {} : { to }),
  data,
  ...(value === undefined ? {} : { value: hexOf(value) }),
})

export const ethCall = (request: CallRequest, block: Block | undefined): RpcCall<Hex> => ({
  method: 'eth_call',
  params: [callParams(request), tagOf(block)],
  decode: (result) => bytesOf(result, 'result of a call'),
})

export const estimateGas = (request: CallRequest): RpcCall<bigint> => ({
  method: 'eth_estimateGas',
  params: [callParams(request)],
  decode: (result) => quantityOf(result, 'gas estimate'),
})

export const PRIORITY_FEE: RpcCall<bigint> = {
  method: 'eth_maxPriorityFeePerGas',
  params: [],
  decode: (result) => quantityOf(result, 'priority fee'),
}

export const transactionCount = (address: Address, tag: 'latest' | 'pending'): RpcCall<number> => ({
  method: 'eth_getTransactionCount',
  params: [address, tag],
  decode: (result) => countOf(result, 'transaction count'),
})

export const balanceOf = (address: Address): RpcCall<bigint> => ({
  method: 'eth_getBalance',
  params: [address, 'latest'],
  decode: (result) => quantityOf(result, 'balance'),
})

export const codeAt = (address: Address): RpcCall<Hex> => ({
  method: 'eth_getCode',
  params: [address, 'latest'],
  decode: (result) => bytesOf(result, 'code'),
})

export const receiptByHash = (hash: Hex): RpcCall<RawReceipt | undefined> => ({
  method: 'eth_getTransactionReceipt',
  params: [hash],
  decode(result) {
    const receipt = receiptOf(result)
    if (receipt !== undefined && receipt.transactionHash !== hash) throw mismatch('receipt', 'of another transaction')
    return receipt
  },
})

/** Whether the server knows it, in a block or not. */
export const isKnownTransaction = (hash: Hex): RpcCall<boolean> => ({
  method: 'eth_getTransactionByHash',
  params: [hash],
  decode: (result) => result !== null && result !== undefined,
})

/** `hash` is the transaction's, which the server must give back. */
export const sendRaw = (raw: Hex, hash: Hex): RpcCall<Hex> => ({
  method: 'eth_sendRawTransaction',
  params: [raw],
  decode(result) {
    if (bytesOf(result, 'transaction hash', 32) !== hash) throw mismatch('transaction hash', 'of another transaction')
    return hash
  },
})
