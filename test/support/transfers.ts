/** Files of the demo site, through a proxy, compared by their SHA-256. @module */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { httpThrough } from './socks.ts'
import type { Address } from './starling.ts'

export const SITE = 'http://demo.starling'

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** What the site serves under /bytes: byte i is i modulo 251. */
const expected = (count: number): Uint8Array => Uint8Array.from({ length: count }, (_, i) => i % 251)

export async function assertDownload(proxy: Address, count: number): Promise<void> {
  const { status, body } = await httpThrough(proxy, `${SITE}/bytes/${count}`)
  assert.equal(status, 200)
  assert.equal(body.length, count)
  assert.equal(sha256(body), sha256(expected(count)))
}

export async function assertUpload(proxy: Address, count: number): Promise<void> {
  const content = randomBytes(count)
  const { status, body } = await httpThrough(proxy, `${SITE}/upload`, { method: 'POST', body: content })
  assert.equal(status, 200)
  assert.deepEqual(JSON.parse(body.toString()), { bytes: count, sha256: sha256(content) })
}
