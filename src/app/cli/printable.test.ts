import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MixnetError } from '../../foundation/base/errors.ts'
import { logText } from './logText.ts'
import { Screen } from './screen.ts'

/** A red word, a bell, a title, an 8-bit escape, a line turned around, and the line before overwritten. */
const HOSTILE = 'Not\u001b[31mFound\u0007 \u001b]0;you\u0007 \u009b2J \u202egnorw\r\u001b[1Afetched'
const DANGEROUS = /(?!\n)[\p{Cc}\p{Cf}]/u

describe('what is shown on a terminal', () => {
  it('has no control characters that others chose, whichever way it comes', () => {
    let shown = ''
    const write = (text: string) => {
      shown += text
    }
    const screen = new Screen({ json: false, verbose: true, write, writeProblem: write, colour: false, live: false })
    screen.step('fetched', `the site answered 404 ${HOSTILE}`)
    screen.problem('fetch', new MixnetError('TOPOLOGY_UNAVAILABLE', { why: HOSTILE }))
    screen.problem('fetch', new Error(HOSTILE))
    assert.equal(shown.split('Found').length > 4, true, 'and yet it is told')
    assert.doesNotMatch(shown, DANGEROUS)
  })

  it('nor do logs for people', () => {
    const line = JSON.stringify({ level: 40, time: '2024-01-01T12:00:07Z', name: 'knot', event: 'x', problem: HOSTILE })
    for (const text of [line, HOSTILE]) {
      const shown = logText(text, false)
      assert.match(shown, /Found/)
      assert.doesNotMatch(shown, DANGEROUS)
    }
  })
})
