/** What can be typed behind `starling credential`. @module */
import type { Command } from 'commander'
import { count, directoryUrl, upTo } from './arguments.ts'
import { buyBook, exportBook, importBook, listBooks, verifyBooks } from './credentialCommands.ts'
import type { Run } from './issuerProgram.ts'
import { ledgerOptions, signerOptions } from './ledgerAccess.ts'

export function defineCredential(program: Command, run: Run, localDirectory: string): void {
  const credential = program
    .command('credential')
    .description('tickets that pay for bandwidth: buy, list, export, import, verify')
    .helpCommand(false)
  const common = (command: Command): Command =>
    command
      .requiredOption('--data <folder>', "the client's folder, in which its tickets are; the client must not run")
      .option('-d, --directory <url>', `of the network; may be repeated (default: ${localDirectory})`, directoryUrl)
  const passphrase = (command: Command): Command =>
    command
      .option('--passphrase-file <file>', 'holds the passphrase (default: the variable STARLING_PASSPHRASE)')
      .option('--official', "the official clients' form, which has no passphrase", false)
  const withDirectory = <T extends { directory?: readonly string[] }>(options: T) => ({
    ...options,
    directory: options.directory ?? [localDirectory],
  })
  signerOptions(
    ledgerOptions(
      common(
        credential.command('buy').description('a book of fifty tickets: from a faucet, or for tokens on a ledger'),
      ),
    ).option('--ledger', 'pay on the ledger, from an account that does nothing else', false),
  )
    .option('--confirmations <number>', 'blocks on top of the deposit: what the issuers want to see', upTo(64, 0), 12)
    .addHelpText('before', 'Example: starling credential buy --data my-client\n')
    .action((options, command: Command) => run(command, (session) => buyBook(session, withDirectory(options))))
  common(credential.command('list').description('what is left, and until when'))
    .addHelpText('before', 'Example: starling credential list --data my-client\n')
    .action((options, command: Command) => run(command, (session) => listBooks(session, withDirectory(options))))
  common(credential.command('verify').description('whether gateways would take them; nothing is spent'))
    .addHelpText('before', 'Example: starling credential verify --data my-client\n')
    .action((options, command: Command) => run(command, (session) => verifyBooks(session, withDirectory(options))))
  passphrase(common(credential.command('export <book>').description('move tickets out of the folder, into a file')))
    .addHelpText('before', 'Example: starling credential export 3fa9 --data my-client -o book.txt --tickets 20\n')
    .requiredOption('-o, --output <file>', 'where to')
    .option('--tickets <number>', 'so many of its last ones (default: all)', count)
    .action((book: string, options, command: Command) =>
      run(command, (session) => exportBook(session, book, withDirectory(options))),
    )
  passphrase(common(credential.command('import <file>').description('take in what another device exported, once')))
    .addHelpText('before', 'Example: starling credential import book.txt --data my-client\n')
    .action((file: string, options, command: Command) =>
      run(command, (session) => importBook(session, file, withDirectory(options))),
    )
}
