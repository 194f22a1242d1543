import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AheadStock } from './aheadStock.ts'

const PARAMS = { first: 2, most: 8, kinds: 2, atOnce: 2 }

/** Makes numbers when told to. */
function maker() {
  const waiting: (() => void)[] = []
  let made = 0
  return {
    make: (): Promise<number> =>
      new Promise((resolve) => {
        const number = made++
        waiting.push(() => resolve(number))
      }),
    /** Lets what has begun be finished, and what that begins, and so on. */
    async finish(): Promise<void> {
      while (waiting.length > 0) {
        for (const done of waiting.splice(0)) done()
        await new Promise((resolve) => setImmediate(resolve))
      }
    },
    get begun(): number {
      return made
    },
  }
}

describe('a stock made ahead', () => {
  it('has nothing the first time, then what was made, oldest first, and replaces what is taken', async () => {
    const stock = new AheadStock<number>(PARAMS)
    const { make, finish } = maker()
    assert.equal(stock.take('a', make), undefined)
    await finish()
    assert.deepEqual([stock.take('a', make), stock.take('a', make)], [0, 1])
    await finish()
    assert.deepEqual([stock.take('a', make), stock.take('a', make)], [2, 3])
  })

  it('keeps more of what was wanted while none was there, up to the most', async () => {
    const stock = new AheadStock<number>(PARAMS)
    const { make, finish } = maker()
    for (let i = 0; i < 20; i++) assert.equal(stock.take('a', make), undefined)
    await finish()
    const taken = Array.from({ length: 12 }, () => stock.take('a', make))
    assert.equal(taken.filter((item) => item !== undefined).length, PARAMS.most)
  })

  it('begins no more at once than it may', () => {
    const stock = new AheadStock<number>(PARAMS)
    const source = maker()
    for (let i = 0; i < 20; i++) stock.take('a', source.make)
    assert.equal(source.begun, PARAMS.atOnce)
  })

  it('forgets the kind that was used longest ago', async () => {
    const stock = new AheadStock<number>(PARAMS)
    const { make, finish } = maker()
    for (const kind of ['a', 'b', 'a', 'c']) stock.take(kind, make)
    await finish()
    assert.notEqual(stock.take('a', make), undefined)
    assert.equal(stock.take('b', make), undefined)
  })

  it('hands out nothing from before it was cleared, finished or not', async () => {
    const stock = new AheadStock<number>(PARAMS)
    const { make, finish } = maker()
    stock.take('a', make)
    await finish()
    stock.take('a', make)
    stock.clear()
    await finish()
    assert.equal(stock.take('a', make), undefined)
  })

  it('lives on where nothing can be made, or making fails', async () => {
    const stock = new AheadStock<number>(PARAMS)
    assert.equal(
      stock.take('a', () => undefined),
      undefined,
    )
    assert.equal(
      stock.take('a', () => Promise.reject(new Error('no'))),
      undefined,
    )
    await new Promise((resolve) => setImmediate(resolve))
    const { make, finish } = maker()
    assert.equal(stock.take('a', make), undefined)
    await finish()
    assert.equal(stock.take('a', make), 0)
  })
})

describe('a stock that expects to be asked', () => {
  it('has as many as were expected, at once, and never more than it may', async () => {
    const stock = new AheadStock<number>(PARAMS)
    const { make, finish } = maker()
    stock.expect('a', 5, make)
    await finish()
    assert.deepEqual(
      Array.from({ length: 5 }, () => stock.take('a', make)),
      [0, 1, 2, 3, 4],
    )
    const full = maker()
    stock.expect('b', 100, full.make)
    await full.finish()
    assert.equal(full.begun, PARAMS.most)
  })
})
