/** The official sdk 1.4.1, unmodified, in Chromium, against our directory, gateways and mix nodes; and with our client. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it, type TestContext } from 'node:test'
import { connect, type MixnetConnection } from '../../src/app/sdk/connect.ts'
import type { ReceivedMessage } from '../../src/client/mixnetClient.ts'
import { toBase58 } from '../../src/foundation/base/base58.ts'
import { fromUtf8, utf8 } from '../../src/foundation/base/bytes.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { formatRecipient, parseRecipient } from '../../src/protocol/packet/recipient.ts'
import { noChromium } from './chromium.ts'
import { DEADLINE_MS, type OfficialPage, type PageEvent } from './officialPage.ts'
import { decodeSdkPayload, encodeSdkPayload } from './sdkPayload.ts'
import { Stage } from './stage.ts'

const TEXT = 'Grüße — 你好 🐦'
const MANY = 200

const isText = (event: PageEvent): boolean => event.kind === 'text'
const isBinary = (event: PageEvent): boolean => event.kind === 'binary'
const isRaw = (event: PageEvent): boolean => event.kind === 'raw'
const gatewayOf = (address: string): string => address.split('@')[1] as string
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => `message ${i}`)

describe('official sdk 1.4.1', { skip: noChromium, timeout: 900_000 }, () => {
  let stage: Stage

  before(async () => {
    stage = await Stage.start(26100)
  })

  after(async () => {
    await stage.stop()
  })

  /** A page of somebody new, closed with the test. */
  const opened = async (t: TestContext): Promise<OfficialPage> => {
    const page = await stage.open('sdk')
    t.after(() => page.close())
    return page
  }

  /** Its address. */
  const connected = (page: OfficialPage, options: Readonly<Record<string, unknown>> = {}): Promise<string> =>
    page.call('connect', { ...stage.options, ...options })

  describe('two pages', () => {
    let first: OfficialPage
    let second: OfficialPage
    let firstAddress: string
    let secondAddress: string

    before(async () => {
      first = await stage.open('sdk')
      second = await stage.open('sdk')
      firstAddress = await connected(first)
      secondAddress = await connected(second)
    })

    after(async () => {
      await first.close()
      await second.close()
    })

    it('exchange text both ways', async () => {
      await first.call('sendText', secondAddress, TEXT)
      await second.call('sendText', firstAddress, `${TEXT} back`)
      const [there] = await second.messages(1, isText)
      const [back] = await first.messages(1, isText)
      assert.equal(there?.payload, TEXT)
      assert.equal(there?.mimeType, 'text/plain')
      assert.equal(back?.payload, `${TEXT} back`)
    })

    it('exchange binary both ways, of one packet and of many', async () => {
      for (const size of [1, 1500, 100_000]) {
        const content = base64(randomBytes(size))
        const fits = (event: PageEvent) => isBinary(event) && event.payload === content
        await first.call('sendBinary', secondAddress, content, `size ${size}`)
        const [there] = await second.messages(1, fits)
        assert.equal(there?.headers, `size ${size}`)
        await second.call('sendBinary', firstAddress, content)
        await first.messages(1, fits)
      }
    })

    it(`carry ${MANY} messages each way at once, none lost, none twice`, async () => {
      const isOfMany = (event: PageEvent) => isText(event) && event.payload.startsWith('message ')
      const sendAll = async (page: OfficialPage, to: string) => {
        for (const message of numbers(MANY)) await page.call('sendText', to, message)
      }
      await Promise.all([sendAll(first, secondAddress), sendAll(second, firstAddress)])
      const arrived = await Promise.all([first.messages(MANY, isOfMany), second.messages(MANY, isOfMany)])
      for (const messages of arrived) {
        assert.deepEqual(messages.map(({ payload }) => payload).sort(), numbers(MANY).sort())
      }
    })
  })

  it('keeps its identity over a reload, and with its gateway named also its address and inbox', async (t) => {
    const page = await opened(t)
    const other = await opened(t)
    const address = await connected(page, { clientId: 'returning' })
    await connected(other)
    await page.reload()
    const stored = stage.network.total('gateway_stored_total')
    await other.call('sendText', address, 'while you were away')
    await stage.network.until(() => stage.network.total('gateway_stored_total') > stored, 'the message is stored')
    const again = await connected(page, { clientId: 'returning', preferredGateway: gatewayOf(address) })
    assert.equal(again, address)
    const [message] = await page.messages(1, isText)
    assert.equal(message?.payload, 'while you were away')
  })

  it('moves to a gateway it does not know yet at every start where none is named, until it knows all', async (t) => {
    const page = await opened(t)
    const gateways = new Set<string>()
    const identities = new Set<string>()
    const entries = stage.network.testnet.nodes.filter(({ plan }) => plan.roles.includes('entry')).length
    for (let i = 0; i < entries; i++) {
      const address = await connected(page, { clientId: 'wandering' })
      identities.add(address.split('@')[0] as string)
      gateways.add(gatewayOf(address))
      await page.reload()
    }
    assert.equal(identities.size, 1)
    assert.equal(gateways.size, entries)
    // Its own rule, not ours; docs/compatibility.md tells users what to do about it.
    await page.call('start', { ...stage.options, clientId: 'wandering' })
    await page.says(/no more new gateways/)
  })

  it('keeps its keys under a passphrase', async (t) => {
    const page = await opened(t)
    const options = { clientId: 'locked', storagePassphrase: 'correct horse' }
    const address = await connected(page, options)
    await page.reload()
    const again = await connected(page, { ...options, preferredGateway: gatewayOf(address) })
    assert.equal(again, address)
  })

  it('can be told its gateway, whichever', async (t) => {
    for (const { running, plan } of stage.network.testnet.nodes) {
      if (!plan.roles.includes('entry')) continue
      const page = await opened(t)
      const preferredGateway = toBase58(running.identity)
      const address = await connected(page, { preferredGateway })
      assert.equal(gatewayOf(address), preferredGateway)
      await page.call('sendText', address, `through ${plan.name}`)
      const [message] = await page.messages(1, isText)
      assert.equal(message?.payload, `through ${plan.name}`)
    }
  })

  it('has its packets acknowledged in time: none is sent twice', async (t) => {
    const entry = stage.network.testnet.nodes.find(({ plan }) => plan.roles.join() === 'entry')
    assert.ok(entry)
    const count = (counter: string) => entry.meter.snapshot()[counter] ?? 0
    const page = await opened(t)
    const address = await connected(page, {
      preferredGateway: toBase58(entry.running.identity),
      clientOverride: {
        traffic: { disableMainPoissonPacketDistribution: true },
        coverTraffic: { disableLoopCoverTrafficStream: true },
      },
    })
    const [forwarded, acks] = [count('gateway_forwarded_total'), count('gateway_pushed_acks_total')]
    const send = async (from: number, to: number) => {
      for (let i = from; i < to; i++) await page.call('sendRaw', address, base64(utf8(`raw ${i}`)), 0)
      await page.messages(to, isRaw)
      await stage.network.until(() => count('gateway_pushed_acks_total') - acks >= to, 'the acks are pushed')
    }
    await send(0, 20)
    // Nothing tells that a client will not send again. It would after 1.5 times the delays and 1.5 s: twice that has to do.
    await new Promise((resolve) => setTimeout(resolve, 4_000))
    await send(20, 40)
    assert.equal(count('gateway_forwarded_total') - forwarded, 40)
  })

  describe('with a Starling client', () => {
    let page: OfficialPage
    let pageAddress: string
    let starling: MixnetConnection
    const received: ReceivedMessage[] = []

    const until = (count: number, fits: (message: ReceivedMessage) => boolean) =>
      stage.network.until(() => received.filter(fits).length >= count, `${count} messages to Starling`)

    before(async () => {
      starling = await connect({
        directory: stage.network.testnet.directoryUrl,
        connectTimeout: DEADLINE_MS,
        onMessage: (message) => received.push(message),
      })
      page = await stage.open('sdk')
      pageAddress = await connected(page)
    })

    after(async () => {
      await page.close()
      await starling.close()
    })

    it('writes to it', async () => {
      await page.call('sendText', formatRecipient(starling.address), TEXT)
      await until(1, () => true)
      const { mimeType, payload } = decodeSdkPayload(received[0]?.data as Uint8Array)
      assert.equal(mimeType, 'text/plain')
      assert.equal(fromUtf8(payload, 'text'), TEXT)
    })

    it('is written to: text, binary and raw, with a pseudonym and without', async () => {
      const to = parseRecipient(nodeProvider, pageAddress)
      for (const anonymous of [true, false]) {
        const text = `${TEXT} ${anonymous}`
        const payload = utf8(text)
        await starling.client.send({
          to,
          anonymous,
          data: encodeSdkPayload({ mimeType: 'text/plain', headers: 'h', payload }),
        })
        const [message] = await page.messages(1, (event) => isText(event) && event.payload === text)
        assert.equal(message?.headers, 'h')
        const bytes = randomBytes(50_000)
        const octets = { mimeType: 'application/octet-stream', headers: null, payload: bytes }
        await starling.client.send({ to, anonymous, data: encodeSdkPayload(octets) })
        await page.messages(1, (event) => isBinary(event) && event.payload === base64(bytes))
        const raw = randomBytes(3000)
        await starling.client.send({ to, anonymous, data: raw })
        await page.messages(1, (event) => isRaw(event) && event.payload === base64(raw))
      }
    })

    it('gets answers through its reply SURBs, longer than the SURBs it gave', async () => {
      const before = received.length
      await page.call('sendRaw', formatRecipient(starling.address), base64(utf8('who are you?')), 12)
      await until(before + 1, () => true)
      const { sender } = received[before] as ReceivedMessage
      assert.ok(sender !== undefined, 'the message carries a pseudonym')
      for (const size of [100, 60_000]) {
        const answer = randomBytes(size)
        await starling.client.reply({ to: sender, data: answer })
        await page.messages(1, (event) => isRaw(event) && event.payload === base64(answer))
      }
    })

    it(`carries ${MANY} messages each way at once, none lost, none twice`, async () => {
      const to = parseRecipient(nodeProvider, pageAddress)
      const [mark, echo] = ['starling ', 'official ']
      const textOf = ({ data }: ReceivedMessage) => new TextDecoder().decode(data)
      const isEcho = (message: ReceivedMessage) => textOf(message).startsWith(echo)
      const fits = (event: PageEvent) =>
        isRaw(event) && Buffer.from(event.payload, 'base64').toString().startsWith(mark)
      const fromStarling = async () => {
        for (const message of numbers(MANY)) await starling.client.send({ to, data: utf8(`${mark}${message}`) })
      }
      const fromPage = async () => {
        for (const message of numbers(MANY)) {
          await page.call('sendRaw', formatRecipient(starling.address), base64(utf8(`${echo}${message}`)))
        }
      }
      await Promise.all([fromStarling(), fromPage()])
      const events = await page.messages(MANY, fits)
      await until(MANY, isEcho)
      const expected = (prefix: string) =>
        numbers(MANY)
          .map((message) => `${prefix}${message}`)
          .sort()
      assert.deepEqual(events.map(({ payload }) => Buffer.from(payload, 'base64').toString()).sort(), expected(mark))
      assert.deepEqual(received.filter(isEcho).map(textOf).sort(), expected(echo))
    })
  })
})
