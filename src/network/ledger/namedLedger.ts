/** A ledger and an account on it, by the files that name them: of configurations and options. @module */
import { MixnetError } from '../../foundation/base/errors.ts'
import { Secret } from '../../foundation/base/secret.ts'
import { nodePasswordHashes } from '../../foundation/crypto/passwords.ts'
import type { World } from '../../foundation/platform/world.ts'
import { readDeployment } from './deployment.ts'
import { openKeystore } from './keystore.ts'
import type { Ledger, LedgerAccount } from './ledger.ts'
import { openLedger } from './rpcLedger.ts'
import { keySigner } from './signers.ts'

export interface NamedLedger {
  /** Of the chain's servers, in order of preference. */
  readonly rpc: readonly string[]
  /** Path of what "starling ledger deploy" wrote. */
  readonly deployment: string
  /** Path of a wallet's key file, version 3, or of 32 bytes. */
  readonly key: string
  /** Of a wallet's key file. */
  readonly password?: string | undefined
}

const RAW_KEY_BYTES = 32

/** Asks the chain nothing yet. Throws CONFIG_INVALID where a file is missing or is none, KEY_FILE_UNREADABLE. */
export async function openNamedLedger(
  world: Pick<World, 'clock' | 'net' | 'crypto'> & { readonly files: Pick<World['files'], 'read'> },
  { rpc, deployment: path, key, password }: NamedLedger,
): Promise<{ readonly ledger: Ledger; readonly account: LedgerAccount }> {
  const deployment = await readDeployment(world.files, path)
  if (deployment === undefined) throw missing('deployment', path)
  const file = await world.files.read(key)
  if (file === undefined) throw missing('key', key)
  const secret =
    file.length === RAW_KEY_BYTES
      ? new Secret(file)
      : await openKeystore({ crypto: world.crypto, passwords: nodePasswordHashes }, file, password ?? noPassword(key))
  const ledger = openLedger(world, { urls: rpc, deployment })
  return { ledger, account: ledger.account(keySigner(secret)) }
}

function missing(what: string, file: string): MixnetError {
  const nextStep = 'Check the path; a relative one is from where it is named.'
  return new MixnetError(
    'CONFIG_INVALID',
    { key: `ledger.${what}`, file },
    { message: 'there is no such file', nextStep },
  )
}

function noPassword(file: string): never {
  const nextStep = 'Give it, or a key file of 32 bytes that nobody else can read.'
  throw new MixnetError('KEY_FILE_UNREADABLE', { file, why: 'it has a password' }, { nextStep })
}
