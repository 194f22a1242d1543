/** `starling client`: the local websocket API, for programs written for the official native client, until Ctrl-C. @module */
import { formatRecipient } from '../../protocol/packet/recipient.ts'
import { type ClientOptions, withClient } from './clientSession.ts'
import { listening } from './listening.ts'
import type { Session } from './session.ts'

export interface ClientCommandOptions extends ClientOptions {
  readonly host: string
  readonly port: number
  readonly allowOrigin?: readonly string[]
}

export function runClient(session: Session, options: ClientCommandOptions): Promise<number> {
  const { screen, world } = session
  const started = world.clock.monotonic()
  // It sends messages only: no exit is ever asked.
  return withClient(session, { ...options, exitRequired: false }, async (mixnet) => {
    const { host: wanted, allowOrigin: allowedOrigins } = options
    const api = await listening(options.port, '--port', wanted, ({ host, port }) =>
      mixnet.localApi({ host, port, allowedOrigins }),
    )
    const { host, port } = api.endpoint
    const url = `ws://${host.includes(':') ? `[${host}]` : host}:${port}`
    const address = formatRecipient(mixnet.address)
    screen.step('client', url, world.clock.monotonic() - started, { event: 'client', url, host, port, address })
    screen.line(`\n  Address  ${address}\n  Use it   docs/guides/local-api.md\n  Stop     Ctrl-C`)
    await session.untilInterrupted()
    return 0
  })
}
