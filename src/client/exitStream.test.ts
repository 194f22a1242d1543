import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concat, utf8 } from '../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../foundation/base/errors.ts'
import { seconds } from '../foundation/base/units.ts'
import { HandClock, turn } from '../foundation/platform/handClock.ts'
import { PARAMS, pattern, scripted } from './streamSupport.test.ts'

const EMPTY = new Uint8Array(0)
const code = (expected: string) => (error: unknown) => isMixnetError(error) && error.code === expected

describe('opening', () => {
  test('the first message of the exit confirms, even where one before it is missing', async () => {
    const { stream } = scripted(new HandClock())
    stream.receive({ sequence: 1n, closed: false, data: utf8('b') })
    await stream.opened
  })

  test('an empty closing message before any other is a failed connect', async () => {
    const script = scripted(new HandClock())
    script.attach()
    script.stream.receive({ sequence: 0n, closed: true, data: EMPTY })
    await assert.rejects(script.stream.opened, code('DESTINATION_UNREACHABLE'))
    assert.deepEqual(script.events, ['close DESTINATION_UNREACHABLE'])
    assert.equal(script.finished, 'abandoned')
  })

  test('a destination that accepts and hangs up at once is no failed connect, whatever order the messages come in', async () => {
    for (const order of [
      [0n, 1n],
      [1n, 0n],
    ]) {
      const script = scripted(new HandClock())
      script.attach()
      for (const sequence of order) script.stream.receive({ sequence, closed: sequence === 1n, data: EMPTY })
      await script.stream.opened
      assert.deepEqual(script.events, ['end'])
    }
  })

  test('no answer in time', async () => {
    const clock = new HandClock()
    const script = scripted(clock)
    await turn()
    clock.advance(PARAMS.openTimeout)
    await assert.rejects(script.stream.opened, code('EXIT_UNREACHABLE'))
    await turn()
    assert.deepEqual(
      script.sent,
      [{ sequence: 0n, closed: true, data: EMPTY }],
      'the answer may be lost, not the connect',
    )
    assert.equal(clock.pending, 0)
  })

  test('what cannot be sent ends the stream', async () => {
    const script = scripted(new HandClock())
    script.open = false
    script.attach()
    script.stream.fail(new MixnetError('STOPPED'))
    await assert.rejects(script.stream.opened, code('STOPPED'))
    assert.deepEqual(script.events, ['close STOPPED'])
  })
})

describe('sending', () => {
  test('data goes right behind the connect, in messages that fill packets, numbered from 0', async () => {
    const script = scripted(new HandClock())
    const data = pattern(250)
    await script.stream.write(data)
    script.stream.end()
    await turn()
    assert.deepEqual(
      script.sent.map(({ sequence, closed, data: { length } }) => [sequence, closed, length]),
      [
        [0n, false, 100],
        [1n, false, 100],
        [2n, false, 50],
        [3n, true, 0],
      ],
    )
    assert.deepEqual(concat(...script.sent.map((message) => message.data)), data)
  })

  test('a write waits for room; what ends the stream is what it rejects with', async () => {
    const script = scripted(new HandClock())
    script.open = false
    let written = false
    const writing = script.stream.write(pattern(10)).then(() => {
      written = true
    })
    await turn()
    assert.equal(written, false)
    script.open = true
    script.release()
    await writing
    script.open = false
    const refused = script.stream.write(pattern(10))
    script.stream.fail(new MixnetError('EXIT_REFUSED'))
    await assert.rejects(refused, code('EXIT_REFUSED'))
    await assert.rejects(script.stream.write(pattern(1)), code('EXIT_REFUSED'))
  })

  test('a write nobody waits for is no unhandled rejection', async () => {
    const script = scripted(new HandClock())
    script.open = false
    script.stream.write(pattern(10))
    script.stream.destroy()
    script.stream.write(pattern(10)).catch(() => {})
    await turn()
  })

  test('nothing after the end', async () => {
    const script = scripted(new HandClock())
    script.stream.end()
    script.stream.end()
    await assert.rejects(script.stream.write(pattern(1)), code('CONNECTION_CLOSED'))
    await turn()
    assert.equal(script.sent.length, 1)
  })

  test('a quiet stream says that it is still there, until it has ended', async () => {
    const clock = new HandClock()
    const script = scripted(clock)
    script.stream.receive({ sequence: 0n, closed: false, data: EMPTY })
    await script.stream.write(pattern(1))
    clock.advance(seconds(59))
    await turn()
    assert.equal(script.sent.length, 1)
    clock.advance(seconds(1))
    await turn()
    assert.deepEqual(script.sent[1], { sequence: 1n, closed: false, data: EMPTY })
    script.stream.end()
    clock.advance(seconds(120))
    await turn()
    assert.equal(script.sent.length, 3)
  })
})

describe('destroying', () => {
  test('before the connect was queued: the exit never hears of it', async () => {
    const script = scripted(new HandClock(), { open: false })
    script.stream.write(pattern(10))
    await turn()
    script.stream.destroy()
    script.open = true
    await turn()
    assert.equal(script.connected, false)
    assert.deepEqual(script.sent, [])
    await assert.rejects(script.stream.opened, code('ABORTED'))
  })

  test('what was queued stays, what waited does not, and the close follows without a gap', async () => {
    const script = scripted(new HandClock())
    await script.stream.write(pattern(150))
    script.open = false
    script.stream.write(pattern(150))
    await turn()
    script.stream.destroy()
    script.open = true
    await turn()
    assert.deepEqual(
      script.sent.map(({ sequence, closed }) => [sequence, closed]),
      [
        [0n, false],
        [1n, false],
        [2n, true],
      ],
    )
    assert.equal(script.finished, 'kept')
  })

  test('after `end`, the exit is told again: nobody listens either', async () => {
    const script = scripted(new HandClock())
    script.stream.end()
    await turn()
    script.stream.destroy()
    await turn()
    assert.deepEqual(
      script.sent.map(({ sequence, closed }) => [sequence, closed]),
      [
        [0n, true],
        [1n, true],
      ],
    )
  })
})

describe('receiving', () => {
  test('a message that never comes ends the stream, though later ones come', async () => {
    const clock = new HandClock()
    const script = scripted(clock)
    script.attach()
    const keepAlive = (sequence: bigint) => script.stream.receive({ sequence, closed: false, data: new Uint8Array(0) })
    keepAlive(0n)
    for (let minute = 2; minute <= 5; minute++) {
      await clock.advanceSettling(seconds(60))
      keepAlive(BigInt(minute))
    }
    await clock.advanceSettling(seconds(60))
    keepAlive(1n)
    keepAlive(7n)
    await clock.advanceSettling(seconds(150))
    keepAlive(8n)
    await clock.advanceSettling(seconds(149))
    assert.deepEqual(script.events, [])
    await clock.advanceSettling(seconds(1))
    assert.deepEqual(script.events, ['close EXIT_UNREACHABLE'])
    assert.equal(clock.pending, 0)
  })

  test('data that came before the end is delivered whatever ends first', () => {
    const script = scripted(new HandClock())
    script.stream.receive({ sequence: 0n, closed: true, data: utf8('all') })
    script.stream.end()
    assert.equal(script.finished, undefined)
    script.attach()
    assert.deepEqual(script.events, ['data', 'end', 'close'])
    assert.equal(script.finished, 'kept')
  })

  test('paused: held, and end waits; resumed: delivered', () => {
    const script = scripted(new HandClock())
    script.attach()
    script.stream.pause()
    script.stream.receive({ sequence: 0n, closed: true, data: utf8('all') })
    assert.deepEqual(script.events, [])
    script.stream.resume()
    assert.deepEqual(script.events, ['data', 'end'])
    script.stream.end()
    assert.deepEqual(script.events, ['data', 'end', 'close'])
  })

  // What a web stream does whose reader waits: it asks for more before it has all of the chunk it is being given.
  test('a reader that resumes inside is given the next chunk, and the end, only when it is done with this one', () => {
    const { stream } = scripted(new HandClock())
    const events: string[] = []
    stream.attach({
      data: () => {
        events.push('data')
        stream.resume()
        events.push('taken')
      },
      end: () => events.push('end'),
      close: () => {},
    })
    stream.receive({ sequence: 1n, closed: true, data: utf8('b') })
    stream.receive({ sequence: 0n, closed: false, data: utf8('a') })
    assert.deepEqual(events, ['data', 'taken', 'data', 'taken', 'end'])
  })

  test('a reader that never takes anything ends the stream at the bound, and the exit is told', async () => {
    const script = scripted(new HandClock(), { params: { ...PARAMS, maxPausedBytes: 10_000 } })
    script.attach()
    script.stream.pause()
    await turn()
    for (let sequence = 0n; sequence < 5n; sequence++) {
      script.stream.receive({ sequence, closed: false, data: pattern(2500) })
    }
    assert.deepEqual(script.events, ['close QUEUE_FULL'])
    assert.equal(script.memory.bytes, 0)
    await turn()
    assert.equal(script.sent.at(-1)?.closed, true)
  })

  test('all streams together are bounded, by what small pieces really cost', () => {
    const memory = { bytes: 0, limit: 10_000 }
    const [first, second] = [scripted(new HandClock(), { memory }), scripted(new HandClock(), { memory })]
    first.stream.receive({ sequence: 0n, closed: false, data: pattern(8000) })
    second.stream.receive({ sequence: 0n, closed: false, data: pattern(1) })
    assert.equal(second.finished, 'kept')
    assert.equal(first.finished, undefined)
    assert.equal(memory.bytes, 8000)
    first.stream.destroy()
    assert.equal(memory.bytes, 0)
  })

  test('a message far out of bounds ends the stream', () => {
    const script = scripted(new HandClock())
    script.attach()
    script.stream.receive({ sequence: 5000n, closed: false, data: utf8('x') })
    assert.deepEqual(script.events, ['close EXIT_UNREACHABLE'])
  })

  test('silence of the exit ends the stream; any message of it, even out of order, counts as a sign of life', () => {
    const clock = new HandClock()
    const script = scripted(clock)
    script.attach()
    for (let sequence = 2n; sequence < 5n; sequence++) {
      clock.advance(seconds(29))
      script.stream.receive({ sequence, closed: false, data: EMPTY })
    }
    for (const sequence of [0n, 1n]) script.stream.receive({ sequence, closed: false, data: EMPTY })
    clock.advance(seconds(299))
    assert.deepEqual(script.events, [])
    clock.advance(seconds(1))
    assert.deepEqual(script.events, ['close TIMEOUT'])
    assert.equal(clock.pending, 0)
  })

  test('an exit that has ended is silent with good reason while we still send', async () => {
    const clock = new HandClock()
    const script = scripted(clock)
    script.attach()
    script.stream.receive({ sequence: 0n, closed: true, data: utf8('x') })
    for (let i = 0; i < 5; i++) {
      clock.advance(seconds(200))
      await script.stream.write(pattern(1))
    }
    assert.deepEqual(script.events, ['data', 'end'])
  })

  test('handlers may do anything from inside', () => {
    for (const act of ['end', 'destroy', 'pause', 'resume'] as const) {
      const { stream } = scripted(new HandClock())
      const events: string[] = []
      stream.attach({
        data: () => {
          events.push('data')
          stream[act]()
        },
        end: () => {
          events.push('end')
          stream.end()
        },
        close: () => events.push('close'),
      })
      stream.receive({ sequence: 1n, closed: true, data: utf8('b') })
      stream.receive({ sequence: 0n, closed: false, data: utf8('a') })
      stream.resume()
      const expected = act === 'destroy' ? ['data', 'close'] : ['data', 'data', 'end', 'close']
      assert.deepEqual(events, expected, act)
    }
  })
})
