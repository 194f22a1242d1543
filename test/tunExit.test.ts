/**
 * An exit's way out through a device of the kernel, in a network of its own: the device itself (test/inside/tunDevice.inside.ts), the way
 * out alone (test/inside/tunExit.inside.ts), and in a node as an operator has it
 * (test/inside/tunNode.inside.ts). @module
 */
import { it } from 'node:test'
import { testInside, whyNotInside } from './support/insideNetwork.ts'

const TOOLS = ['/usr/bin/socat', '/usr/sbin/nft', '/usr/sbin/conntrack', '/usr/sbin/ip']

it(
  'a device of the kernel and its pump',
  { skip: whyNotInside([...TOOLS, '/usr/bin/pgrep']), timeout: 240_000 },
  ({ signal }) => testInside('tunDevice', signal),
)

it(
  'packets of clients leave through a device and the kernel',
  { skip: whyNotInside(TOOLS), timeout: 240_000 },
  ({ signal }) => testInside('tunExit', signal),
)

it(
  'a node with a device, from the command line',
  { skip: whyNotInside([...TOOLS, '/usr/bin/setpriv', '/usr/bin/ping', '/usr/bin/pgrep']), timeout: 240_000 },
  ({ signal }) => testInside('tunNode', signal),
)
