/** The section `[ledger]` of a configuration: which ledger, whose account, and how sure something must be there. @module */
import { z } from 'zod'
import { fromUtf8 } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { Ledger, LedgerAccount } from '../../network/ledger/ledger.ts'
import { openNamedLedger } from '../../network/ledger/namedLedger.ts'
import { besideFile } from './configFile.ts'

export interface LedgerConfig {
  readonly rpc: readonly string[]
  /** Paths; in a file, relative to it. */
  readonly deployment: string
  readonly key: string
  /** Of a wallet's key file: its first line is the password. */
  readonly passwordFile?: string | undefined
  /** Blocks on top of what counts. */
  readonly confirmations: number
}

/** What public chains take back at worst, with margin. */
export const CONFIRMATIONS = 12
/** Servers keep the states of 128 blocks and more. */
const MAX_CONFIRMATIONS = 64
const url = z.url({ protocol: /^https?$/ })

export const ledgerSection: z.ZodType<LedgerConfig, unknown> = z.strictObject({
  rpc: z.union([url.transform((one) => [one]), z.array(url).min(1).max(8)]),
  deployment: z.string().min(1),
  key: z.string().min(1),
  passwordFile: z.string().min(1).optional(),
  confirmations: z.number().int().min(0).max(MAX_CONFIRMATIONS).default(CONFIRMATIONS),
})

export const ledgerBeside = (path: string, config: LedgerConfig): LedgerConfig => ({
  ...config,
  deployment: besideFile(path, config.deployment),
  key: besideFile(path, config.key),
  ...(config.passwordFile === undefined ? {} : { passwordFile: besideFile(path, config.passwordFile) }),
})

/** Asks the chain nothing yet. Throws CONFIG_INVALID, KEY_FILE_UNREADABLE. */
export async function openConfiguredLedger(
  world: World,
  { passwordFile, ...named }: LedgerConfig,
): Promise<{ readonly ledger: Ledger; readonly account: LedgerAccount }> {
  const file = passwordFile === undefined ? undefined : await world.files.read(passwordFile)
  if (passwordFile !== undefined && file === undefined) {
    throw new MixnetError('CONFIG_INVALID', { key: 'ledger.passwordFile', file: passwordFile, problem: 'no such file' })
  }
  const password = file && fromUtf8(file, 'password file').split(/\r?\n/, 1)[0]
  return openNamedLedger(world, { ...named, password })
}
