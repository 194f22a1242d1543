/** Deposits, issuers and a token on a simulated chain; bonds are whatever a test says. @module */
import { encodeDeployData, encodeFunctionData, getContractAddress, toHex } from 'viem'
import { fromHex } from '../../src/foundation/base/bytes.ts'
import { Secret } from '../../src/foundation/base/secret.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { Simulation } from '../../src/foundation/platform/simulated/simulation.ts'
import type { World } from '../../src/foundation/platform/world.ts'
import type { Address, Hex } from '../../src/network/ledger/chain.ts'
import type { Deployment } from '../../src/network/ledger/deployment.ts'
import { localNetwork } from '../../src/network/ledger/deploymentParams.ts'
import { JsonRpc } from '../../src/network/ledger/jsonRpc.ts'
import type { Ledger, LedgerAccount } from '../../src/network/ledger/ledger.ts'
import { type LedgerOptions, openLedger } from '../../src/network/ledger/rpcLedger.ts'
import { Sending } from '../../src/network/ledger/sending.ts'
import { keySigner } from '../../src/network/ledger/signers.ts'
import { contract } from '../support/evm.ts'
import { SimulatedChain, type SimulatedChainOptions } from '../support/simulatedChain.ts'

const CHAIN_IP = '10.0.0.1'
const COINS = 10n ** 20n
export const PRICE = 75_000_000n
export const key = (n: number): Secret => new Secret(fromHex(String(n).padStart(64, '0')))
export const addressOf = (n: number): Address => keySigner(key(n)).address

export interface EcashChainOptions extends Partial<SimulatedChainOptions> {
  readonly share?: bigint
  readonly simulation?: Simulation
}

/** Number 1 is governance and has all tokens. */
export class EcashChain {
  readonly simulation: Simulation
  readonly chain: SimulatedChain
  readonly url: string
  readonly deployment: Deployment
  readonly governance: LedgerAccount
  readonly #sending: Sending
  #hosts = 0

  private constructor(
    parts: Pick<EcashChain, 'simulation' | 'chain' | 'url' | 'deployment' | 'governance'> & { sending: Sending },
  ) {
    this.simulation = parts.simulation
    this.chain = parts.chain
    this.url = parts.url
    this.deployment = parts.deployment
    this.governance = parts.governance
    this.#sending = parts.sending
  }

  static async start({ share = 50n, simulation: given, ...options }: EcashChainOptions = {}): Promise<EcashChain> {
    const simulation = given ?? new Simulation({ seed: 'ecash', crypto: nodeProvider })
    const host = simulation.host('chain', { ips: [CHAIN_IP] })
    const world = simulation.host('governance', { ips: ['10.0.0.2'] })
    const chain = await SimulatedChain.create(host, { host: CHAIN_IP, ...options })
    const url = await simulation.complete(chain.serve({ host: CHAIN_IP }))
    const signer = keySigner(key(1))
    await chain.fund(signer.address, COINS)
    const rpc = new JsonRpc(world, { urls: [url], chainId: undefined })
    const sending = new Sending({ world, rpc, signer, options: {} })
    const at = (nonce: number): Address =>
      getContractAddress({ from: signer.address, nonce: BigInt(nonce) }).toLowerCase() as Address
    const [multicall, token, mixnet, issuers, ecash] = [0, 1, 2, 3, 4].map(at) as [Hex, Hex, Hex, Hex, Hex]
    const contracts: readonly (readonly [string, readonly unknown[]])[] = [
      ['Multicall', []],
      ['NymToken', [signer.address]],
      ['BondsMock', [token]],
      ['Issuers', [signer.address]],
      ['EcashDeposits', [token, mixnet, issuers, signer.address, PRICE, share]],
    ]
    let deployedAtBlock = Number.POSITIVE_INFINITY
    for (const [name, args] of contracts) {
      const { abi, evm } = contract(name)
      const data = encodeDeployData({ abi, bytecode: `0x${evm.bytecode.object}`, args })
      const { block } = await simulation.complete(sending.send({ to: undefined, data }, {}, {}))
      deployedAtBlock = Math.min(deployedAtBlock, block)
    }
    const deployment: Deployment = {
      chainId: await simulation.complete(rpc.chainId()),
      deployedAtBlock,
      addresses: {
        token,
        mixnet,
        issuers,
        ecash,
        performance: at(91),
        rewardedSet: at(92),
        announcements: at(93),
        timelock: at(94),
      },
      multicall,
      libraries: {},
      params: { ...localNetwork(Math.floor(world.clock.now() / 1000)), gatewayShare: share },
    }
    const governance = openLedger(world, { urls: [url], deployment }).account(signer)
    return new EcashChain({ simulation, chain, url, deployment, governance, sending })
  }

  run<T>(work: Promise<T>): Promise<T> {
    return this.simulation.complete(work)
  }

  host(name: string): World {
    return this.simulation.host(name, { ips: [`10.0.1.${++this.#hosts}`] })
  }

  open(world: World, options: Partial<LedgerOptions> = {}): Ledger {
    return openLedger(world, { urls: [this.url], deployment: this.deployment, ...options })
  }

  /** Account number `n`, with coins for fees and so many tokens. */
  async funded(n: number, unym: bigint, coins: bigint = COINS): Promise<Address> {
    const address = addressOf(n)
    if (coins > 0n) await this.chain.fund(address, coins)
    if (unym > 0n) await this.run(this.governance.write('token', 'transfer', [address, unym]))
    return address
  }

  /** A gateway's bond. */
  async bond(nodeId: number, owner: Address, identity: Uint8Array): Promise<void> {
    const data = encodeFunctionData({
      abi: contract('BondsMock').abi,
      functionName: 'set',
      args: [nodeId, owner, toHex(identity)],
    })
    await this.run(this.#sending.send({ to: this.deployment.addresses.mixnet, data }, {}, {}))
  }

  async blocks(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.chain.mine()
  }
}
