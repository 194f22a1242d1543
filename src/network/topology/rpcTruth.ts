/**
 * The ledger's word on a topology from one JSON-RPC endpoint, with four calls of fixed form: a client that only checks topologies needs
 * no more of an Ethereum client than this. All calls name one block. docs/spec/announcements.md, "Checking a topology". @module
 */
import { fromHex, fromUtf8, utf8 } from '../../foundation/base/bytes.ts'
import { malformed } from '../../foundation/base/errors.ts'
import { type Millis, millis, seconds } from '../../foundation/base/units.ts'
import type { Net } from '../../foundation/platform/net.ts'
import { type AbiValue, abiWords, type Keccak256, numberOf, WORD_BYTES } from '../../protocol/economy/abiWords.ts'
import { keyRotationInfo } from '../../protocol/wire/directory/epochs.ts'
import { parseJson } from '../../protocol/wire/directory/json.ts'
import { unavailable } from './topology.ts'
import type { LedgerTruth, TruthSource } from './verifiedTopology.ts'

export interface RpcTruthOptions {
  readonly net: Pick<Net, 'request'>
  /** http or https. */
  readonly url: string
  readonly chainId: number
  /** Hex with 0x. */
  readonly addresses: { readonly mixnet: string; readonly rewardedSet: string }
  readonly keccak256: Keccak256
  readonly timeout?: Millis
}

const TIMEOUT = seconds(10)
const MAX_BODY_BYTES = 65_536
const WHAT = 'answer of the ledger'
const INTERVAL_WORDS = 6

/** Rejects with TOPOLOGY_UNAVAILABLE while the ledger is between epochs, MALFORMED, and what the network does. */
export function rpcTruth({ net, url, chainId, addresses, keccak256, timeout = TIMEOUT }: RpcTruthOptions): TruthSource {
  const hex = (bytes: Uint8Array): string =>
    `0x${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`
  return async (signal): Promise<LedgerTruth> => {
    const ask = async (method: string, params: readonly unknown[]): Promise<string> => {
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
      const headers = { 'content-type': 'application/json' }
      const response = await net.request({
        url,
        method: 'POST',
        headers,
        body,
        timeout,
        maxBodyBytes: MAX_BODY_BYTES,
        signal,
      })
      if (response.status !== 200) throw unavailable(`the ledger answered with status ${response.status}`)
      const json = parseJson(fromUtf8(response.body, WHAT), WHAT)
      if (json.field('error').present) throw unavailable('the ledger refused a question: is it another one?')
      return json.field('result').string(MAX_BODY_BYTES)
    }
    if (Number(await ask('eth_chainId', [])) !== chainId) throw unavailable('the ledger is another one')
    const block = await ask('eth_blockNumber', [])
    const call = async (to: string, signature: string, count: number, ...args: readonly AbiValue[]): Promise<Words> => {
      const data = hex(Uint8Array.of(...keccak256(utf8(signature)).subarray(0, 4), ...abiWords(...args)))
      return new Words(fromHex((await ask('eth_call', [{ to, data }, block])).replace(/^0x/, ''), WHAT), count)
    }
    const { mixnet, rewardedSet } = addresses
    const [interval, rotation, set] = await Promise.all([
      call(mixnet, 'interval()', INTERVAL_WORDS),
      call(mixnet, 'keyRotation()', 2),
      call(rewardedSet, 'epochId()', 1),
    ])
    const epochId = interval.number(3)
    if (set.number(0) !== epochId) throw unavailable('the ledger has no set of the epoch that runs')
    const root = (await call(rewardedSet, 'rootOf(uint32)', 1, epochId)).bytes(0)
    const [start, duration] = [seconds(interval.number(5)), seconds(interval.number(4))]
    const schedule = { validityEpochs: rotation.number(0), initialEpochId: rotation.number(1) }
    if (schedule.validityEpochs === 0) throw malformed(WHAT, 'keys that are good for no epoch')
    const { currentKeyRotationId } = keyRotationInfo(schedule, { absoluteId: epochId, start, duration })
    return { epochId, root, epochEnd: millis(start + duration), rotationId: currentKeyRotationId }
  }
}

/** What a function of fixed size returned. */
class Words {
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array, count: number) {
    if (bytes.length !== count * WORD_BYTES) throw malformed(WHAT, `not ${count} words`)
    this.#bytes = bytes
  }

  bytes(index: number): Uint8Array {
    return this.#bytes.slice(index * WORD_BYTES, (index + 1) * WORD_BYTES)
  }

  number(index: number): number {
    const value = numberOf(this.bytes(index))
    if (value > 0xffff_ffffn) throw malformed(WHAT, 'a number above 2^32')
    return Number(value)
  }
}
