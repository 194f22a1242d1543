/** An exit's way out through a device of the kernel, in a network of its own; test/inside/tunExit.inside.ts says what is tried. @module */
import { it } from 'node:test'
import { testInside, whyNotInside } from './support/insideNetwork.ts'

const TOOLS = ['/usr/bin/socat', '/usr/sbin/nft', '/usr/sbin/conntrack', '/usr/sbin/ip']

it(
  'packets of clients leave through a device and the kernel',
  { skip: whyNotInside(TOOLS), timeout: 240_000 },
  ({ signal }) => testInside('tunExit', signal),
)
