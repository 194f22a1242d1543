/** Values of options, checked; what is wrong is said by Commander beside the option's name. @module */
import { InvalidArgumentError } from 'commander'
import { planTraffic, type TrafficChoice } from '../../client/trafficProfiles.ts'
import { fromBase58 } from '../../foundation/base/base58.ts'
import { isMixnetError, tryDecode } from '../../foundation/base/errors.ts'
import { parseIp } from '../../foundation/base/ipAddress.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { PROGRAMS } from '../../foundation/platform/node/nodeProgramNetwork.ts'
import { type Percent, parsePercent } from '../../protocol/economy/decimal.ts'
import type { RewardedSetParams } from '../../protocol/economy/rewards.ts'
import { parseRecipient } from '../../protocol/packet/recipient.ts'
import { hasPrefix } from '../../protocol/wire/exit/ipPrefix.ts'
import type { NodeRole } from '../node/nodeConfig.ts'

const IDENTITY_BYTES = 32
const ROLES: readonly NodeRole[] = ['mix', 'entry', 'exit']

export function port(text: string): number {
  return whole(text, 0, 65_535, 'A port is a number from 0 to 65535.')
}

export function count(text: string): number {
  return whole(text, 1, 200, 'It must be a number from 1 to 200.')
}

export function layer(text: string): 1 | 2 | 3 {
  return whole(text, 1, 3, 'There are layers 1, 2 and 3.') as 1 | 2 | 3
}

export function positive(text: string): number {
  const value = Number(text)
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError('It must be a number above 0.')
  return value
}

export function ipAddress(text: string): string {
  if (parseIp(text) === undefined) throw new InvalidArgumentError('It must be an IP address.')
  return text
}

/** What can never answer a question that goes out by an exit: this machine, all machines, and the network that programs are in. */
const NO_NAME_SERVERS = [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/3',
  '198.18.0.0/15',
  `${PROGRAMS.ipv4}/30`,
  '::/127',
  '::ffff:0:0/96',
  'fe80::/10',
  'ff00::/8',
  `${PROGRAMS.ipv6}/64`,
]

export function nameServer(text: string): string {
  const address = parseIp(text)
  const isNone = NO_NAME_SERVERS.some((range) => {
    const [network = '', bits] = range.split('/')
    return address !== undefined && hasPrefix(address, parseIp(network) as Uint8Array, Number(bits))
  })
  if (address === undefined || isNone)
    throw new InvalidArgumentError('It must be the IP address of a name server that an exit can reach.')
  return text
}

export function gateway(text: string): string {
  const refusal = tryDecode(() => fromBase58(text, 'gateway', IDENTITY_BYTES))
  if (isMixnetError(refusal))
    throw new InvalidArgumentError('It must be the identity of an entry gateway: 32 bytes in base58.')
  return text
}

export function exit(text: string): string {
  const refusal = tryDecode(() => parseRecipient(nodeProvider, text))
  if (isMixnetError(refusal))
    throw new InvalidArgumentError('It must be the address of a network requester: IDENTITY.ENCRYPTION-KEY@GATEWAY.')
  return text
}

/** A profile's name. */
export function traffic(text: string): TrafficChoice {
  return planned(text as TrafficChoice, 'It must be default, frugal, fast or private; for a limit, --budget.')
}

/** `500 MB`, `500MB a day`: of a day. */
export function budget(text: string): TrafficChoice {
  const perDay = text.trim().replace(/^([\d.]+)\s*/, '$1 ')
  return planned({ perDay } as TrafficChoice, 'It must be bytes a day in kB, MB, GB or TB, for instance "500 MB".')
}

function planned(choice: TrafficChoice, why: string): TrafficChoice {
  const plan = tryDecode(() => planTraffic(choice))
  if (!isMixnetError(plan)) return choice
  const { minimum } = plan.details
  throw new InvalidArgumentError(minimum === undefined ? why : `Too small: ${plan.nextStep}`)
}

/** Collects: an option that took several words would swallow the argument behind it. */
export function directoryUrl(text: string, before: readonly string[] = []): readonly string[] {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new InvalidArgumentError('A directory is a URL, for instance http://127.0.0.1:8080/api.')
  }
  return [...before, text]
}

/** Collects. As browsers write it: no path, no "null", which every sandboxed frame says. */
export function origin(text: string, before: readonly string[] = []): readonly string[] {
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^/?#@\s]+$/i.test(text)) {
    throw new InvalidArgumentError('An origin is a scheme, a host and a port, for instance http://localhost:3000.')
  }
  return [...before, text]
}

/** Collects. */
export function role(text: string, before: readonly NodeRole[] = []): readonly NodeRole[] {
  const roles = text.split(',').map((name) => {
    const known = ROLES.find((one) => one === name.trim())
    if (known === undefined) throw new InvalidArgumentError(`Roles are ${ROLES.join(', ')}.`)
    return known
  })
  return [...before, ...roles]
}

/** A whole number. */
export const upTo =
  (most: number, least = 1) =>
  (text: string): number =>
    whole(text, least, most, `It must be a whole number from ${least} to ${most}.`)

/** 0 to 1, exactly. */
export function share(text: string): Percent {
  const value = tryDecode(() => parsePercent(text))
  if (isMixnetError(value)) throw new InvalidArgumentError('It must be a number from 0 to 1, for instance 0.3.')
  return value
}

/** `80/100/60/0`: entry gateways, exit gateways, mix nodes, standby. */
export function setSizes(text: string): RewardedSetParams {
  const [, entryGateways, exitGateways, mixnodes, standby] =
    /^(\d{1,4})\/(\d{1,4})\/(\d{1,4})\/(\d{1,4})$/.exec(text)?.map(Number) ?? []
  if (entryGateways === undefined || exitGateways === undefined || mixnodes === undefined || standby === undefined) {
    throw new InvalidArgumentError('It must be four numbers, for instance 80/100/60/0.')
  }
  if (entryGateways < 1 || exitGateways < 1 || mixnodes < 1 || mixnodes % 3 !== 0) {
    throw new InvalidArgumentError('There is at least one of each active role, and mix nodes fill three layers evenly.')
  }
  return { entryGateways, exitGateways, mixnodes, standby }
}

function whole(text: string, min: number, max: number, why: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isInteger(value) || value < min || value > max) throw new InvalidArgumentError(why)
  return value
}
