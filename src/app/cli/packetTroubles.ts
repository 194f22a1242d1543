/**
 * Why the datagrams and pings of programs go nowhere: a program hears nothing at all, so whoever sits in front of it is told, of each kind once. No
 * names: a terminal is kept, copied and filmed. @module
 */
import type { LocalNetworkOptions } from '../../client/ip/localNetwork.ts'
import type { Screen } from './screen.ts'

type Troubles = Required<
  Pick<LocalNetworkOptions, 'noAddress' | 'addressLost' | 'fragment' | 'refused' | 'toName' | 'silentNameServer'>
>

export function toldOnce(screen: Screen): Troubles {
  const told = new Set<string>()
  const once = (kind: string, text: string, about = kind): void => {
    if (!told.has(kind)) screen.line(`starling: ${text}`, { event: 'notice', about, text })
    told.add(kind)
  }
  return {
    noAddress: ({ code, message, nextStep }) =>
      once('address', `datagrams and pings go nowhere: ${code}: ${message}. ${nextStep}`),
    addressLost: () =>
      once('lost', 'the exit of datagrams and pings has gone, or fell silent: the next go on from another address.'),
    fragment: () =>
      once(
        'fragment',
        'a datagram or ping of more than 1,472 bytes (1,452 over IPv6) goes nowhere: the mixnet carries no fragments.',
      ),
    refused: (destination) => once(destination, `the exit's policy refuses ${destination}`, 'refused'),
    toName: () =>
      once(
        'name',
        'a datagram or ping to a name goes nowhere: the exit looks names up, for connections only. With --name-server IP names get their real addresses.',
      ),
    silentNameServer: (server) =>
      once(
        'name-server',
        `the name server ${server} has not answered for 5 seconds. Choose another with --name-server, or none.`,
      ),
  }
}
