/** What tests that let passt carry packets to this machine need of it. No tests here. @module */
import { spawnSync } from 'node:child_process'
import { networkInterfaces } from 'node:os'

/** In containers it may be there and be kept from what it needs. */
const runs =
  spawnSync('/usr/bin/passt', ['--foreground', '--fd', '0', '--tcp-ports', 'none', '--udp-ports', 'none'], {
    input: '',
    timeout: 10_000,
  }).status === 0

/** An IPv4 address of this machine that passt reaches: not loopback. Empty where there is none. */
export const OWN_ADDRESS: string =
  Object.values(networkInterfaces())
    .flat()
    .find((one) => one?.family === 'IPv4' && !one.internal)?.address ?? ''

/** Why there can be no such test, for `skip`. */
export const NO_PASST: string | false = !runs
  ? 'passt is not installed, or does not run: apt install passt'
  : OWN_ADDRESS === ''
    ? 'this machine has no address but loopback'
    : false
