import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Screen } from './screen.ts'

function written(json: boolean, show: (screen: Screen) => void): string {
  let all = ''
  const write = (text: string) => (all += text)
  show(new Screen({ json, verbose: false, write, writeProblem: write, colour: false, live: false }))
  return all
}

test('of an event for scripts people see nothing, not an empty line either', () => {
  const show = (screen: Screen) => screen.event({ event: 'earned', tickets: 1 })
  assert.equal(written(false, show), '')
  assert.equal(written(true, show), '{"event":"earned","tickets":1}\n')
})
