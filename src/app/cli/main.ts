/** The `starling` command: what can be typed, and what becomes of it. The package begins in bin.ts. @module */
import { Command, CommanderError, Help, Option } from 'commander'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { endProcessSoon } from '../../foundation/platform/node/holdProcess.ts'
import { VERSION } from '../node/buildInformation.ts'
import {
  budget,
  count,
  directoryUrl,
  exit,
  gateway,
  ipAddress,
  layer,
  nameServer,
  origin,
  port,
  positive,
  role,
  traffic,
  upTo,
} from './arguments.ts'
import { runClient } from './clientCommand.ts'
import { defineCredential } from './credentialProgram.ts'
import { addToDirectory, initDirectory, runDirectory } from './directoryCommands.ts'
import { EXIT_CODES } from './exitCodes.ts'
import { runFetch } from './fetchCommand.ts'
import { defineIssuer } from './issuerProgram.ts'
import { showKeys } from './keysCommand.ts'
import { defineLab } from './labCommands.ts'
import { ledgerOptions, signerOptions } from './ledgerAccess.ts'
import { defineDelegate, defineLedger } from './ledgerProgram.ts'
import { defineMonitor } from './monitorProgram.ts'
import { initNode, runNode } from './nodeCommands.ts'
import { defineNodeLedger } from './nodeLedgerProgram.ts'
import { explainFileError } from './problems.ts'
import { runProxy } from './proxyCommand.ts'
import { runProgram } from './runCommand.ts'
import { MAX_WIDTH } from './screen.ts'
import { createSession, type GlobalOptions, isReaderGone, type Session } from './session.ts'
import { runTunnel } from './tunnelCommand.ts'
import { runUp } from './upCommand.ts'

const LOCAL_DIRECTORY = 'http://127.0.0.1:8080/api'

const program = new Command('starling')
  .description('A mixnet you can run, join and measure.')
  .version(VERSION, '-V, --version', 'print the version')
  .option('--json', 'one JSON object a line, for scripts')
  .option('-v, --verbose', 'stack traces and debug logs')
  .helpCommand(false)
  .showHelpAfterError('For help: the same command with --help')
  .configureHelp({
    showGlobalOptions: true,
    // Into a file or a pager the same as on a wide terminal.
    helpWidth: Math.min(process.stdout.columns ?? MAX_WIDTH, MAX_WIDTH),
    // Of a switch, "(default: false)" says nothing.
    optionDescription: (option) => (option.isBoolean() ? option.description : new Help().optionDescription(option)),
  })
  .addHelpText('after', '\nStart here: starling up (in a clone: npm start)')
  .exitOverride()

const TRAFFIC_GUIDE = 'docs/guides/traffic.md'

const entryOptions = (command: Command): Command =>
  command
    .option('-d, --directory <url>', `of the network; may be repeated (default: ${LOCAL_DIRECTORY})`, directoryUrl)
    .option('--data <folder>', 'keep identity and gateway here; without it every run is somebody new')
    .option('--gateway <identity>', 'entry gateway, base58 (default: a random one, kept in --data)', gateway)
    .option(
      '--traffic <profile>',
      `default (Nym's), frugal, fast or private (default: default); ${TRAFFIC_GUIDE}`,
      traffic,
    )
    .addOption(
      new Option('--budget <volume>', 'instead: bytes a day, both ways, in kB, MB, GB or TB: "500 MB"')
        .argParser(budget)
        .conflicts('traffic'),
    )

const clientOptions = (command: Command): Command =>
  entryOptions(command)
    .option('--exit <address>', 'network requester to use (default: a random one)', exit)
    .option('--reveal-address', 'give the exit our address instead of reply blocks: faster, less private', false)

/** Said by the guide: help is to fit on a screen. */
const hidden = (command: Command): Command => {
  for (const option of command.options) option.hideHelp()
  return command
}

/** A list that somebody gave takes the place of the default. */
const withDirectory = <T extends { directory?: readonly string[] }>(options: T) => ({
  ...options,
  directory: options.directory ?? [LOCAL_DIRECTORY],
})

program
  .command('up')
  .description('a whole network on this machine, and a first request')
  .addHelpText('before', 'Example: starling up --mix-nodes 9 --once\n')
  .option('--once', 'stop after the first request; the exit code says how it went', false)
  .option('--data <folder>', 'keys and state of every node', '.starling/up')
  .option('--mix-nodes <number>', 'mix nodes, over three layers', count, 6)
  .option('--entries <number>', 'entry gateways', count, 2)
  .option('--exits <number>', 'exits', count, 1)
  .option('--directory-port <port>', 'first port to try for the directory', port, 8080)
  .option('--socks-port <port>', 'first port to try for the SOCKS and HTTP proxy', port, 1080)
  .option('--status-port <port>', 'first port to try for status and counters', port, 8081)
  .option('--free', 'bandwidth for nothing: official apps and the drop-ins for them cannot pay', false)
  .option('--monitors <count>', 'monitors that measure the nodes and report to the ledger; 0 for none', upTo(8, 0), 2)
  .option('--no-ledger', 'no chain: the directory says who is in the network, and keeps the epochs by its clock')
  .action((options, command: Command) => run(command, (session) => runUp(session, options)))

clientOptions(program.command('fetch <url>').description('one anonymous request'))
  .addHelpText('before', 'Example: starling fetch https://example.org/ -o page.html\n')
  .option('-o, --output <file>', 'write the body there instead of to the screen')
  .option('--timeout <seconds>', 'for the whole request', positive, 60)
  .addHelpText(
    'after',
    '\nExit codes: 0 done, 2 your arguments or an address that does not exist, 3 the network, 4 the\ndestination or a node, 22 the site answered with an error, 70 a bug, 130 Ctrl-C',
  )
  .action((url: string, options, command: Command) =>
    run(command, (session) => runFetch(session, url, withDirectory(options)), 'stderr'),
  )

clientOptions(program.command('proxy').description('SOCKS5 and HTTP for any program, on one port'))
  .addHelpText('before', 'Example: starling proxy --port 1080\n')
  .option('--host <ip>', 'where to listen; there is no password, so keep it local', ipAddress, '127.0.0.1')
  .option('-p, --port <port>', 'port to listen on', port, 1080)
  .option('--status-port <port>', 'show status and counters on 127.0.0.1 (default: nowhere)', port)
  .action((options, command: Command) => run(command, (session) => runProxy(session, withDirectory(options))))

clientOptions(program.command('run <program...>').description('a program whose only network is the mixnet (Linux)'))
  .addHelpText('before', 'Example: starling run -- curl https://example.org/\n')
  .option('--name-server <ip>', 'asked for names, through the mixnet (default: the exit looks them up)', nameServer)
  .addHelpText(
    'after',
    '\nThe program needs no change: its TCP, UDP, DNS and pings go through the mixnet, and nothing else leaves.\nIts exit code is ours. Pings and datagrams to names need --name-server.',
  )
  .action((words: string[], options, command: Command) =>
    run(command, (session) => runProgram(session, words, withDirectory(options)), 'stderr'),
  )

clientOptions(program.command('tunnel').description('the whole machine through the mixnet, as root (Linux)'))
  .addHelpText('before', 'Example: sudo starling tunnel --directory URL\n')
  .option('--name-server <ip>', 'asked for names, through the mixnet (default: the exit looks them up)', nameServer)
  .option('--restore', 'give the machine its network back after a tunnel that was killed', false)
  .addHelpText(
    'after',
    '\nNothing leaves but through the mixnet, also when this program is killed; Ctrl-C gives the machine its own\nnetwork back. Whoever is logged in over the network is cut off: docs/guides/programs.md',
  )
  .action((options, command: Command) => run(command, (session) => runTunnel(session, withDirectory(options))))

entryOptions(program.command('client').description('the local WebSocket API, for programs that send messages'))
  .addHelpText('before', 'Example: starling client --data my-client\n')
  .option('--host <ip>', 'where to listen; there is no password, so keep it local', ipAddress, '127.0.0.1')
  .option('-p, --port <port>', 'port to listen on', port, 1977)
  .option('--allow-origin <origin>', 'pages that may connect; may be repeated (default: none)', origin)
  .addHelpText(
    'after',
    `
The API is the official native client's: JSON in text frames, or bytes; docs/spec/local-api.md has
both. One program at a time; messages wait while there is none.
A browser lets every page it shows connect to this port, so pages are refused: one that was let in
could read your messages and write in your name. A page of your own is allowed by its origin:
  starling client --allow-origin http://localhost:3000`,
  )
  .action((options, command: Command) =>
    run(command, (session) => runClient(session, { ...withDirectory(options), revealAddress: false })),
  )

const node = program
  .command('node')
  .description('a node of a network: init, run; on the ledger: bond, pledge, costs, rewards, score')
  .helpCommand(false)
node
  .command('init <folder>')
  .description('make keys and a configuration')
  .addHelpText('before', 'Example: starling node init knot --role mix --host 127.0.1.1 --local\n')
  .requiredOption('--role <role>', 'mix, entry or exit; several with commas', role)
  .requiredOption('--host <ip>', 'the IP address it announces and listens on', ipAddress)
  .option('-d, --directory <url>', `of the network; may be repeated (default: ${LOCAL_DIRECTORY})`, directoryUrl)
  .option('--name <name>', 'for people (default: the folder)')
  .option('--mix-port <port>', 'packets of other nodes', port, 1789)
  .option('--http-port <port>', 'self-description, status, metrics', port, 8080)
  .option('--ws-port <port>', 'clients, where it is an entry', port, 9000)
  .option('--hostname <name>', 'its DNS name, which an entry announces')
  .option('--wss-port <port>', 'announced: where your TLS proxy for that name hands on to --ws-port', port)
  .option('--no-noise', 'plain links between nodes')
  .option('--local', 'the network is on one machine', false)
  .option('--open-proxy', 'an exit that goes anywhere', false)
  .addOption(
    new Option('--packets [engine]', 'an exit that carries IP packets: with passt, or as root with a tun device')
      .choices(['passt', 'tun'])
      .preset('passt'),
  )
  .option('--allow-local-addresses', 'an exit that may reach this machine: for tests only', false)
  .action((folder: string, options, command: Command) =>
    run(command, (session) => initNode(session, folder, withDirectory(options))),
  )
hidden(signerOptions(ledgerOptions(node.command('run <folder>'))))
  .description('run the node that `node init` prepared, until Ctrl-C')
  .addHelpText('before', 'Example: starling node run knot\n')
  .addHelpText(
    'after',
    `
In the folder
  node.toml        its settings; every key is in docs/guides/run-a-node.md
  *.pem            its keys: identity.pem is who it is, keep a copy
While it runs      (ports as in node.toml)
  :1789            packets of other nodes         :9000          clients, where it is an entry
  :8080/status     what it does now, JSON         :8080/metrics  the same for Prometheus
On a ledger        --key FILE: announces itself there; docs/guides/operator.md has the options
It logs one line a minute when all is well. Ctrl-C or SIGTERM lets out what it holds, for half a
second at most, and stops. Until its directory answers it waits and says so.`,
  )
  .action((folder: string, options, command: Command) => run(command, (session) => runNode(session, folder, options)))

const directory = program
  .command('directory')
  .description('what tells clients and nodes who is in the network: init, add, run')
  .helpCommand(false)
directory
  .command('init <folder>')
  .description('make a configuration and an empty list of nodes')
  .addHelpText('before', 'Example: starling directory init directory --local\n')
  .option('--host <ip>', 'where to listen', ipAddress, '127.0.0.1')
  .option('-p, --port <port>', 'port to listen on', port, 8080)
  .option('--local', 'the network is on one machine', false)
  .action((folder: string, options, command: Command) =>
    run(command, (session) => initDirectory(session, folder, options)),
  )
directory
  .command('add <folder> <node-folders...>')
  .description('put nodes that `node init` made into the list')
  .addHelpText('before', 'Example: starling directory add directory knot jackdaw --layer 1\n')
  .option('--layer <number>', '1, 2 or 3, for mix nodes (default: the directory deals them out)', layer)
  .action((folder: string, nodeFolders: readonly string[], options, command: Command) =>
    run(command, (session) => addToDirectory(session, folder, nodeFolders, options)),
  )
directory
  .command('run <folder>')
  .description('run it, until Ctrl-C; a TOML file will do instead of a folder')
  .addHelpText('before', 'Example: starling directory run directory\n')
  .action((folder: string, _options, command: Command) => run(command, (session) => runDirectory(session, folder)))

defineIssuer(program, run)
defineCredential(program, run, LOCAL_DIRECTORY)
defineLedger(program, run)
defineDelegate(program, run)
defineNodeLedger(node, run)
defineMonitor(program, run, LOCAL_DIRECTORY)
defineLab(program, run)

program
  .command('keys <folder>')
  .description('the public keys of a node or client')
  .addHelpText('before', 'Example: starling keys knot\n')
  .action((folder: string, _options, command: Command) => run(command, (session) => showKeys(session, folder)))

program.command('help [command...]', { hidden: true }).action((names: readonly string[] = []) => {
  const asked = names.reduce<Command>((at, name) => at.commands.find((one) => one.name() === name) ?? at, program)
  asked.outputHelp()
})

/** `node` of `node init`: the lines of what works begin with it as well. */
const placeOf = (command: Command): string => (command.parent === program ? command : command.parent)?.name() ?? ''

/** What runs until somebody stops it. */
const SERVICES: ReadonlySet<string> = new Set([
  'up',
  'proxy',
  'client',
  'tunnel',
  'node run',
  'directory run',
  'issuer run',
  'issuer faucet',
  'monitor run',
])

function isService(command: Command): boolean {
  const name = command.parent === program ? command.name() : `${command.parent?.name()} ${command.name()}`
  return SERVICES.has(name) && command.opts<{ once?: boolean }>().once !== true
}

/** What failed is said by the command or here, and becomes the exit code. */
async function run(
  command: Command,
  work: (session: Session) => Promise<number>,
  output: 'stdout' | 'stderr' = 'stdout',
): Promise<void> {
  const { json = false, verbose = false } = command.optsWithGlobals<Partial<GlobalOptions>>()
  const session = createSession({ json, verbose }, output)
  try {
    process.exitCode = await work(session)
  } catch (cause) {
    const error = explainFileError(cause)
    if (session.interrupted.aborted && isMixnetError(error, 'ABORTED')) {
      // Asked for. A service that was stopped has not failed; what was given up has, and what waited for an answer.
      process.exitCode = isService(command) && error.details.at !== 'question' ? 0 : session.interruptedCode
    } else {
      session.screen.problem(placeOf(command), error)
      process.exitCode = isMixnetError(error) ? EXIT_CODES[error.guilty] : EXIT_CODES.bug
    }
  } finally {
    session.close()
    endProcessSoon()
  }
}

// Help that nobody reads to its end (`| less`, `| head`) has not failed. What runs has a session, which hears of it as well.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error) => {
    if (!isReaderGone(error)) throw error
  })
}

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  // Commander has said what is wrong; asking for help or the version is no error.
  process.exitCode = error.exitCode === 0 ? 0 : EXIT_CODES.you
}
