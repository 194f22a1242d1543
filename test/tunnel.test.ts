/** All that a machine sends, in a network of its own; test/inside/tunnel.inside.ts says what is tried. @module */
import { it } from 'node:test'
import { testInside, whyNotInside } from './support/insideNetwork.ts'

const TOOLS = [
  '/usr/bin/socat',
  '/usr/sbin/ip',
  '/usr/sbin/nft',
  '/usr/bin/tcpdump',
  '/usr/bin/setpriv',
  '/usr/bin/ping',
  '/usr/bin/pkill',
]

it('the whole machine through a device', { skip: whyNotInside(TOOLS), timeout: 240_000 }, ({ signal }) =>
  testInside('tunnel', signal),
)

const COMMAND_TOOLS = [...TOOLS, '/usr/bin/passt', '/usr/bin/curl', '/usr/bin/dig', '/usr/sbin/sysctl']

it(
  'the command, against a mixnet at the end of a wire',
  { skip: whyNotInside(COMMAND_TOOLS), timeout: 240_000 },
  ({ signal }) => testInside('tunnelCommand', signal),
)
