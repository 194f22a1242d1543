/** What can be typed behind `starling ledger`, `delegate`, `undelegate`, `rewards` and `claim`. @module */
import { type Command, InvalidArgumentError } from 'commander'
import { FAUCET_KEY, giveFromFaucet, makeAccount, showAccount } from './accountCommands.ts'
import { amountText, joinedAmount, parsePositiveAmount } from './amounts.ts'
import { upTo } from './arguments.ts'
import { claimOwed, delegateTo, showRewards, undelegateFrom } from './delegateCommands.ts'
import type { Run } from './issuerProgram.ts'
import { planIssuers } from './issuerProposal.ts'
import { address, ledgerOptions, nodeId, rpcUrl, signerOptions } from './ledgerAccess.ts'
import { deployContracts } from './ledgerDeploy.ts'
import { showLedger } from './ledgerStatus.ts'
import { verifyLedger } from './ledgerVerify.ts'
import { writeOptions } from './ledgerWrites.ts'

const FAUCET_AMOUNT = 10_000_000_000n
const MAX_EPOCH = 0xffff_ffff
const EXIT_CODES_TEXT =
  '\nExit codes: 0 done, 2 your arguments or what the contracts refuse, 3 the chain, or a moment at which it\ncannot be, 4 answers that cannot be right, 70 a bug, 130 Ctrl-C'

export function defineLedger(program: Command, run: Run): void {
  const ledger = program
    .command('ledger')
    .description('who runs nodes, who backs them, what they earn: status, verify, deploy, plan, faucet, account')
    .helpCommand(false)
  ledgerOptions(ledger.command('status').description('the epoch, who serves in it, the pool, who measures'))
    .addHelpText('before', 'Example: starling ledger status\n')
    .action((options, command: Command) => run(command, (session) => showLedger(session, options)))
  ledgerOptions(
    ledger.command('verify').description('play every event again by the rules: scores, seed, draw, rewards, pool'),
  )
    .addHelpText('before', 'Example: starling ledger verify --epoch 31\n')
    .option(
      '--epoch <number>',
      'up to that one, and what it came to (default: the last that ended)',
      upTo(MAX_EPOCH, 0),
    )
    .option('--all', 'every epoch, and what the contract says it has now', false)
    .addHelpText('after', '\nExit code 3 with the first difference, if there is one.')
    .action((options, command: Command) => run(command, (session) => verifyLedger(session, options)))
  writeOptions(
    signerOptions(
      ledger
        .command('deploy')
        .description('the contracts of a new network; stopped half way, the same command goes on')
        .option('--rpc <url>', 'of the chain, JSON-RPC; may be repeated', rpcUrl)
        .option('--deployment <file>', 'where to write what others need to find them', 'ledger.json'),
    ),
  )
    .addHelpText(
      'before',
      'Example: starling ledger deploy --rpc http://127.0.0.1:8545/ --key deployer.json --params network.toml\n',
    )
    .option(
      '--params <file>',
      "TOML: what is to be other than on Nym's main network; docs/guides/operator.md has the keys",
    )
    .option('--local', 'begin with the numbers of a local network: epochs of a minute', false)
    .action((options, command: Command) => run(command, (session) => deployContracts(session, options)))
  writeOptions(
    signerOptions(
      ledgerOptions(
        ledger
          .command('plan <file>')
          .description('governance names the issuers: proposes it, and after the delay executes it'),
      ),
    ),
  )
    .addHelpText('before', 'Example: starling ledger plan issuers.toml --key founder.json\n')
    .addHelpText(
      'after',
      '\nThe same command each time; exit code 3 while the proposal waits. The file: docs/guides/run-issuers.md',
    )
    .action((file: string, options, command: Command) => run(command, (session) => planIssuers(session, file, options)))
  ledgerOptions(ledger.command('faucet <address-or-file>').description('NYM and coins for fees, on a local network'))
    .addHelpText('before', 'Example: starling ledger faucet my-key.json\n')
    .option('--amount <amount>', `NYM (default: ${amountText(FAUCET_AMOUNT)})`, parsePositiveAmount)
    .option('--key <file>', 'of who deployed', FAUCET_KEY)
    .action((to: string, options, command: Command) =>
      run(command, (session) => giveFromFaucet(session, to, { ...options, amount: options.amount ?? FAUCET_AMOUNT })),
    )
  const account = ledger.command('account').description('a key of the ledger: new, show').helpCommand(false)
  account
    .command('new <file>')
    .description('make a key, in a file that every wallet can open')
    .addHelpText('before', 'Example: starling ledger account new my-key.json\n')
    .option('--password-file <file>', 'a file, of which the first line counts (default: asked for)')
    .option('--password-env <name>', 'an environment variable')
    .action((file: string, options, command: Command) => run(command, (session) => makeAccount(session, file, options)))
  ledgerOptions(account.command('show <address-or-file>').description('what it has'))
    .addHelpText('before', 'Example: starling ledger account show my-key.json\n')
    .action((who: string, options, command: Command) => run(command, (session) => showAccount(session, who, options)))
}

export function defineDelegate(program: Command, run: Run): void {
  writeOptions(
    signerOptions(
      ledgerOptions(
        program
          .command('delegate')
          .argument('<node>', 'its number', nodeId)
          .argument('<amount...>', 'NYM')
          .description('put NYM behind a node'),
      ),
    ),
  )
    .addHelpText('before', 'Example: starling delegate 7 100 NYM --key my-key.json\n')
    .addHelpText('after', EXIT_CODES_TEXT)
    .action((node: number, words: readonly string[], options, command: Command) => {
      const amount = typed(command, words, joinedAmount)
      return run(command, (session) => delegateTo(session, node, amount, options))
    })
  writeOptions(
    signerOptions(
      ledgerOptions(
        program
          .command('undelegate')
          .argument('<node>', 'its number', nodeId)
          .description('take them back, with what they earned'),
      ),
    ),
  )
    .addHelpText('before', 'Example: starling undelegate 7 --key my-key.json\n')
    .action((node: number, options, command: Command) =>
      run(command, (session) => undelegateFrom(session, node, options)),
    )
  writeOptions(
    signerOptions(ledgerOptions(program.command('rewards').description('what your delegations have earned'))),
  )
    .addHelpText('before', 'Example: starling rewards --key my-key.json --withdraw\n')
    .option('--account <address>', "look at somebody else's, without a key", address)
    .option('--node <id>', 'of that node alone', nodeId)
    .option('--withdraw', 'take it out', false)
    .action((options, command: Command) => run(command, (session) => showRewards(session, options)))
  writeOptions(
    signerOptions(
      ledgerOptions(program.command('claim').description('fetch what was set aside: stakes taken back, refunds')),
    ),
  )
    .addHelpText('before', 'Example: starling claim --key my-key.json\n')
    .action((options, command: Command) => run(command, (session) => claimOwed(session, options)))
}

/** Of words that are one value; what is wrong is said as of any argument. */
function typed<T>(command: Command, words: readonly string[], parse: (words: readonly string[]) => T): T {
  try {
    return parse(words)
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error
    return command.error(`error: argument value '${words.join(' ')}' is invalid. ${error.message}`)
  }
}
