/** Which ledger a command is about, and who signs: from what was typed, or the network of `starling up` in this folder. @module */
import { type Command, InvalidArgumentError } from 'commander'
import { fromUtf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { Secret } from '../../foundation/base/secret.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { nodePasswordHashes } from '../../foundation/crypto/passwords.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { Address } from '../../network/ledger/chain.ts'
import { type Deployment, readDeployment } from '../../network/ledger/deployment.ts'
import { JsonRpc } from '../../network/ledger/jsonRpc.ts'
import { type KeystoreTools, keystoreAddress, openKeystore } from '../../network/ledger/keystore.ts'
import type { Ledger, LedgerAccount, Signer } from '../../network/ledger/ledger.ts'
import { openLedger } from '../../network/ledger/rpcLedger.ts'
import { addressOf, listOf } from '../../network/ledger/rpcValues.ts'
import { externalSigner, keySigner } from '../../network/ledger/signers.ts'
import { findLocalRpc, localDeploymentFile, UP_FOLDER } from '../node/localLedger.ts'
import type { Session } from './session.ts'
import { askSecret, canAsk } from './terminal.ts'

export interface LedgerOptions {
  /** In order of preference. */
  readonly rpc?: readonly string[]
  /** A file. */
  readonly deployment?: string
}

export interface SignerOptions {
  /** A file: a wallet's, version 3, or 32 bytes. */
  readonly key?: string
  readonly passwordFile?: string
  /** Name of a variable. */
  readonly passwordEnv?: string
  /** URL of a wallet or signing service. */
  readonly signer?: string
  /** Which of the signer's. */
  readonly from?: Address
}

export const KEYSTORE_TOOLS: KeystoreTools = { crypto: nodeProvider, passwords: nodePasswordHashes }
const RAW_KEY_BYTES = 32

export const ledgerOptions = (command: Command): Command =>
  command
    .option('--rpc <url>', 'of the chain, JSON-RPC; may be repeated (default: of "starling up" in this folder)', rpcUrl)
    .option('--deployment <file>', `where the contracts are (default: ${localDeploymentFile(UP_FOLDER)})`)

export const signerOptions = (command: Command): Command =>
  command
    .option('--key <file>', 'key file of a wallet (version 3); its password is asked for, or comes from')
    .option('--password-file <file>', 'a file, of which the first line counts, or')
    .option('--password-env <name>', 'an environment variable')
    .option('--signer <url>', 'instead: a wallet or signing service that answers eth_sendTransaction')
    .option('--from <address>', 'which account of the signer (default: its only one)', address)

export function address(text: string): Address {
  if (!/^0x[0-9a-fA-F]{40}$/.test(text))
    throw new InvalidArgumentError('It must be an address: 0x and 40 hexadecimal digits.')
  return text as Address
}

/** Collects. */
export function rpcUrl(text: string, before: readonly string[] = []): readonly string[] {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new InvalidArgumentError('It must be a URL, for instance http://127.0.0.1:8545/.')
  }
  return [...before, text]
}

/** Throws BAD_ARGUMENT where nothing says which, or the network of this folder does not run. */
export async function rpcUrls(
  world: Pick<World, 'clock' | 'net' | 'files'>,
  { rpc }: LedgerOptions,
): Promise<readonly string[]> {
  if (rpc !== undefined) return rpc
  const urls = await findLocalRpc(world.files, UP_FOLDER)
  if (urls === undefined) throw notRunning('no network runs in this folder, and no other was named')
  // Killed, it left the file behind; and whoever has its port now answers something else.
  await new JsonRpc(world, { urls, chainId: undefined }).chainId().catch((cause: unknown) => {
    const isGone = isMixnetError(cause, 'LEDGER_UNREACHABLE') || isMixnetError(cause, 'LEDGER_MISMATCH')
    throw isGone ? notRunning('the network of this folder is not running', cause) : cause
  })
  return urls
}

function notRunning(message: string, cause?: unknown): MixnetError {
  const nextStep =
    'Run "starling up" (in a clone: npm start) here in another terminal, or say which ledger: --rpc URL --deployment FILE.'
  return new MixnetError('BAD_ARGUMENT', {}, { message, nextStep, ...(cause === undefined ? {} : { cause }) })
}

export interface OpenLedger {
  readonly ledger: Ledger
  readonly deployment: Deployment
  readonly urls: readonly string[]
}

export async function openChosenLedger({ world }: Pick<Session, 'world'>, options: LedgerOptions): Promise<OpenLedger> {
  const urls = await rpcUrls(world, options)
  const path = options.deployment ?? localDeploymentFile(UP_FOLDER)
  const deployment = await readDeployment(world.files, path)
  if (deployment === undefined) {
    const nextStep = 'Say where the file is that "starling ledger deploy" wrote: --deployment FILE.'
    throw new MixnetError('BAD_ARGUMENT', { '--deployment': path }, { message: 'there is no such file', nextStep })
  }
  return { ledger: openLedger(world, { urls, deployment }), deployment, urls }
}

export async function openAccount(
  session: Session,
  ledger: Pick<Ledger, 'account'>,
  options: SignerOptions,
): Promise<LedgerAccount> {
  return ledger.account(await openSigner(session, options))
}

/** Throws BAD_ARGUMENT where nobody is named, KEY_FILE_UNREADABLE. */
export async function openSigner(session: Session, options: SignerOptions): Promise<Signer> {
  if (options.signer !== undefined) {
    if (options.key !== undefined) throw oneOfTwo()
    return openExternal(session.world, options.signer, options.from)
  }
  if (options.key === undefined) throw oneOfTwo()
  return keySigner(await openKey(session, options.key, options))
}

function oneOfTwo(): MixnetError {
  const nextStep =
    'Say who signs: --key FILE or --signer URL. A new key: "starling ledger account new FILE"; coins for it on a local network: "starling ledger faucet".'
  return new MixnetError('BAD_ARGUMENT', {}, { message: 'one account has to sign', nextStep })
}

export async function openKey(
  session: Session,
  path: string,
  options: Pick<SignerOptions, 'passwordFile' | 'passwordEnv'>,
): Promise<Secret> {
  const file = await readFile(session.world, path, '--key')
  if (file.length === RAW_KEY_BYTES) return new Secret(file)
  const password = await readPassword(session, options, `Password of ${path}: `)
  return openKeystore(KEYSTORE_TOOLS, file, password)
}

/** Never from an argument: every program on the machine can read those. */
export async function readPassword(
  { world, interrupted }: Session,
  { passwordFile, passwordEnv }: Pick<SignerOptions, 'passwordFile' | 'passwordEnv'>,
  question: string,
): Promise<string> {
  if (passwordFile !== undefined) {
    const file = await readFile(world, passwordFile, '--password-file')
    return fromUtf8(file, 'password file').split(/\r?\n/, 1)[0] as string
  }
  if (passwordEnv !== undefined) {
    const password = process.env[passwordEnv]
    if (password !== undefined) return password
    const nextStep = 'Set it, or name another.'
    throw new MixnetError('BAD_ARGUMENT', { '--password-env': passwordEnv }, { message: 'it is not set', nextStep })
  }
  if (canAsk()) return askSecret(question, interrupted)
  const nextStep = 'There is no terminal to ask at: say --password-file FILE or --password-env NAME.'
  throw new MixnetError('BAD_ARGUMENT', {}, { message: 'the key file needs its password', nextStep })
}

async function readFile({ files }: Pick<World, 'files'>, path: string, option: string): Promise<Uint8Array> {
  const file = await files.read(path)
  if (file !== undefined) return file
  const nextStep = 'Check the path, and the folder that the command is run in.'
  throw new MixnetError('BAD_ARGUMENT', { [option]: path }, { message: 'there is no such file', nextStep })
}

async function openExternal(world: World, url: string, from: Address | undefined): Promise<Signer> {
  const [valid] = rpcUrl(url)
  const rpc = new JsonRpc(world, { urls: [valid as string], chainId: undefined })
  const accounts = await rpc.ask({
    method: 'eth_accounts',
    params: [],
    decode: (result) => listOf(result, 'accounts', (one) => addressOf(one, 'account')),
  })
  const found = from === undefined ? accounts : accounts.filter((one) => one.toLowerCase() === from.toLowerCase())
  const [only, ...others] = found
  if (only !== undefined && others.length === 0) return externalSigner(only, [url])
  const nextStep =
    only === undefined ? 'Unlock it there, or check the address.' : 'It has several: say which, --from ADDRESS.'
  throw new MixnetError('BAD_ARGUMENT', {}, { message: 'the signer has not that account', nextStep })
}

/** `12` or the identity of a bonded node: its id. Throws BAD_ARGUMENT. */
export function nodeId(text: string): number {
  const id = Number(text)
  if (!/^\d{1,10}$/.test(text) || id < 1 || id > 0xffff_ffff)
    throw new InvalidArgumentError('It must be the number of a node; "starling ledger status" lists them.')
  return id
}

/** An address, or a key file that says whose it is. */
export async function addressIn({ world }: Session, who: string): Promise<Address> {
  if (/^0x[0-9a-fA-F]{40}$/.test(who)) return who as Address
  const file = await world.files.read(who)
  // Such as a monitor's own, which nobody typed a password for.
  if (file?.length === RAW_KEY_BYTES) return keySigner(new Secret(file)).address
  const at = file === undefined ? undefined : keystoreAddress(file)
  if (at !== undefined) return at
  throw new MixnetError(
    'BAD_ARGUMENT',
    { account: who },
    {
      message: 'neither an address nor a key file',
      nextStep: 'Give 0x and 40 hexadecimal digits, or the file of "starling ledger account new".',
    },
  )
}
