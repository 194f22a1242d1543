/** A ledger of the shipped contracts on a simulated chain, and what a network on it is started with. @module */
import { keccak_256 } from '@noble/hashes/sha3.js'
import { planNetwork } from '../../src/app/testnet/layout.ts'
import { LOCAL_DRIVER } from '../../src/app/testnet/ledger.ts'
import type { TestnetOptions } from '../../src/app/testnet/testnet.ts'
import { silentLog } from '../../src/foundation/base/observe.ts'
import { minutes, seconds } from '../../src/foundation/base/units.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { nullProvider } from '../../src/foundation/crypto/nullProvider.ts'
import type { LinkCryptoProvider } from '../../src/foundation/crypto/provider.ts'
import { Simulation } from '../../src/foundation/platform/simulated/simulation.ts'
import type { World } from '../../src/foundation/platform/world.ts'
import { CONTRACT_ARTEFACTS } from '../../src/network/ledger/contractArtefacts.ts'
import { deployLedger } from '../../src/network/ledger/deploy.ts'
import type { Deployment } from '../../src/network/ledger/deployment.ts'
import { type DeploymentParams, localNetwork } from '../../src/network/ledger/deploymentParams.ts'
import type { Ledger, Signer } from '../../src/network/ledger/ledger.ts'
import { openLedger } from '../../src/network/ledger/rpcLedger.ts'
import { keySigner, newKey } from '../../src/network/ledger/signers.ts'
import { SimulatedChain } from './simulatedChain.ts'

const CHAIN_IP = '10.0.0.9'
export const DIRECTORY_IP = '10.0.0.1'
/** On the directory's host. */
export const DEPLOYMENT_FILE = 'deployment.json'
/** The contracts verify what identity keys sign; tests that ask nothing else of cryptography take this. */
export const SIGNATURES_ONLY: LinkCryptoProvider = {
  ...nullProvider,
  ed25519PublicKey: nodeProvider.ed25519PublicKey,
  ed25519Sign: nodeProvider.ed25519Sign,
  ed25519Verify: nodeProvider.ed25519Verify,
}

type Ledgers = NonNullable<TestnetOptions['ledger']>

export class SimulatedLedger {
  readonly simulation: Simulation
  readonly chain: SimulatedChain
  readonly url: string
  readonly treasury: Signer
  readonly deployment: Deployment
  readonly #worlds: Map<string, World>

  private constructor(
    parts: Pick<SimulatedLedger, 'simulation' | 'chain' | 'url' | 'treasury' | 'deployment'>,
    worlds: Map<string, World>,
  ) {
    this.simulation = parts.simulation
    this.chain = parts.chain
    this.url = parts.url
    this.treasury = parts.treasury
    this.deployment = parts.deployment
    this.#worlds = worlds
  }

  static async deploy(
    seed: string,
    crypto: LinkCryptoProvider,
    change: Partial<DeploymentParams>,
  ): Promise<SimulatedLedger> {
    const simulation = new Simulation({ seed, crypto })
    const worlds = new Map<string, World>()
    const chainWorld = worldAt(simulation, worlds, CHAIN_IP)
    const chain = await SimulatedChain.create(chainWorld, { host: CHAIN_IP, blockTime: seconds(2) })
    const url = await simulation.complete(chain.serve({ host: CHAIN_IP }))
    const directory = worldAt(simulation, worlds, DIRECTORY_IP)
    const treasury = keySigner(newKey(directory.random))
    await chain.fund(treasury.address, 10n ** 24n)
    const now = Math.floor(simulation.clock.now() / 1000)
    const params = { ...localNetwork(now), governanceDelaySeconds: 0, ...change }
    const wanted = { urls: [url], chainId: undefined, signer: treasury, params, artefacts: CONTRACT_ARTEFACTS }
    const deploying = deployLedger(directory, { ...wanted, path: DEPLOYMENT_FILE })
    const deployment = await simulation.complete(deploying, minutes(5))
    return new SimulatedLedger({ simulation, chain, url, treasury, deployment }, worlds)
  }

  /** Of the host at that address, made where there is none yet. */
  readonly worldOf = (ip: string): World => worldAt(this.simulation, this.#worlds, ip)

  readonly open = (world: World): Ledger => openLedger(world, { urls: [this.url], deployment: this.deployment })

  /** Each node on a host of its own. */
  network(size: Parameters<typeof planNetwork>[0], ledger: Partial<Ledgers> = {}): TestnetOptions {
    return {
      plans: planNetwork(size, true).map((plan) => ({ ...plan, host: `10.1.0.${plan.nodeId}` })),
      folder: 'testnet',
      directory: { host: DIRECTORY_IP, port: 8080 },
      noise: false,
      world: this.worldOf(DIRECTORY_IP),
      worldOf: ({ host }) => this.worldOf(host),
      logOf: () => silentLog,
      readyLimit: minutes(5),
      ledger: {
        open: this.open,
        keccak256: keccak_256,
        treasury: this.treasury,
        fund: (address, wei) => this.chain.fund(address, wei),
        driver: LOCAL_DRIVER,
        directory: { confirmations: 1, poll: seconds(2) },
        ...ledger,
      },
    }
  }
}

function worldAt(simulation: Simulation, worlds: Map<string, World>, ip: string): World {
  const world = worlds.get(ip) ?? simulation.host(ip, { ips: [ip] })
  worlds.set(ip, world)
  return world
}
