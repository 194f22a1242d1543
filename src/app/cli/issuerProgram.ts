/** What can be typed behind `starling issuer`. @module */
import { type Command, InvalidArgumentError } from 'commander'
import { count, ipAddress, port, positive, upTo } from './arguments.ts'
import { closePlan, handOn, initIssuer } from './issuerCommands.ts'
import { runFaucet, runIssuer, showIssuerStatus } from './issuerRunning.ts'
import { ledgerOptions, rpcUrl } from './ledgerAccess.ts'
import type { Session } from './session.ts'

export type Run = (command: Command, work: (session: Session) => Promise<number>) => Promise<void>

export function defineIssuer(program: Command, run: Run): void {
  const issuer = program
    .command('issuer')
    .description('who signs the tickets that pay for bandwidth: init, plan, hand-on, run, status, faucet')
    .helpCommand(false)
  issuer
    .command('init <folder>')
    .description('make an issuer and put it into the plan; the first one makes the plan')
    .addHelpText(
      'before',
      'Example: starling issuer init iris --url http://127.0.0.1:8090 --faucet http://127.0.0.1:8099\n',
    )
    .requiredOption('--url <url>', 'where clients and gateways reach it, without /v1', httpUrl)
    .option('--plan <file>', 'the plan that all issuers share', 'issuers.toml')
    .option('--faucet <url>', 'where deposits are made, in a new plan', httpUrl)
    .option('--host <ip>', 'where to listen', ipAddress, '127.0.0.1')
    .option('-p, --port <port>', 'port to listen on', port, 8090)
    .option('--name <name>', 'for people (default: the folder)')
    .option('--rpc <url>', 'plan and deposits are on a ledger, at this JSON-RPC; may be repeated', rpcUrl)
    .option('--deployment <file>', 'of that ledger')
    .option('--key <file>', 'of its account there: a key file without a password, made where there is none')
    .option('--confirmations <number>', 'blocks on top of what counts there (default: 12)', upTo(64, 0))
    .action((folder: string, options, command: Command) =>
      run(command, (session) => initIssuer(session, folder, options)),
    )
  issuer
    .command('plan <file>')
    .description('close the plan: how many issuers a book needs, and when they make their keys')
    .addHelpText('before', 'Example: starling issuer plan issuers.toml --threshold 3\n')
    .requiredOption('--threshold <number>', 'how many must sign: more than half', count)
    .option('--starts-in <seconds>', 'until all of them must run', positive, 30)
    .option('--phase-limit <seconds>', 'how long the others wait for a silent one', positive, 600)
    .action((file: string, options, command: Command) => run(command, (session) => closePlan(session, file, options)))
  issuer
    .command('hand-on <new-plan>')
    .description('the plan of the next epoch: the same key in other hands')
    .addHelpText('before', 'Example: starling issuer hand-on issuers-1.toml --from http://127.0.0.1:8091\n')
    .requiredOption('--from <url>', 'an issuer that has the key now', httpUrl)
    .option('--plan <file>', 'the plan of these', 'issuers.toml')
    .action((file: string, options, command: Command) => run(command, (session) => handOn(session, file, options)))
  issuer
    .command('run <folder>')
    .description('make its keys with the others, then issue, until Ctrl-C')
    .addHelpText('before', 'Example: starling issuer run iris\n')
    .addHelpText(
      'after',
      `
In the folder
  issuer.toml      its settings; every key is in docs/guides/run-issuers.md
  identity.pem     who it is     keys-0.json   its share of the key: keep copies of both, and secret
  issuer.sqlite    what it signed, and for which deposit: losing it would let a deposit be used twice
Killed at any moment it goes on where it was, also while keys are made.`,
    )
    .action((folder: string, _options, command: Command) => run(command, (session) => runIssuer(session, folder)))
  ledgerOptions(issuer.command('status [plan]'))
    .description(
      'ask the issuers of a plan, or of the ledger, what they do; the exit code says whether books can be had',
    )
    .addHelpText('before', 'Example: starling issuer status issuers.toml\n')
    .action((file: string | undefined, options, command: Command) =>
      run(command, (session) => showIssuerStatus(session, file, options)),
    )
  issuer
    .command('faucet <folder>')
    .description('deposits for nothing, for networks that try things out, until Ctrl-C')
    .addHelpText('before', 'Example: starling issuer faucet faucet\n')
    .option('--host <ip>', 'where to listen', ipAddress, '127.0.0.1')
    .option('-p, --port <port>', 'port to listen on', port, 8099)
    .action((folder: string, options, command: Command) =>
      run(command, (session) => runFaucet(session, folder, options)),
    )
}

function httpUrl(text: string): string {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new InvalidArgumentError('It must be a URL, for instance http://127.0.0.1:8090.')
  }
  return text.replace(/\/+$/, '')
}
