#!/usr/bin/env node
/** The `starling` command. @module */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { VERSION } from '../node/buildInformation.ts'
import { runDirectory } from './directoryCommand.ts'
import { EXIT_CODES } from './exitCodes.ts'
import { runFetch } from './fetchCommand.ts'
import { showKeys } from './keysCommand.ts'
import { initNode, runNode } from './nodeCommands.ts'
import { runProxy } from './proxyCommand.ts'
import { createSession, type GlobalOptions } from './session.ts'
import { runUp } from './upCommand.ts'

const port = (text: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0 || value > 65_535)
    throw new InvalidArgumentError('must be a port, 0 to 65535.')
  return value
}

const count = (text: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > 200)
    throw new InvalidArgumentError('must be a number from 1 to 200.')
  return value
}

const LOCAL_DIRECTORY = 'http://127.0.0.1:8080/api'

const program = new Command('starling')
  .description('a mixnet you can run, join and measure')
  .version(VERSION, '-V, --version', 'print the version')
  .option('--json', 'one JSON object a line, for scripts', false)
  .option('-v, --verbose', 'stack traces and debug logs', false)
  .helpCommand(false)
  .showHelpAfterError('(see: starling --help)')
  .configureHelp({ showGlobalOptions: true })
  .exitOverride()

const clientOptions = (command: Command): Command =>
  command
    .option('-d, --directory <url...>', 'directories of the network', [LOCAL_DIRECTORY])
    .option('--data <folder>', 'keep identity and gateway here; without it every run is somebody new')
    .option('--gateway <identity>', 'entry gateway, base58 (default: a random one, kept in --data)')
    .option('--exit <address>', 'network requester to use (default: a random one)')
    .option('--reveal-address', 'give the exit our address instead of reply blocks: faster, less private', false)

program
  .command('up')
  .description('a whole network on this machine, and a first request')
  .option('--once', 'stop after the first request; the exit code says how it went', false)
  .option('--data <folder>', 'keys and state of every node', '.starling/up')
  .option('--mix-nodes <number>', 'mix nodes, over three layers', count, 6)
  .option('--entries <number>', 'entry gateways', count, 2)
  .option('--exits <number>', 'exits', count, 1)
  .option('--directory-port <port>', 'first port to try for the directory', port, 8080)
  .option('--socks-port <port>', 'first port to try for the SOCKS proxy', port, 1080)
  .action((options, command: Command) => run(command, (session) => runUp(session, options)))

clientOptions(program.command('fetch <url>').description('one anonymous request'))
  .option('-o, --output <file>', 'write the body there instead of to the screen')
  .option('--timeout <seconds>', 'for the whole request', Number, 60)
  .action((url: string, options, command: Command) => run(command, (session) => runFetch(session, url, options)))

clientOptions(program.command('proxy').description('SOCKS5 for any program'))
  .option('--host <ip>', 'where to listen; there is no password, so keep it local', '127.0.0.1')
  .option('-p, --port <port>', 'port to listen on', port, 1080)
  .action((options, command: Command) => run(command, (session) => runProxy(session, options)))

const node = program.command('node').description('run a node of a network')
node
  .command('init <folder>')
  .description('make keys and a configuration')
  .addHelpText('before', 'Example: starling node init knot --role mix --host 127.0.1.1 --local\n')
  .addOption(new Option('--role <role...>', 'what it does').choices(['mix', 'entry', 'exit']).makeOptionMandatory())
  .requiredOption('--host <ip>', 'the IP address it announces and listens on')
  .option('-d, --directory <url...>', 'directories of the network', [LOCAL_DIRECTORY])
  .option('--name <name>', 'for people (default: the folder)')
  .option('--mix-port <port>', 'packets of other nodes', port, 1789)
  .option('--http-port <port>', 'self-description, status, metrics', port, 8080)
  .option('--ws-port <port>', 'clients, where it is an entry', port, 9000)
  .option('--no-noise', 'plain links between nodes')
  .option('--local', 'the network is on one machine', false)
  .option('--open-proxy', 'an exit that goes anywhere', false)
  .option('--allow-local-addresses', 'an exit that may reach this machine: for tests only', false)
  .action((folder: string, options, command: Command) => run(command, (session) => initNode(session, folder, options)))
node
  .command('run <folder>')
  .description('run the node that `node init` prepared')
  .action((folder: string, _options, command: Command) => run(command, (session) => runNode(session, folder)))

program
  .command('directory')
  .description('tell clients and nodes who is in the network')
  .command('run <config>')
  .description('run it from a TOML file; docs/guides/run-a-network.md has one')
  .action((config: string, _options, command: Command) => run(command, (session) => runDirectory(session, config)))

program
  .command('keys <folder>')
  .description('the public keys and addresses of a node or client')
  .action((folder: string, _options, command: Command) => run(command, (session) => showKeys(session, folder)))

/** What failed is said by the command or here, and becomes the exit code. */
async function run(
  command: Command,
  work: (session: ReturnType<typeof createSession>) => Promise<number>,
): Promise<void> {
  const session = createSession(command.optsWithGlobals<GlobalOptions>())
  try {
    process.exitCode = await work(session)
  } catch (error) {
    session.screen.problem(command.name(), error)
    process.exitCode = isMixnetError(error) ? EXIT_CODES[error.guilty] : EXIT_CODES.bug
  } finally {
    session.close()
  }
}

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  // Commander has said what is wrong; asking for help or the version is no error.
  process.exitCode = error.exitCode === 0 ? 0 : EXIT_CODES.you
}
