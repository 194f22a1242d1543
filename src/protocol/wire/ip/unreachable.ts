/** "Destination unreachable" (RFC 792 type 3; RFC 4443 type 1): so that a program does not wait for what cannot come. @module */
import type { IpPacket } from './ipPacket.ts'
import { buildComplaint } from './tooBig.ts'

/** The host; IPv6 says the same as "address". */
const MESSAGES = { 4: { type: 3, code: 1 }, 6: { type: 1, code: 3 } } as const

/** For the sender of `packet`, from `router`. */
export const buildUnreachable = (packet: IpPacket, router: Uint8Array): Uint8Array =>
  buildComplaint(packet, router, MESSAGES[packet.version])
