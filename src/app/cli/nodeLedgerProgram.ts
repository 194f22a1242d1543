/** What can be typed behind `starling node` about the ledger: bond, unbond, pledge, costs, rewards, score. @module */
import type { Command } from 'commander'
import { parseDecimal } from '../../protocol/economy/decimal.ts'
import { parseAmount, parsePositiveAmount } from './amounts.ts'
import { share, upTo } from './arguments.ts'
import type { Run } from './issuerProgram.ts'
import { address, ledgerOptions, nodeId, signerOptions } from './ledgerAccess.ts'
import { writeOptions } from './ledgerWrites.ts'
import { bondNode, changeCosts, changePledge, nameAnnouncer, unbondNode } from './nodeLedgerCommands.ts'
import { showNodeRewards } from './nodeRewards.ts'
import { showScore } from './nodeScore.ts'

const DEFAULT_MARGIN = parseDecimal('0.2')
const MAX_EPOCH = 0xffff_ffff

export function defineNodeLedger(node: Command, run: Run): void {
  const writing = (command: Command): Command => writeOptions(signerOptions(ledgerOptions(command)))
  writing(node.command('bond <folder>').description('put the node on the ledger, with a pledge of yours'))
    .addHelpText('before', 'Example: starling node bond knot --pledge "100 NYM" --key my-key.json\n')
    .option('--pledge <amount>', 'NYM (default: the least that is allowed)', parsePositiveAmount)
    .option('--margin <share>', 'your part of what is earned beyond your costs, 0 to 1 (default: 0.2)', share)
    .option('--cost <amount>', 'your costs of an interval, which come first (default: 0 NYM)', parseAmount)
    .action((folder: string, options, command: Command) =>
      run(command, (session) =>
        bondNode(session, folder, { ...options, margin: options.margin ?? DEFAULT_MARGIN, cost: options.cost ?? 0n }),
      ),
    )
  writing(node.command('announcer <address-or-file>').description('let another account announce the node'))
    .addHelpText('before', 'Example: starling node announcer hot.json --key my-key.json\n')
    .action((who: string, options, command: Command) => run(command, (session) => nameAnnouncer(session, who, options)))
  writing(node.command('unbond').description('take the node off the ledger at the end of the epoch'))
    .addHelpText('before', 'Example: starling node unbond --key my-key.json\n')
    .action((options, command: Command) => run(command, (session) => unbondNode(session, options)))
  writing(node.command('pledge').description('pledge more, or less'))
    .addHelpText('before', 'Example: starling node pledge --more "50 NYM" --key my-key.json\n')
    .option('--more <amount>', 'NYM', parsePositiveAmount)
    .option('--less <amount>', 'NYM', parsePositiveAmount)
    .action((options, command: Command) => run(command, (session) => changePledge(session, options)))
  writing(node.command('costs').description('change margin and costs, from the next interval on'))
    .addHelpText('before', 'Example: starling node costs --margin 0.25 --key my-key.json\n')
    .option('--margin <share>', '0 to 1 (default: as it is)', share)
    .option('--cost <amount>', 'of an interval (default: as they are)', parseAmount)
    .action((options, command: Command) => run(command, (session) => changeCosts(session, options)))
  writing(node.command('rewards').description('what the node has earned'))
    .addHelpText('before', 'Example: starling node rewards --key my-key.json --explain\n')
    .option('--node <id>', "of that node (default: the account's)", nodeId)
    .option('--account <address>', "look at somebody else's, without a key", address)
    .option('--explain', 'why it is not more, cause by cause', false)
    .option('--withdraw', 'take it out', false)
    .action((options, command: Command) => run(command, (session) => showNodeRewards(session, options)))
  ledgerOptions(
    node
      .command('score')
      .argument('<node>', 'its number', nodeId)
      .description('what monitors measured, and their evidence checked'),
  )
    .addHelpText('before', 'Example: starling node score 7\n')
    .option('--epoch <number>', 'of that epoch (default: the last with scores)', upTo(MAX_EPOCH, 0))
    .action((id: number, options, command: Command) => run(command, (session) => showScore(session, id, options)))
}
