/** A network whose gateways give nothing for asking, and take tickets after every check of docs/spec/gateway.md. @module */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasLoopbackAddresses, planNetwork } from '../../src/app/testnet/layout.ts'
import { startTestnet, type Testnet } from '../../src/app/testnet/testnet.ts'
import { toBase58 } from '../../src/foundation/base/base58.ts'
import { toHex } from '../../src/foundation/base/bytes.ts'
import { silentLog } from '../../src/foundation/base/observe.ts'
import { millis, seconds } from '../../src/foundation/base/units.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { nodeWorld } from '../../src/foundation/platform/node/nodeWorld.ts'
import { DAY_SECONDS, TICKET_BANDWIDTH_BYTES } from '../../src/protocol/credentials/constants.ts'
import type { PaymentClaim, PaymentVerdict } from '../../src/protocol/credentials/engine.ts'
import { decodePayInfo } from '../../src/protocol/credentials/payInfo.ts'
import {
  PAY_INFO_DUPLICATE_TEXT,
  PAY_INFO_KEY_TEXT,
  PAY_INFO_TIMESTAMP_TEXT,
  spendDateText,
  TICKET_DATE_SIGNATURES_TEXT,
  TICKET_PROOF_TEXT,
} from '../../src/protocol/wire/gateway/errorTexts.ts'
import { JULIAN_DAY_OF_UNIX_EPOCH, type Ticket } from '../../src/protocol/wire/gateway/ticket.ts'
import { refuseTickets, type TicketVerdict, type TicketVerifier } from '../../src/roles/gateway/bandwidth.ts'
import { LOOPBACK_GATEWAY_PARAMS } from '../../src/roles/gateway/gatewayParams.ts'
import { EPOCH, type Issuers, today } from './issuers.ts'

const MAX_SKEW_SECONDS = 30n
const READY_LIMIT = seconds(90)

/** One whose proof was looked at. */
export interface SeenPayment {
  /** Identity of the gateway it was made out to. */
  readonly provider: string
  readonly claim: PaymentClaim
  readonly verdict: PaymentVerdict
}

export class PayingNetwork implements TicketVerifier {
  /** What a ticket is worth here. */
  grant: number = TICKET_BANDWIDTH_BYTES[0] as number
  readonly seen: SeenPayment[] = []
  readonly #issuers: Issuers
  readonly #spent = new Set<string>()
  readonly #payInfos = new Set<string>()
  #testnet!: Testnet
  #folder!: string

  private constructor(issuers: Issuers) {
    this.#issuers = issuers
  }

  static async start(issuers: Issuers, directoryPort: number): Promise<PayingNetwork> {
    const network = new PayingNetwork(issuers)
    // Nodes have no setting for it yet: what they take by default is what this process changes.
    Object.assign(LOOPBACK_GATEWAY_PARAMS, { freeBandwidth: false })
    Object.assign(refuseTickets, { verify: network.verify.bind(network) })
    const world = nodeWorld(nodeProvider)
    const ownAddresses = await hasLoopbackAddresses(world.net)
    network.#folder = await mkdtemp(join(tmpdir(), 'starling-'))
    network.#testnet = await startTestnet({
      plans: planNetwork({ mixNodes: 3, entries: 2, exits: 1 }, ownAddresses),
      folder: network.#folder,
      directory: { host: '127.0.0.1', port: directoryPort },
      noise: ownAddresses,
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

  get compatible(): string {
    return this.#gateways[2] as string
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
      .filter(({ plan }) => plan.roles.includes('entry'))
      .toSorted((a, b) => a.plan.nodeId - b.plan.nodeId)
      .map(({ running }) => toBase58(running.identity))
  }

  async verify({ payment, payInfo, spendDateJulianDay, epochId }: Ticket): Promise<TicketVerdict> {
    const { engine, masterKey } = this.#issuers
    const claim = { payment, payInfo, day: (spendDateJulianDay - JULIAN_DAY_OF_UNIX_EPOCH) * DAY_SECONDS }
    const provider = toBase58(decodePayInfo(payInfo).provider)
    const refused = (text: string): TicketVerdict => ({ kind: 'refused', text })
    if (claim.day !== today()) return refused(spendDateText(`${claim.day}`, `${today()}`))
    if (epochId !== BigInt(EPOCH)) return refused(TICKET_PROOF_TEXT)
    if (!this.#gateways.includes(provider)) return refused(PAY_INFO_KEY_TEXT)
    const skew = decodePayInfo(claim.payInfo).unixSeconds - BigInt(Math.floor(Date.now() / 1000))
    if (skew > MAX_SKEW_SECONDS || skew < -MAX_SKEW_SECONDS) return refused(PAY_INFO_TIMESTAMP_TEXT)
    if (this.#payInfos.has(toHex(claim.payInfo))) return refused(PAY_INFO_DUPLICATE_TEXT)
    this.#payInfos.add(toHex(claim.payInfo))
    const strictness = provider === this.compatible ? 'compatible' : 'strict'
    const [verdict] = await engine.verifyPayments(masterKey, [claim], strictness)
    if (verdict === undefined) return refused(TICKET_PROOF_TEXT)
    this.seen.push({ provider, claim, verdict })
    if (verdict.kind !== 'good') {
      return refused(verdict.fault === 'date-signature' ? TICKET_DATE_SIGNATURES_TEXT : TICKET_PROOF_TEXT)
    }
    // Each gateway knows its own only.
    const serial = `${provider} ${toHex(verdict.serialNumber)}`
    if (this.#spent.has(serial)) return { kind: 'replay' }
    this.#spent.add(serial)
    return { kind: 'accepted', bytes: this.grant, expiresOn: millis((today() + 6 * DAY_SECONDS) * 1000) }
  }
}
