/**
 * A chain on this machine, for a network on this machine: anvil as a child process on loopback, with its state in a folder of ours.
 *
 * Blocks: one at once for what is sent, so that nobody waits, and one every two seconds without, because the time that contracts see is
 * that of a block. Both, or reads of "is the epoch over" would answer for the time of the last transaction.
 *
 * The state is ours to keep: asked for over JSON-RPC and written as every file is, atomically. Anvil itself (`--state`) writes over the
 * file it will need, and a kill in the middle would leave none. Killed, a network comes back with the last copy: for programs a
 * reorganisation. @module
 */

import { fromHex, fromUtf8Lossy, toHex, utf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { machineError } from '../../foundation/base/machineError.ts'
import { Secret } from '../../foundation/base/secret.ts'
import { type Millis, millis, seconds } from '../../foundation/base/units.ts'
import { awaited, sleep, type Timer } from '../../foundation/platform/clock.ts'
import type { ChildProcess, Processes } from '../../foundation/platform/processes.ts'
import type { World } from '../../foundation/platform/world.ts'
import { anvilProgram } from './anvilProgram.ts'
import type { Address, Hex } from './chain.ts'
import { hexOf, NEWEST_HEADER } from './chainCalls.ts'
import { JsonRpc } from './jsonRpc.ts'
import { bytesOf } from './rpcValues.ts'
import { newKey } from './signers.ts'

/** Not anvil's 31337, which other programs' chains have too: a transaction of one is then none of another. */
const CHAIN_ID = 78_275_464
const BLOCK_SECONDS = 2
/** States of so many blocks can be read: minutes, where readers need seconds. Others would go to the system's folder for temporary files. */
const STATES_KEPT = 256
const HOST = '127.0.0.1'
const MAX_PORT = 65_535
const START_TIMEOUT = seconds(30)
const STOP_GRACE = seconds(5)
/** What is lost when the machine or the program is killed. A copy is taken only of what is new, and grows with the chain. */
const SAVE_EVERY = seconds(5)
/** Saving takes at most this share of the time. */
const SAVE_SHARE = 20
const MAX_STATE_BYTES = 512 * 1024 * 1024
const POLL = millis(10)
const RPC_TIMEOUT = seconds(60)

export interface EmbeddedChainOptions {
  /** For its state and the key; nobody else may use it at the same time (LOCKED). */
  readonly folder: string
  /** Called once, if the chain ends without being asked. Its state is as of the last copy; start it again. */
  readonly onDied?: (error: MixnetError) => void
}

export type EmbeddedWorld = Pick<World, 'clock' | 'random' | 'net' | 'files'>

export interface EmbeddedChain {
  readonly url: string
  readonly chainId: number
  /** Of this network alone, made when it was, and funded: who deploys, and gives coins to others. */
  readonly key: Secret
  /** Sets what an account has to pay fees with, in wei. Coins of this chain are worth nothing. */
  fund(address: Address, wei: bigint): Promise<void>
  /** Writes the state now. */
  save(): Promise<void>
  /** Writes the state and ends the chain. */
  stop(): Promise<void>
}

/** Throws CHAIN_UNAVAILABLE, LOCKED, or KEY_FILE_UNREADABLE where the folder holds something else. */
export async function startEmbeddedChain(
  world: EmbeddedWorld,
  processes: Processes,
  { folder, onDied }: EmbeddedChainOptions,
): Promise<EmbeddedChain> {
  const program = anvilProgram()
  const lock = await world.files.lock(`${folder}/lock`)
  try {
    const key = await openKey(world, `${folder}/deployer.key`)
    const { process, url } = await startProcess(world, processes, program, await freePort(world, folder))
    await world.files.write(portPath(folder), utf8(new URL(url).port))
    const chain = new Anvil(world, { process, url, key, folder, release: () => lock.release(), onDied })
    try {
      await chain.load()
    } catch (error) {
      await process.stop(STOP_GRACE)
      throw error
    }
    return chain
  } catch (error) {
    await lock.release()
    throw error
  }
}

async function openKey({ files, random }: EmbeddedWorld, path: string): Promise<Secret> {
  const file = await files.read(path)
  if (file?.length === 32) return new Secret(file)
  if (file !== undefined) throw new MixnetError('KEY_FILE_UNREADABLE', { what: 'key of the embedded chain' })
  const key = newKey(random)
  await files.write(path, key.expose(), { secret: true })
  return key
}

const portPath = (folder: string): string => `${folder}/port`

/** That of last time, which programs beside us may still ask at; 0, any that is free, the first time and where another program has it now. */
async function freePort({ files, net }: EmbeddedWorld, folder: string): Promise<number> {
  const file = await files.read(portPath(folder))
  const [digits] = /^\d{1,5}$/.exec(file === undefined ? '' : fromUtf8Lossy(file)) ?? []
  const port = Number(digits ?? 0)
  if (port === 0 || port > MAX_PORT) return 0
  try {
    const listener = await net.listen({ host: HOST, port }, (connection) => connection.destroy())
    await listener.close()
    return port
  } catch (error) {
    if (!isMixnetError(error)) throw error
    return 0
  }
}

async function startProcess(
  { clock }: EmbeddedWorld,
  processes: Processes,
  program: string,
  port: number,
): Promise<{ readonly process: ChildProcess; readonly url: string }> {
  let url: string | undefined
  const process = await processes
    .start({
      program,
      args: [
        ...['--host', HOST, '--port', String(port), '--chain-id', String(CHAIN_ID), '--hardfork', 'prague'],
        ...['--block-time', String(BLOCK_SECONDS), '--mixed-mining', '--order', 'fifo', '--accounts', '0'],
        // Pages of a browser on this machine can then ask nothing.
        ...['--no-cors', '--no-request-size-limit', '--prune-history', String(STATES_KEPT)],
      ],
      onLine(line) {
        const listens = /^Listening on 127\.0\.0\.1:(\d+)$/.exec(line.trim())?.[1]
        if (listens !== undefined) url ??= `http://${HOST}:${listens}/`
      },
    })
    .catch((cause: unknown) => {
      throw machineError('CHAIN_UNAVAILABLE', { why: 'does not start' }, { cause })
    })
  let ended = false
  void process.ended.then(() => {
    ended = true
  })
  const until = clock.monotonic() + START_TIMEOUT
  while (url === undefined) {
    if (ended || clock.monotonic() > until) {
      await process.stop(millis(0))
      throw machineError('CHAIN_UNAVAILABLE', { why: lastLine(process.output()) })
    }
    await awaited(clock, sleep(clock, POLL))
  }
  return { process, url }
}

/** What it said last is why it ended. */
function lastLine(output: string): string {
  const line = output.trim().split('\n').at(-1) ?? ''
  return line === '' ? 'it ended without a word' : line.slice(0, 200).replace(/[^\x20-\x7e]+/g, ' ')
}

interface AnvilParts {
  readonly process: ChildProcess
  readonly url: string
  readonly key: Secret
  readonly folder: string
  readonly release: () => Promise<void>
  readonly onDied: ((error: MixnetError) => void) | undefined
}

class Anvil implements EmbeddedChain {
  readonly url: string
  readonly chainId: number = CHAIN_ID
  readonly key: Secret
  readonly #world: EmbeddedWorld
  readonly #parts: AnvilParts
  readonly #rpc: JsonRpc
  #saved: Hex | undefined
  #saving: Promise<void> = Promise.resolve()
  #timer: Timer | undefined
  #stopping: Promise<void> | undefined

  constructor(world: EmbeddedWorld, parts: AnvilParts) {
    this.#world = world
    this.#parts = parts
    this.url = parts.url
    this.key = parts.key
    const maxAnswerBytes = 2 * MAX_STATE_BYTES
    this.#rpc = new JsonRpc(world, { urls: [parts.url], chainId: CHAIN_ID, timeout: RPC_TIMEOUT, maxAnswerBytes })
    void parts.process.ended.then(({ asked, code, signal }) => {
      if (asked) return
      this.#timer?.cancel()
      const why = signal ?? `exit code ${code}`
      void parts
        .release()
        .finally(() =>
          parts.onDied?.(
            machineError(
              'CHAIN_UNAVAILABLE',
              { why },
              { message: 'the embedded chain ended', nextStep: 'Start it again.' },
            ),
          ),
        )
    })
  }

  async load(): Promise<void> {
    const state = await this.#world.files.read(this.#statePath)
    if (state !== undefined) {
      const reply = await this.#rpc.tryAsk({
        method: 'anvil_loadState',
        params: [`0x${toHex(state)}`],
        decode: (result) => result === true,
      })
      if (!reply.ok || !reply.value) {
        throw machineError(
          'CHAIN_UNAVAILABLE',
          { file: this.#statePath },
          {
            message: 'the state of the embedded chain cannot be read',
            nextStep: `Restore the file from a backup, or move the folder ${this.#parts.folder} away to begin a new chain.`,
          },
        )
      }
    }
    this.#schedule(SAVE_EVERY)
  }

  get #statePath(): string {
    return `${this.#parts.folder}/chain.state`
  }

  async fund(address: Address, wei: bigint): Promise<void> {
    await this.#rpc.ask({ method: 'anvil_setBalance', params: [address, hexOf(wei)], decode: () => undefined })
  }

  save(): Promise<void> {
    this.#saving = this.#saving.catch(() => {}).then(() => this.#save())
    return this.#saving
  }

  async #save(): Promise<void> {
    const head = await this.#rpc.ask(NEWEST_HEADER)
    if (head?.hash === this.#saved) return
    const state = await this.#rpc.ask({
      method: 'anvil_dumpState',
      params: [],
      decode: (result) => bytesOf(result, 'state'),
    })
    await this.#world.files.write(this.#statePath, fromHex(state.slice(2)))
    this.#saved = head?.hash
  }

  #schedule(delay: Millis): void {
    const { clock } = this.#world
    this.#timer = clock.after(delay, async () => {
      const began = clock.monotonic()
      // The next attempt may do better; the last copy stays.
      await this.save().catch(() => {})
      const took = clock.monotonic() - began
      if (this.#stopping === undefined) this.#schedule(millis(Math.max(SAVE_EVERY, SAVE_SHARE * took)))
    })
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    this.#timer?.cancel()
    try {
      await this.save()
    } catch (error) {
      // It may be dead already; what can be kept is.
      if (!isMixnetError(error)) throw error
    } finally {
      await this.#parts.process.stop(STOP_GRACE)
      await this.#parts.release()
    }
  }
}
