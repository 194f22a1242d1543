/** `starling credential`: the tickets of a client that is not running. @module */

import { describeBook } from '../../client/credentials/describeTickets.ts'
import { ledgerDeposits } from '../../client/credentials/ledgerDeposits.ts'
import { confirmIssuers } from '../../client/credentials/ledgerTickets.ts'
import { openTickets, type TicketFolderOptions } from '../../client/credentials/openTickets.ts'
import type { UnfinishedExport } from '../../client/credentials/ticketStore.ts'
import type { TicketWallet } from '../../client/credentials/ticketWallet.ts'
import { equalBytes, fromUtf8, fromUtf8Lossy } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { startCredentialEngine } from '../node/credentialEngine.ts'
import { lockFolder } from './folders.ts'
import { type LedgerOptions, openAccount, openChosenLedger, type SignerOptions } from './ledgerAccess.ts'
import { explainFileError } from './problems.ts'
import type { Session } from './session.ts'

export interface CredentialOptions {
  /** The client's. */
  readonly data: string
  readonly directory: readonly string[]
}

export interface PassphraseOptions {
  readonly passphraseFile?: string
}

export interface ExportOptions extends CredentialOptions, PassphraseOptions {
  readonly output: string
  readonly tickets?: number
  readonly official: boolean
}

export interface ImportOptions extends CredentialOptions, PassphraseOptions {
  readonly official: boolean
}

export interface BuyOptions extends CredentialOptions, LedgerOptions, SignerOptions {
  readonly ledger: boolean
  readonly confirmations: number
}

export async function buyBook(session: Session, options: BuyOptions): Promise<number> {
  const { screen, world } = session
  const elsewhere = options.ledger ? await onLedger(session, options) : undefined
  const choice = { ...options, elsewhere }
  return withWallet(session, choice, 'faucet', async (wallet) => {
    const started = world.clock.monotonic()
    const { culprits, ...book } = await wallet.buyBook().catch((error: unknown) => {
      if (!isMixnetError(error, 'ABORTED')) throw error
      const text = 'nobody waits for it any more. The same command goes on: what was paid is not paid again'
      screen.step('stopped', text, undefined, { event: 'stopped', mayStillHappen: true })
      throw error
    })
    const took = world.clock.monotonic() - started
    if (culprits.length > 0) {
      screen.step('issuers', `number ${culprits.join(', ')} answered wrongly and was done without`, undefined, {
        event: 'culprits',
        culprits,
      })
    }
    const { text, priceUnym } = await wallet.describe()
    screen.step('bought', describeBook(book), took, { event: 'bought', ...shown(book) })
    screen.step('tickets', text, undefined, { event: 'tickets', text, priceUnym })
    return 0
  })
}

export async function listBooks(session: Session, options: CredentialOptions): Promise<number> {
  const { screen } = session
  await expectClient(session, options)
  return withWallet(session, options, 'never', async (wallet) => {
    for (const book of wallet.books()) {
      screen.step('book', `${book.id}   ${describeBook(book)}`, undefined, { event: 'book', ...shown(book) })
    }
    for (const { id, tickets } of wallet.unfinishedExports()) {
      const text = `${id}   ${tickets} tickets, which an export that was cut off had taken out: export this book once more`
      screen.step('cut off', text, undefined, { event: 'unfinished', id, tickets })
    }
    const { text, left, bytes, until, priceUnym } = await wallet.describe()
    screen.step('tickets', text, undefined, { event: 'tickets', text, left, bytes, until, priceUnym })
    return 0
  })
}

/** 0 where gateways would take every book. */
export async function verifyBooks(session: Session, options: CredentialOptions): Promise<number> {
  const { screen } = session
  await expectClient(session, options)
  return withWallet(session, options, 'never', async (wallet) => {
    let good = true
    for (const book of wallet.books()) {
      const isGood = await wallet.verifyBook(book.id)
      good &&= isGood
      const text = isGood ? describeBook(book) : 'gateways would refuse its tickets'
      screen.step(isGood ? 'good' : 'bad', `${book.id}   ${text}`, undefined, {
        event: 'verified',
        good: isGood,
        ...shown(book),
      })
    }
    if (wallet.books().length === 0) throw new MixnetError('NO_TICKETS', { folder: options.data })
    return good ? 0 : 4
  })
}

/**
 * Tickets that are in the file are gone from the folder. Killed at any moment, the same command again does what is left to do: from when they
 * are struck off until the file is on the disk the folder has it, and hands out the same.
 */
export async function exportBook(session: Session, id: string, options: ExportOptions): Promise<number> {
  const { screen, world } = session
  const { output, tickets, official } = options
  const count = tickets === undefined ? {} : { tickets }
  await expectClient(session, options)
  const passphrase = official ? undefined : await readPassphrase(session, options)
  return withWallet(session, options, 'never', async (wallet) => {
    const cutOff = wallet.unfinishedExports().find((one) => one.id.startsWith(id))
    if (cutOff !== undefined) return finishExport(session, wallet, cutOff, output)
    const book = wallet.books().find((one) => one.id.startsWith(id))
    if (book === undefined)
      throw new MixnetError(
        'NO_TICKETS',
        { book: id },
        { message: 'there is no such book', nextStep: `See: starling credential list --data ${options.data}` },
      )
    await expectFree(session, output)
    if (tickets !== undefined && tickets > book.left) {
      const nextStep = `Export as many as there are, or fewer; without --tickets all of them.`
      const message = 'the book has not so many tickets left'
      throw new MixnetError('NO_TICKETS', { '--tickets': tickets, left: book.left }, { message, nextStep })
    }
    // Whether it can be written at all is found out before any ticket is gone.
    await write(session, output, new Uint8Array(0))
    const choice = { ...count, keep: (bundle: Uint8Array) => write(session, output, bundle) }
    try {
      if (passphrase === undefined) await wallet.exportOfficial(book.id, choice)
      else await wallet.exportBook(book.id, passphrase, choice)
    } catch (error) {
      // The disk filled up meanwhile, say.
      if (wallet.unfinishedExports().some((one) => one.id === book.id))
        screen.line('  Nothing is lost: the same command again writes the file.')
      else await world.files.remove(output)
      throw error
    }
    const left = wallet.books().find((one) => one.id === book.id)?.left ?? 0
    screen.step('exported', `${book.left - left} tickets to ${output}; import them once, on one device`, undefined, {
      event: 'exported',
      file: output,
      tickets: book.left - left,
    })
    return 0
  })
}

async function finishExport(
  session: Session,
  wallet: TicketWallet,
  { id, tickets }: UnfinishedExport,
  output: string,
): Promise<number> {
  const { screen } = session
  await wallet.finishExport(id, async (bundle) => {
    await expectFree(session, output, bundle)
    await write(session, output, bundle)
  })
  screen.step('exported', `${tickets} tickets to ${output}, as an export that was cut off had packed them`, undefined, {
    event: 'exported',
    file: output,
    tickets,
    finished: true,
  })
  screen.line(
    '  Its passphrase is that of then. If it had written another file already, that is the same one: remove it.',
  )
  return 0
}

/** Nothing is written over, but what an export of these bytes left behind when it was killed: nothing, or they. */
async function expectFree({ world }: Session, output: string, bundle: Uint8Array = new Uint8Array(0)): Promise<void> {
  const kind = await world.files.kindOf(output)
  if (kind === undefined) return
  const reading = kind === 'file' ? world.files.readRange(output, 0, bundle.length + 1) : undefined
  const there = await reading?.catch((error: unknown) => {
    throw explainFileError(error)
  })
  if (there !== undefined && (there.length === 0 || equalBytes(there, bundle))) return
  const nextStep = 'Choose a file that is not there yet: nothing is written over.'
  throw new MixnetError('BAD_ARGUMENT', { '--output': output }, { message: 'the file exists', nextStep })
}

export async function importBook(session: Session, file: string, options: ImportOptions): Promise<number> {
  const { screen, world } = session
  const passphrase = options.official ? undefined : await readPassphrase(session, options)
  const contents = await world.files.read(file).catch((error: unknown) => {
    throw explainFileError(error)
  })
  if (contents === undefined) {
    const nextStep = 'Give the file that "starling credential export" wrote.'
    throw new MixnetError('BAD_ARGUMENT', { file }, { message: 'there is no such file', nextStep })
  }
  return withWallet(session, options, 'never', async (wallet) => {
    const book = await importing(file, () =>
      passphrase === undefined
        ? wallet.importOfficial(contents)
        : wallet.importBook(fromUtf8(contents, 'export').trim(), passphrase),
    )
    screen.step('imported', describeBook(book), undefined, { event: 'imported', ...shown(book) })
    screen.line(`  Remove ${file} now: a ticket that is spent twice names who spent it.`)
    return 0
  })
}

/** Pays there, and believes what it says of the issuers. */
async function onLedger(session: Session, options: BuyOptions): Promise<NonNullable<TicketFolderOptions['elsewhere']>> {
  const { world, screen } = session
  const { ledger } = await openChosenLedger(session, options)
  const account = await openAccount(session, ledger, options)
  const { confirmations } = options
  screen.step('account', `${account.address}   the chain shows everybody what it pays`, undefined, {
    event: 'account',
    address: account.address,
  })
  return {
    deposits: ledgerDeposits({ clock: world.clock, ledger, account, confirmations, signal: session.interrupted }),
    confirm: (agreed) => confirmIssuers(world.crypto, ledger, agreed),
  }
}

/** Who only looks should not make a client where none is: the folder is a typo. */
async function expectClient({ world }: Session, { data }: CredentialOptions): Promise<void> {
  if ((await world.files.read(`${data}/identity.pem`)) !== undefined) return
  const nextStep = 'Name the folder of a client; buying and importing make one where there is none.'
  throw new MixnetError('BAD_ARGUMENT', { '--data': data }, { message: 'there is no client', nextStep })
}

/** A file that is none is no peer's fault. */
async function importing<T>(file: string, take: () => Promise<T>): Promise<T> {
  try {
    return await take()
  } catch (error) {
    if (!isMixnetError(error, 'MALFORMED')) throw error
    const nextStep = 'Give the whole file that "starling credential export" wrote, with --official as it was written.'
    const details = { file, ...error.details }
    throw new MixnetError('BAD_ARGUMENT', details, { message: 'these are no exported tickets', nextStep, cause: error })
  }
}

async function withWallet(
  session: Session,
  { data, directory, elsewhere }: CredentialOptions & Pick<TicketFolderOptions, 'elsewhere'>,
  buy: 'never' | 'faucet',
  work: (wallet: TicketWallet) => Promise<number>,
): Promise<number> {
  const { world } = session
  const lock = await lockFolder(world.files, data, 'Stop the client that uses it; a running client buys by itself.')
  try {
    const { wallet, close } = await openTickets(world, {
      folder: data,
      locked: true,
      directories: directory,
      tickets: { buy },
      elsewhere,
      engine: async () => startCredentialEngine(),
      log: session.quietLogOf('tickets'),
    })
    try {
      return await work(wallet)
    } finally {
      await close()
    }
  } finally {
    await lock.release()
  }
}

/** From a file, or the environment: arguments are for everybody to see. */
async function readPassphrase({ world }: Session, { passphraseFile }: PassphraseOptions): Promise<string> {
  const contents = passphraseFile === undefined ? undefined : await world.files.read(passphraseFile)
  const passphrase =
    contents === undefined ? process.env.STARLING_PASSPHRASE : fromUtf8Lossy(contents).replace(/\r?\n$/, '')
  if (passphrase !== undefined && passphrase !== '') return passphrase
  const nextStep = 'Put it into the environment variable STARLING_PASSPHRASE, or name a file: --passphrase-file FILE.'
  throw new MixnetError('BAD_ARGUMENT', {}, { message: 'there is no passphrase', nextStep })
}

async function write({ world }: Session, file: string, contents: Uint8Array): Promise<void> {
  await world.files.write(file, contents, { secret: true }).catch((error: unknown) => {
    throw isMixnetError(error) ? error : explainFileError(error)
  })
}

const shown = (book: { id: string; left: number; expiration: number; epochId: bigint }) => ({
  id: book.id,
  left: book.left,
  until: book.expiration,
  epoch: Number(book.epochId),
})
