/** Snapshots over a whole network: test/topologySnapshot.test.ts. @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../foundation/base/bytes.ts'
import { HandClock } from '../../foundation/platform/handClock.ts'
import type { Net } from '../../foundation/platform/net.ts'
import { DirectoryClient } from './directoryClient.ts'
import { takeSnapshot } from './topologySnapshot.ts'

test('a directory that answers no JSON is passed over, and never an error of another kind', async () => {
  const asked = new Set<string>()
  const request: Net['request'] = async ({ url }) => {
    asked.add(new URL(url).host)
    return { status: 200, contentType: 'application/json', body: utf8('<html>') }
  }
  const directory = new DirectoryClient({ request }, { baseUrls: ['http://one.example', 'http://other.example'] })
  await assert.rejects(takeSnapshot(directory, new HandClock()), { code: 'TOPOLOGY_UNAVAILABLE' })
  assert.deepEqual([...asked], ['one.example', 'other.example'])
})
