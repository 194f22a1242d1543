/** Tickets of a client that is not connected, and what `connect` says of options that cannot be. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { Mixnet } from '../mixnet.ts'
import { describeTickets } from './describeTickets.ts'
import { IssuingNetwork } from './issuers.test.ts'
import { openTickets } from './openTickets.ts'

describe('tickets without a connection', () => {
  it('are bought in a folder that is locked meanwhile, and are there the next time', async () => {
    const network = await IssuingNetwork.start()
    const { sim } = network
    const world = sim.host('client', { ips: ['10.9.0.1'] })
    let closed = 0
    const engine = async () => Object.assign(Object.create(network.engine), { close: async () => void closed++ })
    const options = {
      ...{ folder: '/client', directories: [network.directory], tickets: { buy: 'never' } as const },
      engine: async () => {
        const made = await engine()
        // Private fields are the original's.
        for (const name of ['userKey', 'requestBook', 'openBook', 'spend', 'aggregateKeys', 'listHolds'] as const) {
          made[name] = network.engine[name].bind(network.engine)
        }
        return made
      },
    }
    const one = await sim.complete(openTickets(world, options))
    await sim.complete(one.wallet.buyBook())
    await assert.rejects(sim.complete(openTickets(world, options)), (error) => isMixnetError(error, 'LOCKED'))
    await sim.complete(one.close())
    assert.equal(closed, 1)
    const two = await sim.complete(openTickets(world, options))
    assert.equal(two.wallet.books()[0]?.left, 50)
    await sim.complete(two.close())
    await assert.rejects(sim.complete(two.wallet.buyBook()), (error) => isMixnetError(error, 'STOPPED'))
  })

  it('are refused by name where they cannot be', async () => {
    const network = await IssuingNetwork.start()
    const world = network.sim.host('client', { ips: ['10.9.0.1'] })
    const good = { folder: '/client', directories: [network.directory] }
    const wrong = [
      { ...good, directories: [], tickets: { buy: 'never' } },
      { ...good, tickets: { buy: 'sometimes' } },
      { ...good, tickets: { buy: 'never', allways: true } },
      { ...good, tickets: { buy: 'never', always: 'yes' } },
      { ...good, tickets: 'faucet' },
    ]
    for (const options of wrong) {
      await assert.rejects(network.sim.complete(Mixnet.connect(world, options as never)), (error) =>
        isMixnetError(error, 'BAD_ARGUMENT'),
      )
    }
    const nowhere = { ...good, folder: undefined, tickets: { buy: 'never' } } as const
    await assert.rejects(network.sim.complete(openTickets(world, nowhere)), (error) =>
      isMixnetError(error, 'BAD_ARGUMENT'),
    )
  })
})

describe('tickets in words', () => {
  const book = { id: 'a', ticketType: 0, epochId: 1n }

  it('are counted, weighed and dated', () => {
    const december = 1_796_256_000
    const one = { ...book, left: 37, expiration: december }
    assert.equal(
      describeTickets([one], 75_000_000).text,
      '37 of 50 tickets left, 7.4 GB, good until 3 December; a new book costs 75 NYM',
    )
    assert.equal(
      describeTickets([
        { ...one, left: 3 },
        { ...one, left: 50, expiration: december + 5 * 86_400 },
      ]).text,
      '53 of 100 tickets left, 10.6 GB: 3 until 3 December and 50 until 8 December',
    )
    assert.equal(describeTickets([{ ...one, left: 3 }]).text, '3 of 50 tickets left, 600 MB, good until 3 December')
    assert.equal(
      describeTickets([], 1_500_000).text,
      'no tickets left: a book has 50 and is good for 7 days; a new book costs 1.5 NYM',
    )
    const leapDay = 1_835_395_200
    assert.match(describeTickets([{ ...one, expiration: leapDay }]).text, /until 29 February$/)
  })
})
