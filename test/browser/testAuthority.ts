/**
 * The official mix-fetch brings its own list of certificate authorities, and nobody who has a key of one of them lends it to a
 * test. So one of the list is overwritten with our certificate, in place: no length, no address and no instruction changes. Our
 * drop-in brings a list of its own, and there one is added. @module
 */
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { parseCertificate } from '../../src/client/web/x509.ts'
import { concat } from '../../src/foundation/base/bytes.ts'
import { Writer } from '../../src/foundation/base/writer.ts'

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

/** What stands in our bundle's list for one more authority: see `parseAnchors`. */
export async function withTestAnchor(list: string): Promise<string> {
  const { raw } = new X509Certificate(await readFile(CERTIFICATE))
  const { subject, publicKey, notAfter } = parseCertificate(raw)
  const counted = (bytes: Uint8Array) => concat(new Writer(2).u16(bytes.length).finish(), bytes)
  const until = new Writer(8).u64(BigInt(notAfter) / 1000n).finish()
  const anchor = concat(until, counted(subject), counted(publicKey))
  return Buffer.concat([Buffer.from(list, 'base64'), anchor]).toString('base64')
}
