/** Who makes keys with whom, by when, and the name that every message of it carries. Format: docs/spec/dkg.md. @module */
import { toBase58 } from '../../../foundation/base/base58.ts'
import { toHex, utf8 } from '../../../foundation/base/bytes.ts'
import { MixnetError } from '../../../foundation/base/errors.ts'
import type { Millis } from '../../../foundation/base/units.ts'
import { Writer } from '../../../foundation/base/writer.ts'
import type { CryptoProvider } from '../../../foundation/crypto/provider.ts'
import type { AgreedKeys } from '../agreedKeys.ts'

export interface DkgMember {
  /** From 1; a member that stays keeps its own. */
  readonly index: number
  /** Ed25519, 32 bytes. */
  readonly identity: Uint8Array
  /** Without /v1; at most 255 bytes. */
  readonly url: string
}

/** What all members must have been told alike: those that were told something else are strangers to each other. */
export interface DkgPlan {
  /** Keeps apart networks that have members in common. */
  readonly network: string
  readonly epochId: number
  /** t: more than half of the members. */
  readonly threshold: number
  /** n of them, by index, ascending. */
  readonly members: readonly DkgMember[]
  /** To hand the key of these on, instead of making one: what is public of their epoch. */
  readonly previous?: Omit<AgreedKeys, 'own'>
  /** When the first phase begins to count down. */
  readonly startsAt: Millis
  /** What each phase may take; it ends before where everybody has spoken. */
  readonly phaseLimit: Millis
}

export interface DkgSession {
  readonly plan: DkgPlan
  /** 32 bytes: of everything in the plan. */
  readonly id: Uint8Array
  /** Who deals: the members, or those of the epoch before. */
  readonly dealers: readonly DkgMember[]
  /** Who receives shares. */
  readonly receivers: readonly DkgMember[]
  /** How many good dealers it takes: with fewer, all of them might be liars, or there is no key to hand on. */
  readonly dealersNeeded: number
  readonly dealerOf: ReadonlyMap<string, DkgMember>
  readonly receiverOf: ReadonlyMap<string, DkgMember>
}

export const MAX_DKG_MEMBERS = 100
const MAX_U32 = 0xffff_ffff
const MAX_TEXT_BYTES = 255
const IDENTITY_BYTES = 32
const KEY_BYTES = 680
const DOMAIN = utf8('starling-dkg-session-v1')

/** How members are told apart in maps. */
export const identityName = (identity: Uint8Array): string => toHex(identity)

/** Throws CONFIG_INVALID of a plan that cannot work. */
export function dkgSession(crypto: Pick<CryptoProvider, 'sha256'>, plan: DkgPlan): DkgSession {
  const { previous, members } = plan
  checkNumber('epochId', plan.epochId, 0, MAX_U32)
  checkMembers('members', members, plan.threshold)
  if (utf8(plan.network).length > MAX_TEXT_BYTES) refuse('network', 'longer than 255 bytes')
  if (!Number.isFinite(plan.startsAt) || plan.startsAt < 0) refuse('startsAt', 'no instant')
  if (!(plan.phaseLimit > 0 && plan.phaseLimit <= MAX_U32)) refuse('phaseLimit', 'not between 0 and 49 days')
  if (previous !== undefined) {
    checkMembers('previous.members', previous.members, previous.threshold)
    // Of the epochs between, no keys were made: their plans were given up.
    if (plan.epochId <= previous.epochId) refuse('epochId', 'not behind the previous epoch')
    if ([previous.masterKey, ...previous.members.map(({ key }) => key)].some((key) => key.length !== KEY_BYTES)) {
      refuse('previous', 'a key is not 680 bytes long')
    }
  }
  const dealers = previous?.members ?? members
  const byIdentity = (list: readonly DkgMember[]) => new Map(list.map((one) => [identityName(one.identity), one]))
  return {
    plan,
    id: crypto.sha256(encodePlan(plan)),
    dealers,
    receivers: members,
    dealersNeeded: previous?.threshold ?? plan.threshold,
    dealerOf: byIdentity(dealers),
    receiverOf: byIdentity(members),
  }
}

function checkMembers(key: string, members: readonly DkgMember[], threshold: number): void {
  checkNumber(`${key}.length`, members.length, 1, MAX_DKG_MEMBERS)
  // With half of them or fewer, a minority could sign, and two halves could each go their way.
  checkNumber(`${key}: threshold`, threshold, Math.floor(members.length / 2) + 1, members.length)
  for (const [i, { index, identity, url }] of members.entries()) {
    checkNumber(`${key}[${i}].index`, index, (members[i - 1]?.index ?? 0) + 1, MAX_U32)
    if (identity.length !== IDENTITY_BYTES) refuse(`${key}[${i}].identity`, 'not 32 bytes')
    if (utf8(url).length > MAX_TEXT_BYTES) refuse(`${key}[${i}].url`, 'longer than 255 bytes')
  }
  if (new Set(members.map(({ identity }) => toBase58(identity))).size < members.length) {
    refuse(key, 'an identity is there twice')
  }
}

function checkNumber(key: string, value: number, min: number, max: number): void {
  if (!Number.isSafeInteger(value) || value < min || value > max) refuse(key, `not in ${min} to ${max}`)
}

function refuse(key: string, why: string): never {
  throw new MixnetError('CONFIG_INVALID', { key: `dkg: ${key}`, why })
}

function encodePlan({ network, epochId, threshold, members, previous, startsAt, phaseLimit }: DkgPlan): Uint8Array {
  const writer = new Writer(4096)
  const text = (value: string): void => {
    const bytes = utf8(value)
    writer.u8(bytes.length).bytes(bytes)
  }
  const list = (ofWhom: readonly DkgMember[], then: (i: number) => void): void => {
    writer.u16(ofWhom.length)
    for (const [i, { index, identity, url }] of ofWhom.entries()) {
      writer.u32(index).bytes(identity)
      text(url)
      then(i)
    }
  }
  writer.bytes(DOMAIN)
  text(network)
  writer.u32(epochId).u16(threshold)
  list(members, () => {})
  writer.u64(BigInt(Math.round(startsAt))).u32(Math.round(phaseLimit))
  writer.u8(previous === undefined ? 0 : 1)
  if (previous !== undefined) {
    writer.u32(previous.epochId).u16(previous.threshold).bytes(previous.masterKey)
    list(previous.members, (i) => writer.bytes(previous.members[i]?.key ?? new Uint8Array(KEY_BYTES)))
  }
  return writer.finish()
}
