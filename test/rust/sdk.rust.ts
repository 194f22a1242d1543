/** The official Rust SDK 1.21.6, unmodified, as a client of our network: messages, replies and streams, with our own client too. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it, type TestContext } from 'node:test'
import { connect, type MixnetConnection } from '../../src/app/sdk/connect.ts'
import type { ReceivedMessage } from '../../src/client/mixnetClient.ts'
import { utf8 } from '../../src/foundation/base/bytes.ts'
import { formatRecipient } from '../../src/protocol/packet/recipient.ts'
import { decodeStreamFrame, encodeStreamFrame, looksLikeStreamFrame } from '../../src/protocol/wire/exit/streamFrame.ts'
import { count, LocalNetwork, until } from '../browser/network.ts'
import { buildSdkClient, DEADLINE_MS, SdkClient, type SdkMessage } from './sdkClient.ts'

const TEXT = 'Grüße — 你好 🐦'
const SIZES = [1, 1500, 100_000]
const MANY = 200

const program = await buildSdkClient()
const gatewayOf = (address: string): string => address.split('@')[1] as string
const is =
  (expected: Uint8Array) =>
  ({ data }: { readonly data: Uint8Array }): boolean =>
    Buffer.compare(data, expected) === 0
const textOf = ({ data }: { readonly data: Uint8Array }): string => new TextDecoder().decode(data)
const numbered = (prefix: string): string[] => Array.from({ length: MANY }, (_, i) => `${prefix} ${i}`)

describe('official Rust SDK 1.21.6', { skip: program.skip, timeout: 900_000 }, () => {
  let network: LocalNetwork
  let rust: SdkClient
  let rustAddress: string
  let starling: MixnetConnection
  let starlingAddress: string
  const received: ReceivedMessage[] = []

  before(async () => {
    network = await LocalNetwork.start(26300)
    rust = launched()
    rustAddress = await rust.connect()
    starling = await connect({
      directory: network.directoryUrl,
      connectTimeout: DEADLINE_MS,
      onMessage: (message) => received.push(message),
    })
    starlingAddress = formatRecipient(starling.address)
  })

  after(async () => {
    await starling?.close()
    await rust?.stop()
    await network?.stop()
  })

  const launched = (t?: TestContext): SdkClient => {
    assert.ok(program.skip === false)
    const client = new SdkClient(program.path, network.directoryUrl)
    t?.after(() => client.stop())
    return client
  }

  /** Resolves once `count` messages that fit have come to our client, with all that fit. */
  const receives = async (count: number, fits: (message: ReceivedMessage) => boolean): Promise<ReceivedMessage[]> => {
    await until(() => received.filter(fits).length >= count, `${count} messages to Starling`)
    return received.filter(fits)
  }

  it('registers, and is at a gateway of ours', () => {
    assert.ok(network.gateways.includes(gatewayOf(rustAddress)))
  })

  it('writes to our client: text and binary, with a pseudonym and without', async () => {
    for (const exposed of [false, true]) {
      const text = utf8(`${TEXT} ${exposed}`)
      await rust.send(starlingAddress, text, exposed)
      const [message] = await receives(1, is(text))
      assert.equal(message?.sender === undefined, exposed)
      for (const size of SIZES) {
        const data = randomBytes(size)
        await rust.send(starlingAddress, data, exposed)
        await receives(1, is(data))
      }
    }
  })

  it('is written to by our client: text and binary, with a pseudonym and without', async () => {
    for (const repliable of [true, false]) {
      const text = utf8(`${TEXT} ${repliable}`)
      await starling.send(rustAddress, text, { repliable })
      const [message] = await rust.messages(1, is(text))
      assert.equal(message?.tag !== null, repliable)
      for (const size of SIZES) {
        const data = randomBytes(size)
        await starling.send(rustAddress, data, { repliable })
        await rust.messages(1, is(data))
      }
    }
  })

  it('gets answers to its pseudonym, longer than the reply SURBs it gave', async () => {
    const question = randomBytes(20)
    await rust.send(starlingAddress, question)
    const [message] = await receives(1, is(question))
    for (const size of [100, 100_000]) {
      const answer = randomBytes(size)
      await starling.reply(message?.sender as string, answer)
      const [got] = await rust.messages(1, is(answer))
      assert.equal(got?.tag, null)
    }
  })

  it('answers our pseudonym, longer than the reply SURBs we gave', async () => {
    const question = randomBytes(20)
    await starling.send(rustAddress, question)
    const [message] = await rust.messages(1, is(question))
    for (const size of [100, 100_000]) {
      const answer = randomBytes(size)
      await rust.reply(message?.tag as string, answer)
      const [got] = await receives(1, is(answer))
      assert.equal(got?.repliedBy && formatRecipient(got.repliedBy), rustAddress)
    }
  })

  it(`exchanges ${MANY} messages each way at once with our client, none lost, none twice`, async () => {
    const [there, back] = [numbered('from Rust'), numbered('from Starling')]
    const fits = (prefix: string) => (message: { readonly data: Uint8Array }) => textOf(message).startsWith(prefix)
    await Promise.all([
      (async () => {
        for (const text of there) await rust.send(starlingAddress, utf8(text))
      })(),
      (async () => {
        for (const text of back) await starling.send(rustAddress, text)
      })(),
    ])
    const [arrivedThere, arrivedBack] = await Promise.all([
      receives(MANY, fits('from Rust')),
      rust.messages(MANY, fits('from Starling')),
    ])
    assert.deepEqual(arrivedThere.map(textOf).sort(), [...there].sort())
    assert.deepEqual(arrivedBack.map(textOf).sort(), [...back].sort())
  })

  it('talks with its like, and they answer', async (t) => {
    const other = launched(t)
    const otherAddress = await other.connect()
    const question = randomBytes(5000)
    await rust.send(otherAddress, question)
    const [message] = await other.messages(1, is(question))
    const answer = randomBytes(50_000)
    await other.reply((message as SdkMessage).tag as string, answer)
    await rust.messages(1, is(answer))
  })

  it('can be told its gateway, whichever', async (t) => {
    for (const gateway of network.gateways) {
      const client = launched(t)
      const address = await client.connect({ gateway })
      assert.equal(gatewayOf(address), gateway)
      await client.send(address, utf8(TEXT))
      await client.messages(1, is(utf8(TEXT)))
      await client.stop()
    }
  })

  it('comes back with its keys: same address, and what was sent meanwhile', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'starling-'))
    t.after(() => rm(folder, { recursive: true, force: true }))
    const first = launched(t)
    const address = await first.connect({ folder })
    await first.stop()
    const stored = count(await network.look(), 'gateway_stored_total')
    const text = utf8('while you were away')
    await starling.send(address, text)
    await network.until((look) => count(look, 'gateway_stored_total') > stored, 'the message is stored')
    const second = launched(t)
    assert.equal(await second.connect({ folder }), address)
    await second.messages(1, is(text))
    // And answers go to the pseudonym of before, in both directions.
    await second.send(starlingAddress, utf8('I am back'))
    await receives(1, is(utf8('I am back')))
  })

  it('opens a byte stream to its like: both ways, in order', async (t) => {
    const [dialer, listener] = [launched(t), launched(t)]
    await dialer.connect()
    const address = await listener.connect()
    await listener.listen()
    const stream = await dialer.open(address)
    const accepted = await listener.acceptedStream(0)
    assert.equal(accepted, stream)
    const [there, back] = [randomBytes(200_000), randomBytes(100_000)]
    for (let from = 0; from < there.length; from += 10_000) {
      await dialer.write(stream, there.subarray(from, from + 10_000))
      await listener.write(accepted, back.subarray(from / 2, from / 2 + 5_000))
    }
    assert.ok(is(there)({ data: await listener.bytes(accepted, there.length) }))
    assert.ok(is(back)({ data: await dialer.bytes(stream, back.length) }))
  })

  it('opens a byte stream to our client, which reads the frames and answers in them', async (t) => {
    const dialer = launched(t)
    await dialer.connect()
    const stream = await dialer.open(starlingAddress)
    await dialer.write(stream, utf8('over the stream'))
    const messages = await receives(2, ({ data }) => looksLikeStreamFrame(data))
    const streamId = BigInt(stream)
    const [open, data] = messages
      .map(({ data }) => decodeStreamFrame(data))
      .sort(({ type }) => (type === 'open' ? -1 : 1))
    assert.deepEqual(open, { streamId, type: 'open', sequence: 0, content: new Uint8Array(0) })
    assert.deepEqual(data, { streamId, type: 'data', sequence: 0, content: utf8('over the stream') })
    const tag = messages[0]?.sender as string
    // Out of order: it sorts them.
    for (const [sequence, text] of [
      [1, 'world'],
      [0, 'hello, '],
    ] as const) {
      await starling.reply(tag, encodeStreamFrame({ streamId, type: 'data', sequence, content: utf8(text) }))
    }
    assert.equal(textOf({ data: await dialer.bytes(stream, 12) }), 'hello, world')
  })
})
