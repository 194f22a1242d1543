/**
 * What an issuer is told: its own TOML file, and the plan, a file that all issuers of an epoch have alike: who they are, how many of
 * them a book needs, where they meet to make their keys, and where deposits are made. @module
 */
import { stringify } from 'smol-toml'
import { z } from 'zod'
import { fromBase58, toBase58 } from '../../foundation/base/base58.ts'
import { equalBytes, utf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError, tryDecode } from '../../foundation/base/errors.ts'
import { parseIp } from '../../foundation/base/ipAddress.ts'
import type { Millis } from '../../foundation/base/units.ts'
import type { Files } from '../../foundation/platform/files.ts'
import { formatRfc3339, parseRfc3339 } from '../../protocol/wire/timestamp.ts'
import type { AgreedKeys } from '../../roles/issuer/agreedKeys.ts'
import { besideFile, checkConfig, readConfigFile } from './configFile.ts'
import { type LedgerConfig, ledgerBeside, ledgerSection } from './ledgerConfig.ts'

export interface IssuerConfig {
  /** For people: logs and the screen. */
  readonly name: string
  readonly listen: { readonly host: string; readonly port: number }
  /** Folder of keys and of what was issued; in a file, relative to it. */
  readonly data: string
  /** Path of the plan; in a file, relative to it. undefined: it is on the ledger. */
  readonly plan?: string | undefined
  /** Where plan, board and deposits are, instead of in files and at a faucet. */
  readonly ledger?: LedgerConfig | undefined
  /** Takes payments of official clients before 1.22, whose books nothing holds to fifty tickets. */
  readonly compatible: boolean
}

export interface PlannedIssuer {
  /** Of its share, from 1; it keeps it in later epochs. */
  readonly index: number
  /** Ed25519, 32 bytes. */
  readonly identity: Uint8Array
  /** Without /v1. */
  readonly url: string
}

export interface IssuerPlan {
  readonly network: string
  /** Of the first keys, 0. */
  readonly epoch: number
  /** By index, ascending. */
  readonly issuers: readonly PlannedIssuer[]
  /** Path of the file over which they agree; in a file, relative to it. */
  readonly board: string
  readonly priceUnym: number
  /** Where deposits are made, without /v1: a faucet, until there is a ledger. */
  readonly faucet: string
  /** Whose key these issuers take over, so that it stays the same; of the first keys nobody's. */
  readonly previous?: Omit<AgreedKeys, 'own'> | undefined
  /** Both are there once the plan is closed: then the keys can be made. */
  readonly closed?:
    | { readonly threshold: number; readonly startsAt: Millis; readonly phaseLimitSeconds: number }
    | undefined
}

export const DEFAULT_PRICE_UNYM = 75_000_000
const UNYM_PER_NYM = 1_000_000
const MAX_ISSUERS = 100
const IDENTITY_BYTES = 32
const VERIFICATION_KEY_BYTES = 680

const url = z.url({ protocol: /^https?$/ }).refine((text) => !text.endsWith('/'), 'must not end with a slash')
const base58 = (length: number, what: string) =>
  z.string().transform((text, context): Uint8Array => {
    const bytes = tryDecode(() => fromBase58(text, 'key'))
    if (!isMixnetError(bytes) && bytes.length === length) return bytes
    context.addIssue({ code: 'custom', message: `must be ${what} in base58` })
    return z.NEVER
  })
const identity = base58(IDENTITY_BYTES, 'an Ed25519 key')
const verificationKey = base58(VERIFICATION_KEY_BYTES, 'a verification key of 680 bytes')
const index = z.number().int().min(1)

const instant = z.string().transform((text, context): Millis => {
  const parsed = parseRfc3339(text)
  if (parsed !== undefined) return parsed
  context.addIssue({ code: 'custom', message: 'must be a time like "2026-12-01T12:00:00Z"' })
  return z.NEVER
})

const configSchema: z.ZodType<IssuerConfig, unknown> = z
  .strictObject({
    name: z.string().min(1).max(64),
    listen: z.strictObject({
      host: z.string().refine((text) => parseIp(text) !== undefined, 'must be an IP address'),
      port: z.number().int().min(0).max(65_535).default(8090),
    }),
    data: z.string().min(1).default('.'),
    plan: z.string().min(1).optional(),
    compatible: z.boolean().default(false),
    ledger: ledgerSection.optional(),
  })
  .refine(({ plan, ledger }) => (plan === undefined) !== (ledger === undefined), {
    path: ['plan'],
    message: 'either a plan in a file or a section [ledger], which has it',
  })

const planSchema: z.ZodType<IssuerPlan, unknown> = z
  .strictObject({
    network: z.string().min(1).max(64),
    epoch: z.number().int().min(0).default(0),
    board: z.string().min(1),
    price: z.string().regex(/^\d{1,9}(\.\d{1,6})? NYM$/, 'must be like "75 NYM"'),
    faucet: url,
    threshold: z.number().int().min(1).max(MAX_ISSUERS).optional(),
    starts_at: instant.optional(),
    phase_limit_seconds: z.number().int().min(1).max(86_400).default(600),
    issuers: z.array(z.strictObject({ index, identity, url })).max(MAX_ISSUERS).default([]),
    previous: z
      .strictObject({
        epoch: z.number().int().min(0),
        threshold: z.number().int().min(1).max(MAX_ISSUERS),
        master_key: verificationKey,
        issuers: z
          .array(z.strictObject({ index, identity, url, key: verificationKey }))
          .min(1)
          .max(MAX_ISSUERS),
      })
      .optional(),
  })
  .refine(({ issuers }) => issuers.every(({ index }, i) => index > (issuers[i - 1]?.index ?? 0)), {
    path: ['issuers'],
    message: 'must be in the order of their indices, each once',
  })
  .refine(({ threshold, starts_at }) => (threshold === undefined) === (starts_at === undefined), {
    path: ['threshold'],
    message: 'needs starts_at, and starts_at needs it',
  })
  .refine(
    ({ threshold, issuers }) =>
      threshold === undefined || (threshold <= issuers.length && threshold * 2 > issuers.length),
    {
      path: ['threshold'],
      message: 'must be more than half of the issuers, and no more than there are',
    },
  )
  .transform(
    ({ price, threshold, starts_at, phase_limit_seconds, previous, ...plan }): IssuerPlan => ({
      ...plan,
      previous: previous && {
        epochId: previous.epoch,
        threshold: previous.threshold,
        masterKey: previous.master_key,
        members: previous.issuers,
      },
      priceUnym: Math.round(Number(price.replace(' NYM', '')) * UNYM_PER_NYM),
      closed:
        threshold === undefined || starts_at === undefined
          ? undefined
          : { threshold, startsAt: starts_at, phaseLimitSeconds: phase_limit_seconds },
    }),
  )

/** Throws CONFIG_INVALID. */
export async function readIssuerConfig(files: Files, path: string): Promise<IssuerConfig> {
  const config = await readConfigFile(files, path, configSchema)
  const { data, plan, ledger } = config
  return {
    ...config,
    data: besideFile(path, data),
    ...(plan === undefined ? {} : { plan: besideFile(path, plan) }),
    ...(ledger === undefined ? {} : { ledger: ledgerBeside(path, ledger) }),
  }
}

/** Throws CONFIG_INVALID. */
export const checkIssuerConfig = (values: unknown, source: string): IssuerConfig =>
  checkConfig(values, source, configSchema)

export function formatIssuerConfig(config: IssuerConfig): Uint8Array {
  return utf8(
    `# An issuer. Written by "starling issuer init"; docs/guides/run-issuers.md explains every key\n${stringify(config)}`,
  )
}

/** Throws CONFIG_INVALID. */
export async function readIssuerPlan(files: Files, path: string): Promise<IssuerPlan> {
  const plan = await readConfigFile(files, path, planSchema)
  return { ...plan, board: besideFile(path, plan.board) }
}

/** `board` is written as it is: relative to the plan. */
export function formatIssuerPlan(plan: IssuerPlan): Uint8Array {
  const { closed, issuers, network, epoch, board, faucet, priceUnym, previous } = plan
  const values = {
    network,
    epoch,
    board,
    price: `${priceUnym / UNYM_PER_NYM} NYM`,
    faucet,
    ...(closed === undefined
      ? {}
      : {
          threshold: closed.threshold,
          starts_at: formatRfc3339(closed.startsAt),
          phase_limit_seconds: closed.phaseLimitSeconds,
        }),
    issuers: issuers.map((one) => ({ ...one, identity: toBase58(one.identity) })),
    ...(previous === undefined
      ? {}
      : {
          previous: {
            epoch: previous.epochId,
            threshold: previous.threshold,
            master_key: toBase58(previous.masterKey),
            issuers: previous.members.map(({ index, identity, url, key }) => ({
              index,
              identity: toBase58(identity),
              url,
              key: toBase58(key),
            })),
          },
        }),
  }
  return utf8(
    `# The plan of the issuers: the same file for all of them. Written by "starling issuer init" and "plan"\n${stringify(values)}`,
  )
}

interface PlannedChange {
  readonly issuers: readonly Pick<PlannedIssuer, 'identity'>[]
  readonly previous?:
    | { readonly threshold: number; readonly members: readonly Pick<PlannedIssuer, 'identity'>[] }
    | undefined
}

/**
 * The lowest threshold that is safe for these issuers. More than half; and where a key is handed on, more than may not know that a deposit
 * was used: those who come new, and of those who stay as many as its book could do without. Else it could buy a second one.
 */
export function lowestThreshold({ issuers, previous }: PlannedChange): number {
  const half = Math.floor(issuers.length / 2) + 1
  if (previous === undefined) return half
  const stay = issuers.filter((one) =>
    previous.members.some(({ identity }) => equalBytes(identity, one.identity)),
  ).length
  const unaware = issuers.length - stay + Math.min(stay, previous.members.length - previous.threshold)
  return Math.max(half, unaware + 1)
}

/** How it was closed. Throws CONFIG_INVALID where it is still open. */
export function expectClosed({ closed }: IssuerPlan, path: string): NonNullable<IssuerPlan['closed']> {
  if (closed !== undefined) return closed
  throw new MixnetError(
    'CONFIG_INVALID',
    { file: path, key: 'threshold', problem: 'the plan is not closed yet' },
    { nextStep: 'When every issuer is in it: starling issuer plan FILE --threshold N' },
  )
}
