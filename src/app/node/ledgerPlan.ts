/** What the contract says of the issuers of an epoch, as those who make its keys want to be told. @module */
import { toBase58 } from '../../foundation/base/base58.ts'
import { equalBytes, fromHex, fromUtf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { millis, seconds } from '../../foundation/base/units.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { Hex } from '../../network/ledger/chain.ts'
import type { Ledger } from '../../network/ledger/ledger.ts'
import { masterKeyHash } from '../../network/ledger/masterKeyHash.ts'
import type { CheckingEngine } from '../../protocol/credentials/engine.ts'
import { parseJson } from '../../protocol/wire/directory/json.ts'
import { type CredentialEpoch, readCredentialEpoch } from '../../protocol/wire/issuer/credentialEpoch.ts'
import type { AgreedKeys } from '../../roles/issuer/agreedKeys.ts'
import type { DkgMember, DkgPlan } from '../../roles/issuer/dkg/dkgSession.ts'
import { loadAgreedKeys } from '../../roles/issuer/dkg/keyFile.ts'

export interface LedgerEpoch {
  readonly epochId: number
  readonly threshold: number
  readonly members: readonly DkgMember[]
  /** Unix seconds. */
  readonly startsAt: number
  readonly phaseSeconds: number
  readonly agreed: boolean
  /** Of the key that a threshold of them say they hold. */
  readonly masterKeyHash: Hex
}

const NOBODY = /^0x0{40}$/
const ASK_TIMEOUT = seconds(10)
const MAX_EPOCH_BYTES = 512 * 1024

/** Newest first of those that count: 0 where there is none. */
export async function epochsOf(ledger: Ledger): Promise<{ readonly agreed: number; readonly planned: number }> {
  const [agreed, planned] = await ledger.read('issuers', 'epochs', [])
  return { agreed: Number(agreed), planned: Number(planned) }
}

export async function readLedgerEpoch(ledger: Ledger, epochId: number): Promise<LedgerEpoch> {
  const plan = await ledger.read('issuers', 'planOf', [BigInt(epochId)])
  return {
    epochId,
    threshold: plan.threshold,
    startsAt: Number(plan.startsAt),
    phaseSeconds: plan.phaseSeconds,
    agreed: plan.agreed,
    masterKeyHash: plan.masterKeyHash,
    // A vacant position keeps the numbers of those behind it.
    members: plan.members.flatMap(({ owner, identityKey, url }, i) =>
      NOBODY.test(owner) ? [] : [{ index: i + 1, identity: fromHex(identityKey.slice(2)), url }],
    ),
  }
}

export interface DkgPlanOptions {
  readonly world: Pick<World, 'net' | 'crypto' | 'files'>
  readonly ledger: Ledger
  readonly engine: Pick<CheckingEngine, 'aggregateKeys'>
  /** Of our keys. */
  readonly folder: string
}

/**
 * The plan of an epoch, with whose key is handed on. The contract says who they are and the hash of their key; the keys themselves are our
 * own, or what a threshold of them say, and must have that hash. Throws ISSUERS_UNAVAILABLE where too few say it.
 */
export async function dkgPlanOf(options: DkgPlanOptions, epoch: LedgerEpoch): Promise<DkgPlan> {
  const { ledger } = options
  const before = Number(await ledger.read('issuers', 'agreedBefore', [BigInt(epoch.epochId)]))
  const { chainId, addresses } = ledger.deployment
  return {
    network: `eip155:${chainId}:${addresses.issuers.toLowerCase()}`,
    epochId: epoch.epochId,
    threshold: epoch.threshold,
    members: epoch.members,
    startsAt: millis(epoch.startsAt * 1000),
    phaseLimit: seconds(epoch.phaseSeconds),
    ...(before === 0 ? {} : { previous: await publicKeysOf(options, await readLedgerEpoch(ledger, before)) }),
  }
}

async function publicKeysOf(
  { world, engine, folder }: DkgPlanOptions,
  epoch: LedgerEpoch,
): Promise<Omit<AgreedKeys, 'own'>> {
  const { epochId, threshold } = epoch
  const own = await loadAgreedKeys(world.files, folder, epochId)
  const keys = own?.members ?? (await askedKeys(world, epoch))
  const masterKey = own?.masterKey ?? (await engine.aggregateKeys(keys.slice(0, threshold)))
  if (masterKeyHash(world.crypto, masterKey) !== epoch.masterKeyHash) {
    throw new MixnetError('ISSUERS_UNAVAILABLE', { epoch: epochId, why: 'their key is not the one on the ledger' })
  }
  // By the contract's addresses, which cannot change while keys are made: whoever has others is in another session.
  const members = keys.map(({ index, key }) => {
    const member = epoch.members.find((one) => one.index === index)
    if (member === undefined) throw new MixnetError('ISSUERS_UNAVAILABLE', { epoch: epochId, index, why: 'no member' })
    return { ...member, key }
  })
  return { epochId, threshold, masterKey, members }
}

/** What a threshold of them say alike: one alone could leave another out, and we would be strangers to those that do not. */
async function askedKeys(
  { net }: Pick<World, 'net'>,
  { epochId, threshold, members }: LedgerEpoch,
): Promise<CredentialEpoch['issuers']> {
  const answers = await Promise.all(
    members.map(async ({ url }) => {
      try {
        const response = await net.request({
          url: `${url}/v1/ecash/epoch`,
          timeout: ASK_TIMEOUT,
          maxBodyBytes: MAX_EPOCH_BYTES,
        })
        return readCredentialEpoch(parseJson(fromUtf8(response.body, 'credential epoch'), 'credential epoch'))
      } catch (error) {
        if (isMixnetError(error)) return undefined
        throw error
      }
    }),
  )
  const said = new Map<string, CredentialEpoch['issuers'][]>()
  for (const answer of answers) {
    if (answer?.epochId !== epochId || answer.threshold !== threshold) continue
    const isTheirs = answer.issuers.every(({ index, identity }) =>
      members.some((one) => one.index === index && equalBytes(one.identity, identity)),
    )
    if (!isTheirs) continue
    const text = answer.issuers.map(({ index, key }) => `${index} ${toBase58(key)}`).join('\n')
    said.set(text, [...(said.get(text) ?? []), answer.issuers])
  }
  for (const alike of said.values()) if (alike.length >= threshold && alike[0] !== undefined) return alike[0]
  throw new MixnetError('ISSUERS_UNAVAILABLE', { epoch: epochId, needed: threshold, why: 'too few tell their keys' })
}
