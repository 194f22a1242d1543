/** What must be true of a client at the end of a long life. No tests here. @module */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { type LifeOptions, liveLong } from './longLivedClient.ts'

/** Those of a spare pseudonym, twice: the exit may have been changed. */
const MORE_REPLY_KEYS = 80

export async function assertLivesLong(options: LifeOptions, context: TestContext): Promise<void> {
  const { endings, failures, before, after, virtualMinutes } = await liveLong(options)
  const story = `${JSON.stringify({ ...options, endings, before, after, virtualMinutes })}`
  context.diagnostic(story)
  assert.deepEqual(failures, [], story)
  assert.equal(
    Object.values(endings).reduce((sum, count) => sum + count, 0),
    options.requests,
  )
  assert.ok((endings.answered ?? 0) > options.requests / 2, story)
  for (const code of ['TIMEOUT', 'CONNECTION_CLOSED', 'HOST_UNKNOWN']) assert.ok((endings[code] ?? 0) > 0, story)
  for (const name of Object.keys(before)) {
    const most = (before[name] ?? 0) + (name === 'client_reply_keys' ? MORE_REPLY_KEYS : 0)
    assert.ok((after[name] ?? 0) <= most, `${name}: ${story}`)
  }
}
