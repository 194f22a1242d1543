/** All that a machine sends, in a network of its own; test/inside/tunnel.inside.ts says what is tried. @module */
import { it } from 'node:test'
import { testInside, whyNotInside } from './support/insideNetwork.ts'

it(
  'the whole machine through a device',
  { skip: whyNotInside(['/usr/bin/socat', '/usr/sbin/ip']), timeout: 120_000 },
  ({ signal }) => testInside('tunnel', signal),
)
