/** Whether a login is accepted: what it says itself, and what is stored of the client. @module */
import {
  type AuthenticationRefusal,
  checkAuthentication,
  checkRegistered,
} from '../../protocol/wire/gateway/authentication.ts'
import type { AuthenticateV2 } from '../../protocol/wire/gateway/control.ts'
import type { SessionHost } from './sessionHost.ts'

/** undefined where nothing is wrong with it. */
export function checkLogin(host: SessionHost, request: AuthenticateV2): AuthenticationRefusal | undefined {
  const { crypto, clock } = host.world
  const unixSeconds = Math.floor(clock.now() / 1000)
  return checkAuthentication(crypto, request, unixSeconds) ?? checkStoredLogin(host, request)
}

/** The half that can change while an older session is asked whether it is still there. */
export function checkStoredLogin(host: SessionHost, request: AuthenticateV2): AuthenticationRefusal | undefined {
  const stored = host.store.client(request.clientIdentity)
  const client = stored && { ...stored, sharedKey: stored.sharedKey.expose() }
  return checkRegistered(host.world.crypto, request, client)
}
