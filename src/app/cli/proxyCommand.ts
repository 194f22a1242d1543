/** `starling proxy`: SOCKS5 for any program, until Ctrl-C. @module */
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { formatRecipient } from '../../protocol/packet/recipient.ts'
import { type ClientOptions, withClient } from './clientSession.ts'
import type { Session } from './session.ts'

export interface ProxyOptions extends ClientOptions {
  readonly host: string
  readonly port: number
}

export function runProxy(session: Session, options: ProxyOptions): Promise<number> {
  const { screen, world } = session
  const started = world.clock.monotonic()
  return withClient(session, options, async (mixnet) => {
    const proxy = await mixnet.proxy({ host: options.host, port: options.port }).catch((error: unknown) => {
      if (!isMixnetError(error, 'ADDRESS_IN_USE')) throw error
      throw new MixnetError(
        'ADDRESS_IN_USE',
        { port: options.port },
        { nextStep: 'Choose another one: --port NUMBER, or 0 for any that is free.' },
      )
    })
    const { host, port } = proxy.endpoint
    screen.step('proxy', `SOCKS5 on ${host}:${port}`, world.clock.monotonic() - started, {
      event: 'proxy',
      host,
      port,
      exit: formatRecipient(mixnet.exit),
    })
    screen.line(`\n  Try it   curl --socks5-hostname ${host}:${port} https://example.org/\n  Stop     Ctrl-C`)
    await session.untilInterrupted()
    return 0
  })
}
