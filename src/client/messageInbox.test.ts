import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Meter } from '../foundation/base/observe.ts'
import { MessageInbox } from './messageInbox.ts'

const message = (byte: number, length = 1) => ({ data: new Uint8Array(length).fill(byte) })
const bytesOf = (messages: readonly { data: Uint8Array }[]): number[] => messages.map(({ data }) => data[0] as number)

async function take(inbox: MessageInbox, count: number) {
  const taken: { data: Uint8Array }[] = []
  if (count === 0) return taken
  for await (const received of inbox.messages()) {
    taken.push(received)
    if (taken.length === count) break
  }
  return taken
}

describe('an inbox', () => {
  it('gives what waits and what comes, in order, over any number of loops', async () => {
    const inbox = new MessageInbox(new Meter())
    for (const byte of [1, 2, 3]) inbox.push(message(byte))
    assert.deepEqual(bytesOf(await take(inbox, 2)), [1, 2])
    const later = take(inbox, 3)
    inbox.push(message(4))
    inbox.push(message(5))
    assert.deepEqual(bytesOf(await later), [3, 4, 5])
  })

  it('gives each message to one of several loops, and loses none that is left', async () => {
    const inbox = new MessageInbox(new Meter())
    const loops = [take(inbox, 1), take(inbox, 1)]
    await Promise.resolve()
    inbox.push(message(1))
    inbox.push(message(2))
    inbox.push(message(3))
    assert.deepEqual(bytesOf((await Promise.all(loops)).flat()).sort(), [1, 2])
    assert.deepEqual(bytesOf(await take(inbox, 1)), [3])
  })

  it('ends with the inbox, after what waits, or with the signal', async () => {
    const inbox = new MessageInbox(new Meter())
    const abort = new AbortController()
    const aborted = inbox.messages(abort.signal).next()
    await Promise.resolve()
    abort.abort()
    assert.equal((await aborted).done, true)
    inbox.push(message(1))
    inbox.close()
    inbox.push(message(2))
    assert.deepEqual(bytesOf(await take(inbox, Number.POSITIVE_INFINITY)), [1])
  })

  it('keeps what waits for the next loop where the signal of this one has fired', async () => {
    const inbox = new MessageInbox(new Meter())
    const abort = new AbortController()
    for (const byte of [1, 2, 3]) inbox.push(message(byte))
    const loop = inbox.messages(abort.signal)
    assert.deepEqual((await loop.next()).value?.data, message(1).data)
    abort.abort()
    assert.equal((await loop.next()).done, true)
    assert.deepEqual(bytesOf(await take(inbox, 2)), [2, 3])
  })

  it('forgets the oldest beyond its bounds, and counts them', async () => {
    const meter = new Meter()
    const few = new MessageInbox(meter, { messages: 3, bytes: 1_000_000 })
    for (let byte = 0; byte < 10; byte++) few.push(message(byte))
    assert.deepEqual(bytesOf(await take(few, 3)), [7, 8, 9])
    assert.equal(meter.snapshot().client_inbox_dropped_total, 7)
    assert.equal(meter.snapshot().client_inbox_bytes, 0)
    const small = new MessageInbox(new Meter(), { messages: 100, bytes: 10_000 })
    for (let byte = 0; byte < 10; byte++) small.push(message(byte, 4_000))
    assert.deepEqual(bytesOf(await take(small, 2)), [8, 9])
    small.push(message(1, 20_000))
    small.close()
    assert.deepEqual(await take(small, Number.POSITIVE_INFINITY), [])
  })
})
