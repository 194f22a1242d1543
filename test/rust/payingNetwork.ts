/** A network whose gateways give nothing for asking. @module */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasLoopbackAddresses, planNetwork } from '../../src/app/testnet/layout.ts'
import { startTestnet, type Testnet } from '../../src/app/testnet/testnet.ts'
import { toBase58 } from '../../src/foundation/base/base58.ts'
import { silentLog } from '../../src/foundation/base/observe.ts'
import { seconds } from '../../src/foundation/base/units.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { nodeWorld } from '../../src/foundation/platform/node/nodeWorld.ts'
import type { PaymentClaim, PaymentVerdict } from '../../src/protocol/credentials/engine.ts'
import { LocalEngine } from '../../src/protocol/credentials/localEngine.ts'
import { decodePayInfo } from '../../src/protocol/credentials/payInfo.ts'
import { bytes, type Issuers } from './issuers.ts'

const READY_LIMIT = seconds(90)
/** A ticket is 40.1 MB there: the SDK pays where it has less than 40. */
const CHEAP = 0.2005

/** One whose proof was looked at. */
export interface SeenPayment {
  /** Identity of the gateway it was made out to. */
  readonly provider: string
  readonly claim: PaymentClaim
  readonly verdict: PaymentVerdict
}

export class PayingNetwork {
  readonly seen: SeenPayment[] = []
  #testnet!: Testnet
  #folder!: string

  static async start(issuers: Issuers, directoryPort: number): Promise<PayingNetwork> {
    const network = new PayingNetwork()
    const world = nodeWorld(nodeProvider)
    const ownAddresses = await hasLoopbackAddresses(world.net)
    const plans = planNetwork({ mixNodes: 3, entries: 3, exits: 1 }, ownAddresses)
    const credentials = network.#watched(issuers)
    network.#folder = await mkdtemp(join(tmpdir(), 'starling-'))
    network.#testnet = await startTestnet({
      plans,
      folder: network.#folder,
      directory: { host: '127.0.0.1', port: directoryPort },
      noise: ownAddresses,
      issuers: issuers.urls,
      paymentOf: (plan) => ({
        credentials,
        tickets: { required: true, compatible: plan.roles.includes('exit') },
        ticketScale: plan === plans.at(-2) ? CHEAP : 1,
      }),
      world,
      worldOf: () => world,
      logOf: () => silentLog,
      readyLimit: READY_LIMIT,
    })
    return network
  }

  get directoryUrl(): string {
    return this.#testnet.directoryUrl
  }

  /** Two that are strict. */
  get strict(): readonly [string, string] {
    return this.#gateways.slice(0, 2) as [string, string]
  }

  /** Where tickets are soon used up. */
  get cheap(): string {
    return this.#gateways[2] as string
  }

  get compatible(): string {
    return this.#gateways[3] as string
  }

  /** Whether every gateway knows the issuers. */
  get prepared(): boolean {
    return this.#testnet.nodes
      .filter(({ plan }) => !plan.roles.includes('mix'))
      .every(({ meter }) => (meter.snapshot().gateway_ticket_epochs ?? 0) > 0)
  }

  /** Payments whose proofs held. */
  good(provider?: string): readonly SeenPayment[] {
    return this.seen.filter((one) => one.verdict.kind === 'good' && (provider ?? one.provider) === one.provider)
  }

  async stop(): Promise<void> {
    await this.#testnet.stop()
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 3 })
  }

  get #gateways(): readonly string[] {
    return this.#testnet.nodes
      .filter(({ plan }) => !plan.roles.includes('mix'))
      .toSorted((a, b) => a.plan.nodeId - b.plan.nodeId)
      .map(({ running }) => toBase58(running.identity))
  }

  #watched({ scheme }: Issuers): LocalEngine {
    const engine = new LocalEngine(scheme, { bytes })
    const verify = engine.verifyPayments.bind(engine)
    engine.verifyPayments = async (masterKey, claims, strictness) => {
      const verdicts = await verify(masterKey, claims, strictness)
      for (const [i, claim] of claims.entries()) {
        const provider = toBase58(decodePayInfo(claim.payInfo).provider)
        this.seen.push({ provider, claim, verdict: verdicts[i] as PaymentVerdict })
      }
      return verdicts
    }
    return engine
  }
}
