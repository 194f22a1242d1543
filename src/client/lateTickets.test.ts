/** What is loaded and asked when: with a wallet that only counts. Whole networks are in test/lateTickets.test.ts. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { MixnetError } from '../foundation/base/errors.ts'
import { Secret } from '../foundation/base/secret.ts'
import { seconds } from '../foundation/base/units.ts'
import { nodeProvider } from '../foundation/crypto/nodeProvider.ts'
import { HandClock, turn } from '../foundation/platform/handClock.ts'
import { nodeWorld } from '../foundation/platform/node/nodeWorld.ts'
import type { ControlResponse } from '../protocol/wire/gateway/control.ts'
import { ONLY_CREDENTIALS_TEXT } from '../protocol/wire/gateway/errorTexts.ts'
import type { GatewayFailure } from './gatewayRefusals.ts'
import { type LateWallet, lateTickets, type WalletOpener } from './lateTickets.ts'

const REFUSAL: ControlResponse = { type: 'error', message: `sorry: ${ONLY_CREDENTIALS_TEXT}` }
const KEY = new Secret(new Uint8Array(32))
const GATEWAY = new Uint8Array(32)

/** A late wallet, one session of it, and what happened, in order. */
async function start({
  load,
  always,
}: {
  load?: (open: WalletOpener<LateWallet>) => Promise<void>
  always?: boolean
} = {}) {
  const happened: string[] = []
  const failures: GatewayFailure[] = []
  const clock = new HandClock()
  const wallet: LateWallet = {
    payment: () => ({
      awaitsTicket: true,
      claim: () => void happened.push('paid'),
      answered: () => {
        happened.push('answered')
        return true
      },
      stop: () => void happened.push('stopped'),
    }),
    sent: (_, bytes) => void happened.push(`sent ${bytes}`),
    close: async () => void happened.push('closed'),
  }
  const opener: WalletOpener<LateWallet> = {
    async open() {
      happened.push('opened')
      return wallet
    },
    discard: async () => void happened.push('discarded'),
  }
  const late = lateTickets(async () => {
    happened.push('loaded')
    await load?.(opener)
    return opener
  }, always)
  const folder = await late.open({ ...nodeWorld(nodeProvider), clock }, {})
  const source = await folder.tickets?.(new Secret(new Uint8Array(32)))
  assert.ok(source)
  const session = () =>
    source.payment({
      gateway: GATEWAY,
      send: ({ type }) => void happened.push(type),
      failed: (failure) => void failures.push(failure),
    })
  return { happened, failures, clock, late, folder, source, session }
}

const FREE = 'claimFreeTestnetBandwidth'

describe('tickets that come late', () => {
  it('are loaded when a gateway refuses, once for all of them', async () => {
    const { happened, late, source, session, folder } = await start()
    const [one, two] = [session(), session()]
    one.claim(KEY)
    source.sent(GATEWAY, 5)
    assert.equal(one.answered({ type: 'error', message: 'something else' }, KEY), false)
    assert.deepEqual([happened, late.wallet()], [[FREE], undefined])
    assert.equal(one.answered(REFUSAL, KEY), true)
    assert.equal(two.answered(REFUSAL, KEY), true)
    assert.equal(one.awaitsTicket, true)
    // Nothing is asked for meanwhile, and an answer that comes again changes nothing.
    one.claim(KEY)
    assert.equal(one.answered(REFUSAL, KEY), true)
    await turn()
    assert.deepEqual(happened.splice(0), [FREE, 'loaded', 'opened', 'answered', 'answered'])
    one.claim(KEY)
    source.sent(GATEWAY, 5)
    one.stop()
    await folder.release()
    assert.deepEqual(happened, ['paid', 'sent 5', 'stopped', 'closed'])
    assert.notEqual(late.wallet(), undefined)
  })

  it('are spent from the first claim on by who always pays', async () => {
    const { happened, session } = await start({ always: true })
    session().claim(KEY)
    await turn()
    assert.deepEqual(happened, ['loaded', 'opened', 'paid'])
  })

  it('are tried again after they could not be loaded, which passes; who cannot pay at all is refused', async () => {
    const ends: (Error | undefined)[] = [new TypeError('offline'), new MixnetError('GATEWAY_REFUSED'), undefined]
    const { happened, failures, session } = await start({
      load: async () => {
        const end = ends.shift()
        if (end !== undefined) throw end
      },
    })
    for (let i = 0; i < 3; i++) {
      session().answered(REFUSAL, KEY)
      await turn()
    }
    assert.deepEqual(
      failures.map(({ error, kind }) => [error.code, kind]),
      [
        ['CONNECTION_CLOSED', 'passing'],
        ['GATEWAY_REFUSED', 'refused'],
      ],
    )
    assert.deepEqual(happened, ['loaded', 'loaded', 'loaded', 'opened', 'answered'])
  })

  it('write nothing when they come after the client was closed, which does not wait for them', async () => {
    const loading = Promise.withResolvers<void>()
    const { happened, failures, session, folder } = await start({ load: () => loading.promise })
    const payment = session()
    payment.answered(REFUSAL, KEY)
    payment.stop()
    await folder.release()
    loading.resolve()
    await turn()
    assert.deepEqual([happened, failures], [['loaded', 'discarded'], []])
  })

  it('fail their session where they do not come in time', async () => {
    const { clock, failures, session } = await start({ load: () => new Promise(() => {}) })
    const payment = session()
    payment.answered(REFUSAL, KEY)
    await turn()
    clock.advance(seconds(60))
    await turn()
    assert.deepEqual([failures[0]?.error.code, payment.awaitsTicket], ['TIMEOUT', false])
  })
})
