/**
 * The people of a ledger, whatever chain it is on: owners of nodes, monitors, whoever holds coins. What they do is written as programs
 * write it. @module
 */
import { keccak256 } from 'viem/utils'
import { hexOfBytes } from '../../src/app/node/ledgerSources.ts'
import { fromHex } from '../../src/foundation/base/bytes.ts'
import { Secret } from '../../src/foundation/base/secret.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import type { Address } from '../../src/network/ledger/chain.ts'
import type { Ledger, LedgerAccount, LedgerReceipt } from '../../src/network/ledger/ledger.ts'
import { keySigner } from '../../src/network/ledger/signers.ts'
import { bondingPayload } from '../../src/protocol/economy/bondingPayload.ts'
import { CAPABILITY } from '../../src/protocol/economy/draw.ts'
import { commitmentHash, type PackedReport, packReport, reportHash } from '../../src/protocol/economy/reports.ts'
import { encodeAnnouncement, signAnnouncement } from '../../src/protocol/wire/directory/announcement.ts'

const NYM = 1_000_000n
const COINS = 10n ** 21n
const COSTS = { profitMargin: 2n * 10n ** 17n, intervalOperatingCost: 40n * NYM }
const PLEDGE = 500_000n * NYM
/** May be drawn at every stage: what a candidate costs most for. */
const ALL_CAPABILITIES = CAPABILITY.mix | CAPABILITY.entry | CAPABILITY.exitRequester | CAPABILITY.exitRouter

export const keccak = (bytes: Uint8Array): Uint8Array => keccak256(bytes, 'bytes')
export const partyKey = (n: number): Secret => new Secret(fromHex(String(n).padStart(64, '0')))
export const identitySeed = (n: number): Uint8Array => nodeProvider.sha256(partyKey(1_000_000 + n).expose())

interface Owner {
  readonly number: number
  readonly account: LedgerAccount
}

export class LedgerParties {
  readonly ledger: Ledger
  readonly treasury: LedgerAccount
  readonly #fund: (address: Address, wei: bigint) => Promise<void>

  constructor(ledger: Ledger, treasury: LedgerAccount, fund: (address: Address, wei: bigint) => Promise<void>) {
    this.ledger = ledger
    this.treasury = treasury
    this.#fund = fund
  }

  /** Account number `n`, with coins for fees and so many unym. */
  async party(n: number, unym: bigint): Promise<LedgerAccount> {
    const signer = keySigner(partyKey(n))
    await this.#fund(signer.address, COINS)
    if (unym > 0n) await this.treasury.write('token', 'transfer', [signer.address, unym])
    return this.ledger.account(signer)
  }

  /** Who may bond node `number` now. */
  async owner(number: number): Promise<Owner> {
    const account = await this.party(1000 + number, 2n * PLEDGE)
    await account.allow('mixnet', 2n * PLEDGE)
    return { number, account }
  }

  bond({ number, account }: Owner): Promise<LedgerReceipt> {
    const identityKey = nodeProvider.ed25519PublicKey(identitySeed(number))
    const [host, httpPort] = [`node-${number}.example`, 8080]
    const { chainId, addresses } = this.ledger.deployment
    const place = { chainId, mixnet: addresses.mixnet, owner: account.address, nonce: 0 }
    const about = { ...place, identityKey, host, httpPort, ...COSTS, pledge: PLEDGE }
    const signature = nodeProvider.ed25519Sign(identitySeed(number), bondingPayload(about))
    const [r, s] = [hexOfBytes(signature.subarray(0, 32)), hexOfBytes(signature.subarray(32))]
    return account.write('mixnet', 'bond', [hexOfBytes(identityKey), host, httpPort, COSTS, PLEDGE, r, s])
  }

  /** With the two keys that a node has around a rotation. */
  announce({ number, account }: Owner, nodeId: number, sequence: bigint): Promise<LedgerReceipt> {
    const seed = identitySeed(number)
    const publicKey = nodeProvider.x25519Base(seed)
    const data = encodeAnnouncement({
      ipAddresses: [`10.9.${number >> 8}.${number & 255}`],
      mixPort: 1789,
      hostname: `node-${number}.example`,
      wsPort: 9000,
      wssPort: 9001,
      sphinxKeys: [
        { rotationId: 1, publicKey },
        { rotationId: 2, publicKey },
      ],
      noiseKey: { supportedVersion: 1, publicKey },
      buildVersion: '1.0.0',
    })
    const { chainId, addresses } = this.ledger.deployment
    const contract = fromHex(addresses.announcements.slice(2).toLowerCase())
    const about = { chainId, contract, nodeId, sequence, capabilities: ALL_CAPABILITIES }
    const signature = signAnnouncement(nodeProvider, seed, about, data)
    const said = [hexOfBytes(data), hexOfBytes(signature)] as const
    return account.write('announcements', 'announce', [nodeId, sequence, ALL_CAPABILITIES, ...said])
  }
}

/** What a monitor says of an epoch, and the secret that it keeps until then. */
export interface PartyReport {
  readonly epochId: number
  readonly secret: Uint8Array
  readonly evidenceHash: Uint8Array
  readonly packed: PackedReport
}

export function reportOf(epochId: number, scores: ReadonlyMap<number, number>): PartyReport {
  const mark = (text: string): Uint8Array => nodeProvider.sha256(new TextEncoder().encode(`${text} ${epochId}`))
  return { epochId, secret: mark('secret'), evidenceHash: mark('evidence'), packed: packReport(scores) }
}

export function commit(account: LedgerAccount, report: PartyReport): Promise<LedgerReceipt> {
  const { epochId, secret, evidenceHash, packed } = report
  const participant = fromHex(account.address.slice(2).toLowerCase())
  const parts = { epochId, participant, secret, reportHash: reportHash(packed, keccak), evidenceHash }
  return account.write('performance', 'commit', [epochId, hexOfBytes(commitmentHash(parts, keccak))])
}

export function reveal(account: LedgerAccount, report: PartyReport): Promise<LedgerReceipt> {
  const { epochId, secret, evidenceHash, packed } = report
  const said = [hexOfBytes(secret), hexOfBytes(evidenceHash), packed.words, packed.scores] as const
  return account.write('performance', 'reveal', [epochId, ...said])
}
