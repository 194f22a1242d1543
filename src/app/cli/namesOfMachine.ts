/** Who looks up the names that programs of the whole machine ask for, while `starling tunnel` runs. @module */
import { fromUtf8Lossy } from '../../foundation/base/bytes.ts'
import { canonicalIpText, parseIp } from '../../foundation/base/ipAddress.ts'
import type { Files } from '../../foundation/platform/files.ts'
import { runCommand } from '../../foundation/platform/node/nodeCommand.ts'

/** Whom the programs of this machine ask for names. */
export async function nameServersOf(
  files: Pick<Files, 'read'>,
): Promise<{ readonly direct: ReadonlySet<string>; readonly isLocal: boolean }> {
  const text = fromUtf8Lossy((await files.read('/etc/resolv.conf')) ?? new Uint8Array(0))
  const all = [...text.matchAll(/^\s*nameserver\s+([0-9a-f.:]+)/gim)].map(([, server]) => server as string)
  const known = all.filter((server) => parseIp(server) !== undefined).map(canonicalIpText)
  const isLoopback = (server: string): boolean => server.startsWith('127.') || server === '::1'
  return {
    direct: new Set(known.filter((server) => !isLoopback(server))),
    isLocal: known.some(isLoopback) || known.length === 0,
  }
}

/**
 * Who asks a server elsewhere is answered by us, in its name: nothing has to be changed for that. A resolver on this machine asks for itself;
 * systemd's binds its questions to the interface they are for, and has to be told that ours is for all. It forgets that with the device. Resolves
 * with who looks names up, in words. `nameServer`: whom we ask in the place of exits.
 */
export async function tellLocalResolver(
  isLocal: boolean,
  router: string,
  nameServer: string | undefined,
): Promise<string> {
  const who = whoLooksUp(nameServer)
  if (!isLocal) return who
  const program = '/usr/bin/resolvectl'
  const told = [
    await runCommand(program, ['dns', 'starling', router]),
    await runCommand(program, ['domain', 'starling', '~.']),
    await runCommand(program, ['default-route', 'starling', 'true']),
  ]
  if (told.every(({ code }) => code === 0)) return `${who}; systemd-resolved was told`
  return `a resolver on this machine answers: it asks its own servers, through the tunnel. To have names ${who}: nameserver ${router} in /etc/resolv.conf`
}

const whoLooksUp = (nameServer: string | undefined): string =>
  nameServer === undefined ? 'looked up by the exit that connects' : `asked of ${nameServer}, through the mixnet`
