import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HandClock, turn } from '../../foundation/platform/handClock.ts'
import { buildUdp } from '../../protocol/wire/ip/buildPacket.ts'
import { type IpPacket, readIpPacket } from '../../protocol/wire/ip/ipPacket.ts'
import type { IpTunnel } from './ipTunnel.ts'
import { ProgramAddress } from './programAddress.ts'

const ADDRESSES = { source: Uint8Array.of(10, 0, 7, 7), destination: Uint8Array.of(1, 2, 3, 4) }

test('what waits for an address leaves as it came, whatever the device has read into its memory meanwhile', async () => {
  const memory = buildUdp(ADDRESSES, { sourcePort: 1, destinationPort: 2 }, Uint8Array.of(7, 8, 9))
  const before = memory.slice()
  const ready: IpPacket[] = []
  const address = new ProgramAddress({
    clock: new HandClock(),
    tunnel: async () => ({ isOpen: true, onPacket() {} }) as unknown as IpTunnel,
    refused() {},
    ready: (packet) => ready.push(packet),
    dropped: () => assert.fail('lost'),
    arrived() {},
  })
  address.wait(readIpPacket(memory) as IpPacket)
  memory.fill(0)
  await turn()
  assert.deepEqual(ready, [readIpPacket(before)])
})
