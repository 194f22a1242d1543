import assert from 'node:assert/strict'
import { test } from 'node:test'
import { millis } from '../../../foundation/base/units.ts'
import { nodeRandom } from '../../../foundation/platform/node/nodeRandom.ts'
import { buildUdp } from '../../../protocol/wire/ip/buildPacket.ts'
import { buildEcho, readEcho } from '../../../protocol/wire/ip/echo.ts'
import { type IpPacket, readIpPacket } from '../../../protocol/wire/ip/ipPacket.ts'
import { type ClientPorts, SharedPorts } from './sharedPorts.ts'

const [CLIENT, SITE, OTHER_SITE] = [Uint8Array.of(10, 0, 7, 7), Uint8Array.of(1, 2, 3, 4), Uint8Array.of(1, 2, 3, 5)]
let now = 0
const shared = () => new SharedPorts({ random: nodeRandom.stream('ports'), clock: { monotonic: () => millis(now) } })
const read = (bytes: Uint8Array): IpPacket => {
  const packet = readIpPacket(bytes)
  assert.ok(!('fault' in packet))
  return packet
}
const leave = (ports: ClientPorts, sourcePort: number, destination = SITE): IpPacket | undefined => {
  const bytes = buildUdp({ source: CLIENT, destination }, { sourcePort, destinationPort: 53 }, Uint8Array.of(1))
  const left = ports.leaving(read(bytes))
  return left && read(left)
}
const come = (ports: ClientPorts, destinationPort: number, source = SITE, sourcePort = 53): IpPacket | undefined => {
  const bytes = buildUdp({ source, destination: CLIENT }, { sourcePort, destinationPort }, Uint8Array.of(2))
  const came = ports.coming(read(bytes))
  return came && read(came)
}

test('no two clients have one port, and only whom it wrote to reaches a client', () => {
  const all = shared()
  const [one, two] = [all.forClient(), all.forClient()]
  const outside = (leave(one, 5000) as IpPacket).sourcePort
  assert.equal(leave(one, 5000, OTHER_SITE)?.sourcePort, outside, 'one port to all peers')
  assert.notEqual(leave(two, 5000)?.sourcePort, outside)
  assert.equal(come(one, outside)?.destinationPort, 5000)
  assert.equal(come(two, outside), undefined)
  assert.equal(come(one, outside, SITE, 54), undefined)
  assert.equal(come(one, outside, Uint8Array.of(9, 9, 9, 9)), undefined)
  assert.equal(come(one, 5000), undefined)
  one.end()
  assert.equal(come(one, outside), undefined)
  assert.equal(all.taken, 1)
})

test('pings have numbers of their own as well; what nobody asked is not answered', () => {
  const ports = shared().forClient()
  const echo = (isReply: boolean, identifier: number) => ({ isReply, identifier, sequence: 3, data: Uint8Array.of(4) })
  const asked = buildEcho({ source: CLIENT, destination: SITE }, echo(false, 77))
  const left = readEcho(read(ports.leaving(read(asked)) as Uint8Array))
  const back = (identifier: number, isReply = true): Uint8Array | undefined => {
    const bytes = buildEcho({ source: SITE, destination: CLIENT }, echo(isReply, identifier))
    return ports.coming(read(bytes))
  }
  assert.deepEqual(readEcho(read(back(left?.identifier as number) as Uint8Array)), echo(true, 77))
  assert.equal(back(left?.identifier as number, false), undefined)
  assert.equal(back(77), undefined)
  assert.equal(come(ports, left?.identifier as number), undefined, 'an identifier is no port')
  const answer = buildEcho({ source: CLIENT, destination: SITE }, echo(true, 77))
  assert.equal(ports.leaving(read(answer)), undefined)
})

test('a client has some hundreds at once, beyond that its oldest is another; those it does not use are free again', () => {
  const all = shared()
  const ports = all.forClient()
  const first = leave(ports, 1)?.sourcePort as number
  for (let port = 2; port <= 512; port++) leave(ports, port)
  assert.equal(all.taken, 512)
  assert.equal(leave(ports, 513, OTHER_SITE)?.sourcePort, first)
  assert.equal(come(ports, first), undefined, 'from where the other wrote to')
  assert.equal(come(ports, first, OTHER_SITE)?.destinationPort, 513)
  assert.equal(all.taken, 512)
  now += 200_000
  assert.ok(leave(ports, 513) !== undefined)
  assert.equal(all.taken, 512, 'not before the socket is gone')
  now += 100_000
  assert.ok(leave(ports, 1100) !== undefined)
  assert.equal(all.taken, 2)
  ports.end()
  assert.equal(all.taken, 0)
  assert.equal(leave(ports, 1), undefined, 'nothing is lent to who is gone')
})

test('as many clients as there may be, each of whom takes all it gets, leave something to whoever comes', () => {
  const all = shared()
  const greedy = Array.from({ length: 255 }, () => all.forClient())
  for (const ports of greedy) for (let port = 1; port <= 600; port++) leave(ports, port)
  const late = all.forClient()
  const before = all.taken
  for (let port = 1; port <= 600; port++) assert.ok(leave(late, port) !== undefined)
  assert.ok(all.taken - before >= 100, `${all.taken - before}`)
})
