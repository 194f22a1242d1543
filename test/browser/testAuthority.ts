/**
 * The official mix-fetch brings its own list of certificate authorities, and nobody who has a key of one of them lends it to a
 * test. So one of the list is overwritten with our certificate, in place: no length, no address and no instruction changes. @module
 */
import { readFile } from 'node:fs/promises'

const CERTIFICATE = new URL('../fixtures/tls/certificate.pem', import.meta.url)
const BEGIN = '-----BEGIN CERTIFICATE-----'
const END = '-----END CERTIFICATE-----'
const LINE_FEED = 0x0a

export async function withTestAuthority(wasm: Uint8Array): Promise<Uint8Array> {
  const certificate = await readFile(CERTIFICATE)
  const changed = Buffer.from(wasm)
  for (let start = changed.indexOf(BEGIN); start >= 0; start = changed.indexOf(BEGIN, start + 1)) {
    const end = changed.indexOf(END, start) + END.length
    if (end - start < certificate.length) continue
    // Between two certificates of the list, empty lines are skipped.
    changed.fill(LINE_FEED, start, end)
    certificate.copy(changed, start)
    return changed
  }
  throw new Error('go_conn.wasm holds no list of certificates any more')
}
