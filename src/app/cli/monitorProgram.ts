/** What can be typed behind `starling monitor`. @module */
import { type Command, Option } from 'commander'
import { parsePositiveAmount } from './amounts.ts'
import { directoryUrl, ipAddress, port, upTo } from './arguments.ts'
import type { Run } from './issuerProgram.ts'
import { ledgerOptions, rpcUrl, signerOptions } from './ledgerAccess.ts'
import { writeOptions } from './ledgerWrites.ts'
import { initMonitor, joinMonitors, leaveMonitors, runMonitor, withdrawStake } from './monitorCommands.ts'

const ownUrl = (text: string): string => rpcUrl(text)[0]?.replace(/\/+$/, '') ?? text

export function defineMonitor(program: Command, run: Run, localDirectory: string): void {
  const monitor = program
    .command('monitor')
    .description('who measures nodes, with a stake: init, join, run, leave, withdraw-stake')
    .helpCommand(false)
  const writing = (command: Command): Command => writeOptions(signerOptions(ledgerOptions(command)))
  monitor
    .command('init <folder>')
    .description('make a configuration')
    .addHelpText('before', 'Example: starling monitor init watch --local\n')
    .option('-d, --directory <url>', `of the network; may be repeated (default: ${localDirectory})`, directoryUrl)
    .option('--name <name>', 'for people (default: the folder)')
    .option('--host <ip>', 'where its evidence is served', ipAddress, '127.0.0.1')
    .option('-p, --port <port>', 'port to listen on', port, 8095)
    .addOption(
      new Option('--traffic <profile>', 'of its sessions: frugal is 5 kB a second for each gateway')
        .choices(['default', 'frugal'])
        .default('frugal'),
    )
    .option('--local', 'the network is on one machine', false)
    .action((folder: string, options, command: Command) =>
      run(command, (session) =>
        initMonitor(session, folder, { ...options, directory: options.directory ?? [localDirectory] }),
      ),
    )
  writing(monitor.command('join').description('put a stake in, from which one may report'))
    .addHelpText('before', 'Example: starling monitor join --url http://192.0.2.1:8095 --key my-key.json\n')
    .requiredOption('--url <url>', 'where others can read its evidence, without /v1', ownUrl)
    .option('--stake <amount>', 'NYM (default: the least that the network began with)', parsePositiveAmount)
    .action((options, command: Command) => run(command, (session) => joinMonitors(session, options)))
  signerOptions(ledgerOptions(monitor.command('run <folder>').description('measure and report, until Ctrl-C')))
    .option('--no-tickets', 'buy none: gateways that want to be paid are not measured')
    .option('--confirmations <number>', 'blocks on top of a deposit: what the issuers want to see', upTo(64, 0), 12)
    .addHelpText('before', 'Example: starling monitor run watch --key my-key.json\n')
    .action((folder: string, options, command: Command) =>
      run(command, (session) => runMonitor(session, folder, { ...options, yes: true })),
    )
  writing(monitor.command('leave').description('take part no more'))
    .addHelpText('before', 'Example: starling monitor leave --key my-key.json\n')
    .action((options, command: Command) => run(command, (session) => leaveMonitors(session, options)))
  writing(monitor.command('withdraw-stake').description('fetch the stake, once it is free'))
    .addHelpText('before', 'Example: starling monitor withdraw-stake --key my-key.json\n')
    .action((options, command: Command) => run(command, (session) => withdrawStake(session, options)))
}
