/**
 * The state of a chain as layers, each over its parent: a block is a layer, and so is a call within a call until it is committed. So
 * going back to an older block costs nothing, and what a call did is thrown away with its layer. No state roots. @module
 */
import type { Common } from '@ethereumjs/common'
import { SimpleStateManager } from '@ethereumjs/statemanager'
import { Account, type Address, bytesToHex } from '@ethereumjs/util'
import { keccak256 } from 'viem/utils'

const NOTHING = new Uint8Array(0)

export class Layer {
  parent: Layer | undefined
  readonly accounts: Map<string, Account | undefined> = new Map()
  readonly code: Map<string, Uint8Array> = new Map()
  readonly storage: Map<string, Uint8Array> = new Map()

  constructor(parent: Layer | undefined) {
    this.parent = parent
  }

  /** The newest value of that key, which may be that there is none. */
  find<V>(map: (layer: Layer) => Map<string, V>, key: string): V | undefined {
    for (let layer: Layer | undefined = this; layer !== undefined; layer = layer.parent) {
      const values = map(layer)
      if (values.has(key)) return values.get(key)
    }
    return undefined
  }

  /** Everything of `other`, which lies on top, now belongs to this one. */
  absorb(other: Layer): void {
    for (const [key, value] of other.accounts) this.accounts.set(key, value)
    for (const [key, value] of other.code) this.code.set(key, value)
    for (const [key, value] of other.storage) this.storage.set(key, value)
  }
}

export class LayeredState extends SimpleStateManager {
  #top: Layer = new Layer(undefined)

  constructor(common: Common) {
    super({ common })
  }

  get top(): Layer {
    return this.#top
  }

  /** Goes on from there. Only between transactions. */
  set top(layer: Layer) {
    this.#top = layer
    this.originalStorageCache.clear()
  }

  // A copy: the EVM changes what it is given and puts it back, or does not.
  override async getAccount(address: Address): Promise<Account | undefined> {
    const account = this.#top.find((layer) => layer.accounts, address.toString())
    return account && new Account(account.nonce, account.balance, account.storageRoot, account.codeHash)
  }

  override async putAccount(address: Address, account?: Account): Promise<void> {
    this.#top.accounts.set(address.toString(), account)
  }

  override async deleteAccount(address: Address): Promise<void> {
    this.#top.accounts.set(address.toString(), undefined)
  }

  override async getCode(address: Address): Promise<Uint8Array> {
    return this.#top.find((layer) => layer.code, address.toString()) ?? NOTHING
  }

  override async putCode(address: Address, value: Uint8Array): Promise<void> {
    this.#top.code.set(address.toString(), value)
    if ((await this.getAccount(address)) === undefined) await this.putAccount(address, new Account())
    await this.modifyAccountFields(address, { codeHash: keccak256(value, 'bytes') })
  }

  override async getStorage(address: Address, key: Uint8Array): Promise<Uint8Array> {
    return this.#top.find((layer) => layer.storage, `${address.toString()}_${bytesToHex(key)}`) ?? NOTHING
  }

  override async putStorage(address: Address, key: Uint8Array, value: Uint8Array): Promise<void> {
    this.#top.storage.set(`${address.toString()}_${bytesToHex(key)}`, value)
  }

  /** Called where a contract is made: at an address that never was one, so there is nothing to clear. */
  override async clearStorage(): Promise<void> {}

  override async checkpoint(): Promise<void> {
    this.#top = new Layer(this.#top)
  }

  override async commit(): Promise<void> {
    const parent = this.#top.parent as Layer
    parent.absorb(this.#top)
    this.#top = parent
  }

  override async revert(): Promise<void> {
    this.#top = this.#top.parent as Layer
  }
}
