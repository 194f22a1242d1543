/** What applications are offered, over a whole simulated network with the real cryptography. @module */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Mixnet } from '../src/client/mixnet.ts'
import { fromUtf8, utf8 } from '../src/foundation/base/bytes.ts'
import { isMixnetError } from '../src/foundation/base/errors.ts'
import { millis } from '../src/foundation/base/units.ts'
import { formatRecipient } from '../src/protocol/packet/recipient.ts'
import { HostileNetwork, SITE, SITE_PORT } from './hostile/simulatedNetwork.ts'

describe('the SDK', { timeout: 120_000 }, () => {
  let network: HostileNetwork
  let alice: Mixnet
  let bob: Mixnet

  before(async () => {
    network = await HostileNetwork.start()
    alice = await network.client({ folder: 'alice' })
    bob = await network.client({ folder: 'bob' })
  })
  after(async () => {
    await network.complete(Promise.all([alice.close(), bob.close()]))
    await network.stop()
  })

  const taken = async (mixnet: Mixnet, count: number) => {
    const messages: { data: Uint8Array; sender?: string }[] = []
    for await (const message of mixnet.messages()) {
      messages.push(message)
      if (messages.length === count) break
    }
    return messages
  }

  it('sends messages to an address, answers to a pseudonym, none lost, none twice', async () => {
    const count = 50
    const conversation = async () => {
      const address = formatRecipient(bob.address)
      for (let i = 0; i < count; i++) await alice.send(address, `question ${i}`)
      for (const { data, sender } of await taken(bob, count))
        await bob.reply(sender as string, `${fromUtf8(data, 'data')}!`)
      return taken(alice, count)
    }
    const answers = await network.complete(conversation())
    const texts = answers.map(({ data }) => fromUtf8(data, 'data')).sort()
    assert.deepEqual(texts, Array.from({ length: count }, (_, i) => `question ${i}!`).sort())
    await network.runFor(millis(30_000))
    assert.equal(alice.meter.snapshot().client_inbox_messages, 0)
    assert.equal(bob.meter.snapshot().client_inbox_messages, 0)
  })

  it('sends without a trace of the sender where that is asked for', async () => {
    await network.complete(alice.send(bob.address, Uint8Array.of(1, 2, 3), { repliable: false }))
    const [message] = await network.complete(taken(bob, 1))
    assert.deepEqual(message, { data: Uint8Array.of(1, 2, 3) })
  })

  it('says what is wrong with an address, a stranger to answer, a client that was closed', async () => {
    const refused = (code: string) => (error: unknown) => isMixnetError(error) && error.code === code
    await assert.rejects(network.complete(alice.send('nobody@nowhere', 'x')), refused('MALFORMED'))
    await assert.rejects(network.complete(alice.reply('nobody', 'x')), refused('NO_REPLY_BLOCKS'))
    const carol = await network.client({ folder: 'carol' })
    const listening = taken(carol, 1)
    await network.complete(carol.close())
    assert.deepEqual(await listening, [])
    await assert.rejects(network.complete(carol.send(bob.address, 'x')), refused('STOPPED'))
    await assert.rejects(network.complete(carol.open({ host: SITE, port: SITE_PORT })), refused('STOPPED'))
  })

  it('opens connections through the exit: streams both ways, half-closed, ended by either side', async () => {
    const exchange = async () => {
      const socket = await alice.open({ host: SITE, port: SITE_PORT })
      const text = `${'through the mix '.repeat(1000)}\n`
      const writer = socket.writable.getWriter()
      await writer.write(utf8(text))
      await writer.close()
      let heard = ''
      for await (const chunk of socket.readable) {
        heard += new TextDecoder().decode(chunk)
        if (heard.length >= text.length) break
      }
      assert.equal(heard, text)
      return socket.closed
    }
    await network.complete(exchange())
    assert.equal(alice.connections.count, 0)
  })

  it('says why a connection cannot be', async () => {
    const open = (host: string, port: number) => network.complete(alice.open({ host, port }))
    await assert.rejects(open('nowhere.example', 80), (error) => isMixnetError(error, 'HOST_UNKNOWN'))
    await assert.rejects(open(SITE, 81), (error) => isMixnetError(error, 'DESTINATION_UNREACHABLE'))
    const aborted = alice.open({ host: SITE, port: SITE_PORT }, { signal: AbortSignal.abort() })
    await assert.rejects(network.complete(aborted), (error) => isMixnetError(error, 'ABORTED'))
    const late = alice.open({ host: SITE, port: SITE_PORT }, { timeout: millis(1) })
    await assert.rejects(network.complete(late), (error) => isMixnetError(error, 'TIMEOUT'))
    await network.runFor(millis(2_000))
    assert.equal(alice.connections.count, 0)
  })
})
