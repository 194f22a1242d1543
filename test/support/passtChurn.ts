/** A packet router of an exit with passt itself behind it, and clients that come and go: what is left of them. @module */
import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { readdirSync, readFileSync } from 'node:fs'
import { parseIp } from '../../src/foundation/base/ipAddress.ts'
import { Meter, silentLog } from '../../src/foundation/base/observe.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { nodeClock } from '../../src/foundation/platform/node/nodeClock.ts'
import { nodeProcesses } from '../../src/foundation/platform/node/nodeProcesses.ts'
import { nodeRandom } from '../../src/foundation/platform/node/nodeRandom.ts'
import { nodeWorld } from '../../src/foundation/platform/node/nodeWorld.ts'
import type { IpPair } from '../../src/protocol/wire/exit/bincode.ts'
import { decodeBundle, encodePacket } from '../../src/protocol/wire/exit/ipBundle.ts'
import {
  decodeIpPacketResponse,
  encodeIpPacketRequest,
  type IpPacketRequest,
  type IpPacketResponse,
} from '../../src/protocol/wire/exit/ipPacketRouter.ts'
import { decodeStreamFrame, encodeStreamFrame } from '../../src/protocol/wire/exit/streamFrame.ts'
import { buildUdp } from '../../src/protocol/wire/ip/buildPacket.ts'
import { IpPacketRouter } from '../../src/roles/exit/ip/ipPacketRouter.ts'
import { DEFAULT_IP_ROUTER_PARAMS } from '../../src/roles/exit/ip/ipRouterParams.ts'
import { OWN_ADDRESS } from '../../src/roles/exit/ip/passtSupport.test.ts'
import { openPasst } from '../../src/roles/exit/ip/passtWayOut.ts'
import { BUILD, FakeClient, LOCAL_RULES } from '../../src/roles/exit/support.test.ts'

const STREAM = 7n

export class PasstRouter {
  readonly client: FakeClient = new FakeClient()
  readonly router: IpPacketRouter
  readonly #echo: Socket
  #requests = 0n

  private constructor(router: (client: FakeClient) => IpPacketRouter, echo: Socket) {
    this.router = router(this.client)
    this.#echo = echo
  }

  static async start(): Promise<PasstRouter> {
    const echo = createSocket('udp4', (data, from) => echo.send(data, from.port, from.address))
    await new Promise<void>((resolve) => echo.bind(0, OWN_ADDRESS, resolve))
    const random = nodeRandom.stream('ports')
    const wayOut = await openPasst({
      processes: nodeProcesses,
      clock: nodeClock,
      random,
    })
    return new PasstRouter(
      (client) =>
        IpPacketRouter.start(nodeWorld(nodeProvider), {
          client,
          wayOut,
          rules: LOCAL_RULES,
          params: DEFAULT_IP_ROUTER_PARAMS,
          build: BUILD,
          meter: new Meter(),
          log: silentLog,
        }),
      echo,
    )
  }

  async connect(tag: string): Promise<IpPair> {
    const requestId = ++this.#requests
    this.#ask(tag, { kind: 'connect', requestId, bufferTimeoutMs: undefined, timestamp: NOW })
    const answer = await this.heard(tag, 'connected')
    assert.ok(answer.kind === 'connected')
    return answer.ips
  }

  /** A datagram to a server on this machine, and back. */
  async echo(tag: string, { ipv4: source }: IpPair): Promise<void> {
    const addresses = { source, destination: parseIp(OWN_ADDRESS) as Uint8Array }
    const ports = { sourcePort: 5000, destinationPort: this.#echo.address().port }
    const bundle = encodePacket(buildUdp(addresses, ports, Uint8Array.of(1, 2, 3)))
    this.#ask(tag, { kind: 'data', bundle })
    const answer = await this.heard(tag, 'data')
    assert.ok(answer.kind === 'data')
    assert.deepEqual([...(decodeBundle(answer.bundle).packets[0] as Uint8Array).subarray(28)], [1, 2, 3])
  }

  async disconnect(tag: string): Promise<void> {
    this.#ask(tag, { kind: 'disconnect', requestId: ++this.#requests, timestamp: NOW })
    await this.heard(tag, 'disconnected')
  }

  /** The next answer of a kind; those before it are forgotten. */
  async heard(tag: string, kind: IpPacketResponse['kind']): Promise<IpPacketResponse> {
    const { answers } = this.client
    let found: IpPacketResponse | undefined
    await until(`${tag}: ${kind}`, () => {
      while (found === undefined && answers.length > 0) {
        const at = answers.findIndex(({ to }) => to === tag)
        if (at < 0) return false
        const [taken] = answers.splice(at, 1)
        if (taken === undefined) return false
        const { response } = decodeIpPacketResponse(decodeStreamFrame(taken.data).content)
        if (response.kind === kind) found = response
      }
      return found !== undefined
    })
    return found as IpPacketResponse
  }

  async stop(): Promise<void> {
    await this.router.stop()
    this.#echo.close()
  }

  #ask(tag: string, request: IpPacketRequest): void {
    const content = encodeIpPacketRequest(10, request)
    this.client.deliver(encodeStreamFrame({ streamId: STREAM, type: 'data', sequence: 0, content }), tag)
  }
}

const NOW = { unixSeconds: 1_800_000_000, nanoseconds: 0 }

/** Process ids of passt below this process. */
export function engines(): number[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^[0-9]+$/.test(pid)) return []
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 4).split(' ')[0])
      return parent === process.pid && stat.includes('(passt') ? [Number(pid)] : []
    } catch {
      return []
    }
  })
}

const files = (): number => readdirSync('/proc/self/fd').length

export async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!holds()) {
    assert.ok(Date.now() < deadline, `waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/**
 * Clients come, are answered through passt, and go, a few at a time and so many in each round. Behind a round no process, file or client of it is left;
 * returns the bytes of memory used then.
 */
export async function churn(rounds: readonly number[], usedBytes: () => number): Promise<number[]> {
  const router = await PasstRouter.start()
  const used: number[] = []
  let filesBefore = Number.POSITIVE_INFINITY
  let count = 0
  try {
    for (const round of rounds) {
      const end = count + round
      while (count < end) {
        const tags = Array.from({ length: Math.min(4, end - count) }, () => `client ${count++}`)
        await Promise.all(
          tags.map(async (tag) => {
            await router.echo(tag, await router.connect(tag))
            await router.disconnect(tag)
          }),
        )
      }
      await until('no process is left', () => engines().length === 0)
      await until(`files are closed: ${files()} of ${filesBefore}`, () => files() <= filesBefore)
      filesBefore = files()
      assert.equal(router.router.clientCount, 0)
      router.client.answers.length = 0
      router.client.closedLanes.length = 0
      router.client.forgotten.length = 0
      used.push(usedBytes())
    }
    return used
  } finally {
    await router.stop()
  }
}
