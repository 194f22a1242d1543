/**
 * The state of the EVM of tests, in maps with a log of what to undo: no tries, no roots. A call costs a third of what it does on the
 * library's own, and a checkpoint nothing, however much there is; random histories make a million of each. @module
 */
import type { AccountFields, StateManagerInterface } from '@ethereumjs/common'
import { Account, type Address, bytesToUnprefixedHex } from '@ethereumjs/util'
import { keccak256 } from 'viem'

const NOTHING = new Uint8Array(0)

/** The library changes accounts in place before it puts them back. */
const copy = (account: Account): Account =>
  new Account(account.nonce, account.balance, account.storageRoot, account.codeHash)

export class EvmState implements StateManagerInterface {
  readonly #accounts = new Map<string, Account | undefined>()
  readonly #code = new Map<string, Uint8Array>()
  readonly #storage = new Map<string, Uint8Array>()
  readonly #undo: (() => void)[] = []
  readonly #checkpoints: number[] = []
  readonly #original = new Map<string, Uint8Array>()

  /** What slots held when the transaction began: gas of writing depends on it. */
  readonly originalStorageCache = {
    get: async (address: Address, key: Uint8Array): Promise<Uint8Array> => {
      const place = placeOf(address, key)
      const known = this.#original.get(place)
      if (known !== undefined) return known
      const value = this.#storage.get(place) ?? NOTHING
      this.#original.set(place, value)
      return value
    },
    clear: (): void => this.#original.clear(),
  }

  #set<T>(map: Map<string, T>, key: string, value: T): void {
    if (this.#checkpoints.length > 0) {
      const had = map.has(key)
      const before = map.get(key) as T
      this.#undo.push(() => (had ? map.set(key, before) : map.delete(key)))
    }
    map.set(key, value)
  }

  async getAccount(address: Address): Promise<Account | undefined> {
    const account = this.#accounts.get(address.toString())
    return account === undefined ? undefined : copy(account)
  }

  async putAccount(address: Address, account?: Account): Promise<void> {
    this.#set(this.#accounts, address.toString(), account === undefined ? undefined : copy(account))
  }

  async deleteAccount(address: Address): Promise<void> {
    await this.putAccount(address)
  }

  async modifyAccountFields(address: Address, fields: AccountFields): Promise<void> {
    await this.putAccount(address, Object.assign((await this.getAccount(address)) ?? new Account(), fields))
  }

  async putCode(address: Address, value: Uint8Array): Promise<void> {
    this.#set(this.#code, address.toString(), value)
    await this.modifyAccountFields(address, { codeHash: keccak256(value, 'bytes') })
  }

  async getCode(address: Address): Promise<Uint8Array> {
    return this.#code.get(address.toString()) ?? NOTHING
  }

  async getCodeSize(address: Address): Promise<number> {
    return (await this.getCode(address)).length
  }

  async getStorage(address: Address, key: Uint8Array): Promise<Uint8Array> {
    return this.#storage.get(placeOf(address, key)) ?? NOTHING
  }

  async putStorage(address: Address, key: Uint8Array, value: Uint8Array): Promise<void> {
    this.#set(this.#storage, placeOf(address, key), value)
  }

  async clearStorage(address: Address): Promise<void> {
    const prefix = placeOf(address, NOTHING)
    for (const place of this.#storage.keys()) if (place.startsWith(prefix)) this.#set(this.#storage, place, NOTHING)
  }

  async checkpoint(): Promise<void> {
    this.#checkpoints.push(this.#undo.length)
  }

  async commit(): Promise<void> {
    this.#checkpoints.pop()
    if (this.#checkpoints.length === 0) this.#undo.length = 0
  }

  async revert(): Promise<void> {
    const from = this.#checkpoints.pop() ?? 0
    while (this.#undo.length > from) this.#undo.pop()?.()
  }

  getStateRoot(): Promise<Uint8Array> {
    return Promise.resolve(new Uint8Array(32))
  }

  setStateRoot(): Promise<void> {
    return Promise.resolve()
  }

  hasStateRoot(): Promise<boolean> {
    return Promise.resolve(true)
  }

  clearCaches(): void {}

  shallowCopy(): StateManagerInterface {
    throw new Error('not copied in tests')
  }
}

const placeOf = (address: Address, key: Uint8Array): string =>
  `${bytesToUnprefixedHex(address.bytes)}_${bytesToUnprefixedHex(key)}`
