/** A small ledger on a simulated chain: contracts with a few functions of the real ones, enough to be read, written to and refused by. @module */
import { encodeDeployData, getContractAddress } from 'viem'
import { compileContracts } from '../../scripts/compile-contracts.mjs'
import { fromHex } from '../../src/foundation/base/bytes.ts'
import { Secret } from '../../src/foundation/base/secret.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { Simulation } from '../../src/foundation/platform/simulated/simulation.ts'
import type { World } from '../../src/foundation/platform/world.ts'
import { multicallBytecode } from '../../src/network/ledger/artifacts/multicall.ts'
import type { Address, Hex } from '../../src/network/ledger/chain.ts'
import type { Deployment } from '../../src/network/ledger/deployment.ts'
import { localNetwork } from '../../src/network/ledger/deploymentParams.ts'
import { JsonRpc } from '../../src/network/ledger/jsonRpc.ts'
import type { Signer } from '../../src/network/ledger/ledger.ts'
import { type LedgerOptions, openLedger } from '../../src/network/ledger/rpcLedger.ts'
import { Sending } from '../../src/network/ledger/sending.ts'
import { keySigner } from '../../src/network/ledger/signers.ts'
import { SimulatedChain, type SimulatedChainOptions } from '../support/simulatedChain.ts'

const SOURCE = `// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
contract Token is ERC20 {
  constructor() ERC20("NYM", "NYM") { _mint(msg.sender, 10 ** 15); }
}
contract Tiny {
  mapping(uint32 => uint64) public delegated;
  uint32 public lastNodeId;
  error NoDelegation();
  error BelowMinimumDelegation(uint64 minimum);
  error Unknown(uint8);
  event DelegationRequested(uint32 indexed nodeId, address indexed owner, uint64 amount);
  event UndelegationRequested(uint32 indexed nodeId, address indexed owner);
  function delegate(uint32 nodeId, uint64 amount) external {
    if (amount < 10) revert BelowMinimumDelegation(10);
    delegated[nodeId] += amount;
    lastNodeId = nodeId;
    emit DelegationRequested(nodeId, msg.sender, amount);
  }
  function undelegate(uint32 nodeId) external {
    if (delegated[nodeId] == 0) revert NoDelegation();
    delegated[nodeId] = 0;
    emit UndelegationRequested(nodeId, msg.sender);
  }
  function unbond() external pure { revert Unknown(1); }
  function claim() external pure returns (uint64) { revert("no claim"); }
  function pledgeMore(uint64 amount) external pure { uint8(amount) - uint8(100); }
  function nodeIdOf(address) external view returns (uint32) { return uint32(block.timestamp); }
}`

export const CHAIN_IP = '10.0.0.1'
export const key = (n: number): Secret => new Secret(fromHex(String(n).padStart(64, '0')))

let compiled: ReturnType<typeof compileContracts> | undefined
function bytecodeOf(name: string): { readonly abi: ReturnType<typeof contractOf>['abi']; readonly bytecode: Hex } {
  const { abi, evm } = contractOf(name)
  return { abi, bytecode: `0x${evm.bytecode.object}` }
}
function contractOf(name: string) {
  compiled ??= compileContracts({ 'tiny.sol': { content: SOURCE } })
  const found = compiled.contracts['tiny.sol']?.[name]
  if (found === undefined) throw new Error(`no ${name}`)
  return found
}

export interface TinyLedger {
  readonly simulation: Simulation
  readonly chain: SimulatedChain
  readonly url: string
  readonly deployment: Deployment
  readonly signer: Signer
  /** The program's host. */
  readonly world: World
  open(options?: Partial<LedgerOptions>, world?: World): ReturnType<typeof openLedger>
}

export async function tinyLedger(options: Partial<SimulatedChainOptions> = {}): Promise<TinyLedger> {
  const simulation = new Simulation({ seed: 'ledger', crypto: nodeProvider })
  const host = simulation.host('chain', { ips: [CHAIN_IP] })
  const world = simulation.host('program', { ips: ['10.0.0.2'] })
  const chain = await SimulatedChain.create(host, { host: CHAIN_IP, ...options })
  const url = await simulation.complete(chain.serve({ host: CHAIN_IP }))
  const signer = keySigner(key(1))
  await chain.fund(signer.address, 10n ** 20n)
  const deployment = await simulation.complete(deploy(world, url, signer))
  return {
    simulation,
    chain,
    url,
    deployment,
    signer,
    world,
    open: (more = {}, where = world) => openLedger(where, { urls: [url], deployment, ...more }),
  }
}

async function deploy(world: World, url: string, signer: Signer): Promise<Deployment> {
  const rpc = new JsonRpc(world, { urls: [url], chainId: undefined })
  const sending = new Sending({ world, rpc, signer, options: {} })
  const addressAt = (nonce: number): Address =>
    getContractAddress({ from: signer.address, nonce: BigInt(nonce) }).toLowerCase() as Address
  const receipts = await Promise.all(
    [multicallBytecode, bytecodeOf('Token'), bytecodeOf('Tiny')].map((one) => {
      const data = typeof one === 'string' ? one : encodeDeployData({ abi: one.abi, bytecode: one.bytecode, args: [] })
      return sending.send({ to: undefined, data: data as Hex }, {}, {})
    }),
  )
  const [multicall, token, tiny] = [addressAt(0), addressAt(1), addressAt(2)]
  return {
    chainId: await rpc.chainId(),
    deployedAtBlock: Math.min(...receipts.map(({ block }) => block)),
    addresses: {
      token,
      mixnet: tiny,
      performance: addressAt(90),
      rewardedSet: addressAt(91),
      announcements: addressAt(92),
      ecash: addressAt(93),
      issuers: addressAt(94),
      timelock: addressAt(95),
    },
    multicall,
    libraries: {},
    params: localNetwork(Math.floor(world.clock.now() / 1000)),
  }
}
