/** `starling proxy`: SOCKS5 and HTTP for any program, until Ctrl-C. @module */

import type { Mixnet } from '../../client/mixnet.ts'
import { formatRecipient } from '../../protocol/packet/recipient.ts'
import { serveStatus } from '../node/statusServer.ts'
import { type ClientOptions, withClient } from './clientSession.ts'
import { listening } from './listening.ts'
import type { Session } from './session.ts'

export interface ProxyOptions extends ClientOptions {
  readonly host: string
  readonly port: number
  readonly statusPort?: number
}

export function runProxy(session: Session, options: ProxyOptions): Promise<number> {
  const { screen, world } = session
  const started = world.clock.monotonic()
  return withClient(session, options, async (mixnet) => {
    const proxy = await listening(options.port, '--port', options.host, (endpoint) => mixnet.proxy(endpoint))
    const { host, port } = proxy.endpoint
    screen.step('proxy', `SOCKS5 and HTTP on ${host}:${port}`, world.clock.monotonic() - started, {
      event: 'proxy',
      host,
      port,
      exit: formatRecipient(mixnet.exit),
    })
    if (options.statusPort !== undefined) await showStatus(session, mixnet, options.statusPort)
    screen.line(`\n  Try it   curl --socks5-hostname ${host}:${port} https://example.org/\n  Stop     Ctrl-C`)
    await session.untilInterrupted()
    return 0
  })
}

/** Asked for only: whoever can read these counters sees when the mixnet is used. */
async function showStatus({ world, screen }: Session, mixnet: Mixnet, port: number): Promise<void> {
  const listener = await listening(port, '--status-port', '127.0.0.1', (endpoint) =>
    serveStatus(world, {
      ...endpoint,
      meter: mixnet.meter,
      status: () => ({ address: formatRecipient(mixnet.address), connections: mixnet.connections.count }),
    }),
  )
  const url = `http://127.0.0.1:${listener.endpoint.port}/status`
  screen.step('status', `${url}, and /metrics`, undefined, { event: 'status', url })
}
