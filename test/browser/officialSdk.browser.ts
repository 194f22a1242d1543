/**
 * The sdk 1.4.1 in Chromium, against our directory, gateways and mix nodes, and with our client: the official one, unmodified, and
 * the same page with nothing changed but its import, `starling-mixnet/sdk`.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it, type TestContext } from 'node:test'
import type { BrowserContext } from 'playwright-core'
import { connect, type MixnetConnection } from '../../src/app/sdk/connect.ts'
import type { ReceivedMessage } from '../../src/client/mixnetClient.ts'
import { fromUtf8, utf8 } from '../../src/foundation/base/bytes.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { formatRecipient, parseRecipient } from '../../src/protocol/packet/recipient.ts'
import { noChromium } from './chromium.ts'
import { count, until } from './network.ts'
import type { Look } from './networkProcess.ts'
import { DEADLINE_MS, type OfficialPage, type PageEvent } from './officialPage.ts'
import type { PageFolder } from './pageServer.ts'
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

interface Variant {
  readonly name: string
  readonly port: number
  readonly folder: PageFolder
}

const OFFICIAL: Variant = { name: 'official sdk 1.4.1', port: 26100, folder: 'sdk' }
const DROP_IN: Variant = { name: 'the same page with starling-mixnet/sdk', port: 26700, folder: 'sdkDropIn' }

for (const variant of [OFFICIAL, DROP_IN]) testSdk(variant)

function testSdk({ name, port, folder }: Variant): void {
  describe(name, { skip: noChromium, timeout: 900_000 }, () => {
    const onlyOfficial = folder !== 'sdk' && 'a rule of the official one'
    const onlyOurs = folder === 'sdk' && 'the official one does not'
    let stage: Stage

    before(async () => {
      stage = await Stage.start(port)
    })

    after(async () => {
      await stage.stop()
    })

    /** A page of somebody new where no `person` is given, closed with the test. */
    const opened = async (t: TestContext, person?: BrowserContext): Promise<OfficialPage> => {
      const page = await stage.open(folder, person)
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
        first = await stage.open(folder)
        second = await stage.open(folder)
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
      const stored = count(await stage.network.look(), 'gateway_stored_total')
      await other.call('sendText', address, 'while you were away')
      await stage.network.until((look) => count(look, 'gateway_stored_total') > stored, 'the message is stored')
      const again = await connected(page, { clientId: 'returning', preferredGateway: gatewayOf(address) })
      assert.equal(again, address)
      const [message] = await page.messages(1, isText)
      assert.equal(message?.payload, 'while you were away')
    })

    it('comes back to its address over a reload without being told where it was', { skip: onlyOurs }, async (t) => {
      const page = await opened(t)
      const address = await connected(page)
      await page.reload()
      assert.equal(await connected(page), address)
    })

    it('moves to a gateway it does not know yet at every start where none is named, until it knows all', {
      skip: onlyOfficial,
    }, async (t) => {
      const page = await opened(t)
      const gateways = new Set<string>()
      const identities = new Set<string>()
      for (const _ of stage.network.gateways) {
        const address = await connected(page, { clientId: 'wandering' })
        identities.add(address.split('@')[0] as string)
        gateways.add(gatewayOf(address))
        await page.reload()
      }
      assert.equal(identities.size, 1)
      assert.deepEqual(gateways, new Set(stage.network.gateways))
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
      for (const preferredGateway of stage.network.gateways) {
        const page = await opened(t)
        const address = await connected(page, { preferredGateway })
        assert.equal(gatewayOf(address), preferredGateway)
        await page.call('sendText', address, TEXT)
        const [message] = await page.messages(1, isText)
        assert.equal(message?.payload, TEXT)
        await page.close()
      }
    })

    it('joins with whatever it can be told about packets, topology and cover', async (t) => {
      const overrides = {
        newSphinx: { traffic: { useLegacySphinxFormat: false } },
        longPackets: { traffic: { useExtendedPacketSize: true } },
        wholeTopology: { topology: { useExtendedTopology: true } },
        rolesOfTheEpoch: { topology: { ignoreEgressEpochRole: false, ignoreIngressEpochRole: false } },
        remembered: { rememberMe: { stats: true } },
      }
      for (const [name, clientOverride] of Object.entries(overrides)) {
        const page = await opened(t)
        const address = await connected(page, { clientOverride })
        const content = base64(randomBytes(20_000))
        await page.call('sendBinary', address, content, name)
        const [message] = await page.messages(1, isBinary)
        assert.equal(message?.payload, content, name)
        await page.close()
      }
    })

    it('is refused as a second page of one identity, and the first goes on', async (t) => {
      const person = await stage.person()
      const [first, second] = [await opened(t, person), await opened(t, person)]
      const address = await connected(first, { clientId: 'same' })
      const options = { clientId: 'same', preferredGateway: gatewayOf(address), ...stage.options }
      // Past the second of the first login: before, it would be refused for its timestamp.
      await new Promise((resolve) => setTimeout(resolve, 1000))
      const refused = /there is already an open connection to this client/i
      if (folder === 'sdk') {
        await second.call('start', options)
        await second.says(refused)
      } else await assert.rejects(second.call('start', options), refused)
      await first.call('sendText', address, TEXT)
      await first.messages(1, isText)
    })

    // Ours stocks the exit with reply SURBs meanwhile; that it repeats nothing is tested over its own clock.
    it('has its packets acknowledged in time: none is sent twice', { skip: onlyOfficial }, async (t) => {
      // Not the exit's: its own loop cover would be counted.
      const entry = stage.network.nodes.find(({ roles }) => roles.join() === 'entry')
      assert.ok(entry)
      const sent = (look: Look) => count(look, 'gateway_forwarded_total', entry.name)
      const acks = (look: Look) => count(look, 'gateway_pushed_acks_total', entry.name)
      const page = await opened(t)
      const address = await connected(page, {
        preferredGateway: entry.identity,
        clientOverride: {
          traffic: { disableMainPoissonPacketDistribution: true },
          coverTraffic: { disableLoopCoverTrafficStream: true },
        },
      })
      const start = await stage.network.look()
      const send = async (from: number, to: number) => {
        for (let i = from; i < to; i++) await page.call('sendRaw', address, base64(utf8(`raw ${i}`)), 0)
        await page.messages(to, isRaw)
        await stage.network.until((look) => acks(look) - acks(start) >= to, 'the acks are pushed')
      }
      await send(0, 20)
      // Nothing tells that a client will not send again. It would after 1.5 times the delays and 1.5 s: twice that has to do.
      await new Promise((resolve) => setTimeout(resolve, 4_000))
      await send(20, 40)
      assert.equal(sent(await stage.network.look()) - sent(start), 40)
    })

    describe('with a Starling client', () => {
      let page: OfficialPage
      let pageAddress: string
      let starling: MixnetConnection
      const received: ReceivedMessage[] = []

      const receives = (count: number, fits: (message: ReceivedMessage) => boolean) =>
        until(() => received.filter(fits).length >= count, `${count} messages to Starling`)

      before(async () => {
        starling = await connect({
          directory: stage.network.directoryUrl,
          connectTimeout: DEADLINE_MS,
          onMessage: (message) => received.push(message),
        })
        page = await stage.open(folder)
        pageAddress = await connected(page)
      })

      after(async () => {
        await page.close()
        await starling.close()
      })

      it('writes to it', async () => {
        await page.call('sendText', formatRecipient(starling.address), TEXT)
        await receives(1, () => true)
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
        await receives(before + 1, () => true)
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
        await receives(MANY, isEcho)
        const expected = (prefix: string) =>
          numbers(MANY)
            .map((message) => `${prefix}${message}`)
            .sort()
        assert.deepEqual(events.map(({ payload }) => Buffer.from(payload, 'base64').toString()).sort(), expected(mark))
        assert.deepEqual(received.filter(isEcho).map(textOf).sort(), expected(echo))
      })
    })
  })
}
