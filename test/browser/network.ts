/** A network on this machine for official clients, with a web site behind its exit. It runs in networkProcess.ts. @module */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type {
  Contracts,
  FromNetwork,
  LedgerEpochs,
  Look,
  NetworkArguments,
  NetworkNode,
  Packets,
  Secure,
  ToNetwork,
} from './networkProcess.ts'

export const SITE = 'http://site.starling'
/** The name in the certificate of the TLS fixture. */
export const SECURE_SITE = 'https://demo.starling'

const PROCESS = fileURLToPath(new URL('networkProcess.ts', import.meta.url))
/** Generous: the machine may be busy. */
const DEADLINE_MS = 90_000
const LOOK_INTERVAL_MS = 20

export class LocalNetwork {
  readonly directoryUrl: string
  readonly nodes: readonly NetworkNode[]
  /** The network requester's address, as users find it: in the directory. */
  readonly requester: string
  /** Where it was started with `tls`. */
  readonly secure: Secure | undefined
  /** Where it was started with `packetsTo`. */
  readonly packets: Packets | undefined
  readonly #process: ChildProcess

  private constructor(
    process: ChildProcess,
    parts: Pick<LocalNetwork, 'directoryUrl' | 'nodes' | 'requester'> & {
      readonly secure?: Secure
      readonly packets?: Packets
    },
  ) {
    this.#process = process
    this.directoryUrl = parts.directoryUrl
    this.nodes = parts.nodes
    this.requester = parts.requester
    this.secure = parts.secure
    this.packets = parts.packets
  }

  static async start(
    directoryPort: number,
    epochs: Partial<LedgerEpochs> = {},
    names: NetworkArguments['names'] = {},
    {
      tls = false,
      paid,
      mixNodes = 3,
      packetsTo,
    }: Partial<Pick<NetworkArguments, 'tls' | 'paid' | 'mixNodes' | 'packetsTo'>> = {},
  ): Promise<LocalNetwork> {
    const [site, secureSite] = [new URL(SITE).hostname, new URL(SECURE_SITE).hostname]
    const settings: NetworkArguments = {
      directoryPort,
      epochs,
      mixNodes,
      site,
      secureSite,
      names,
      tls,
      paid,
      packetsTo,
    }
    const child = fork(PROCESS, [JSON.stringify(settings)], { stdio: 'inherit' })
    try {
      const ready = await answer(child, 'ready')
      return new LocalNetwork(child, { ...ready, requester: await requesterIn(ready.directoryUrl) })
    } catch (error) {
      child.kill()
      throw error
    }
  }

  /** Identities of all gateways. */
  get gateways(): readonly string[] {
    return this.nodes.filter(({ roles }) => !roles.includes('mix')).map(({ identity }) => identity)
  }

  async look(): Promise<Look> {
    const looked = answer(this.#process, 'look')
    this.#process.send('look' satisfies ToNetwork)
    return await looked
  }

  async contracts(): Promise<Contracts> {
    const said = answer(this.#process, 'contracts')
    this.#process.send('contracts' satisfies ToNetwork)
    return await said
  }

  /** Resolves once `condition` holds. */
  async until(condition: (look: Look) => boolean, what: string): Promise<void> {
    const deadline = performance.now() + DEADLINE_MS
    while (!condition(await this.look())) {
      if (performance.now() > deadline) throw new Error(`not in time: ${what}`)
      await new Promise((resolve) => setTimeout(resolve, LOOK_INTERVAL_MS))
    }
  }

  async stop(): Promise<void> {
    const gone = once(this.#process, 'exit')
    if (this.#process.exitCode !== null) return
    this.#process.send('stop' satisfies ToNetwork)
    await gone
  }
}

/** Resolves once `condition` holds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not in time: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, LOOK_INTERVAL_MS))
  }
}

/** A counter summed over its labels, at one node or at all. */
export function count({ counters }: Look, counter: string, node?: string): number {
  return Object.entries(counters)
    .filter(([name]) => node === undefined || name === node)
    .flatMap(([, values]) => Object.entries(values))
    .filter(([name]) => name === counter || name.startsWith(`${counter}{`))
    .reduce((sum, [, value]) => sum + value, 0)
}

type Kind = FromNetwork['kind']

function answer<K extends Kind>(child: ChildProcess, kind: K): Promise<FromNetwork & { readonly kind: K }> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => end(() => reject(new Error(`the network does not say "${kind}"`))), DEADLINE_MS)
    const end = (settle: () => void) => {
      clearTimeout(timer)
      child.off('message', onMessage)
      child.off('exit', onExit)
      settle()
    }
    const onMessage = (message: FromNetwork) => {
      if (message.kind === kind) end(() => resolve(message as FromNetwork & { readonly kind: K }))
      else if (message.kind === 'failed') end(() => reject(new Error(message.why)))
    }
    const onExit = () => end(() => reject(new Error('the network ended')))
    child.on('message', onMessage)
    child.on('exit', onExit)
  })
}

async function requesterIn(directoryUrl: string): Promise<string> {
  const response = await fetch(`${directoryUrl}/v1/nym-nodes/described`)
  const { data } = (await response.json()) as {
    readonly data: readonly {
      readonly description: { readonly network_requester: { readonly address: string } | null }
    }[]
  }
  const address = data.map(({ description }) => description.network_requester?.address).find((one) => one !== undefined)
  if (address === undefined) throw new Error('the directory lists no network requester')
  return address
}
