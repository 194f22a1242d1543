/** `starling proxy`: SOCKS5 for any program, until Ctrl-C. @module */
import { formatRecipient } from '../../protocol/packet/recipient.ts'
import { type ClientOptions, connectClient } from './clientSession.ts'
import type { Session } from './session.ts'

export interface ProxyOptions extends ClientOptions {
  readonly host: string
  readonly port: number
}

export async function runProxy(session: Session, options: ProxyOptions): Promise<number> {
  const { screen, world } = session
  const started = world.clock.monotonic()
  const mixnet = await connectClient(session, options)
  try {
    const proxy = await mixnet.proxy({ host: options.host, port: options.port })
    const { host, port } = proxy.endpoint
    const exit = formatRecipient(mixnet.exit)
    screen.step('proxy', `SOCKS5 on ${host}:${port}`, world.clock.monotonic() - started, {
      event: 'proxy',
      host,
      port,
      exit,
    })
    screen.line(`\n  Try it   curl --socks5-hostname ${host}:${port} https://example.org/\n  Stop     Ctrl-C`)
    await session.untilInterrupted()
    return 0
  } finally {
    await mixnet.close()
  }
}
