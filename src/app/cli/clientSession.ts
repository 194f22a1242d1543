/** The client that `fetch` and `proxy` share. @module */
import { Mixnet } from '../../client/mixnet.ts'
import type { Session } from './session.ts'

export interface ClientOptions {
  readonly directory: readonly string[]
  readonly data?: string
  readonly gateway?: string
  readonly exit?: string
  readonly revealAddress: boolean
}

export function connectClient(session: Session, options: ClientOptions): Promise<Mixnet> {
  return Mixnet.connect(session.world, {
    directories: options.directory,
    folder: options.data,
    gateway: options.gateway,
    exit: options.exit,
    anonymous: !options.revealAddress,
    log: session.quietLogOf('client'),
  })
}
