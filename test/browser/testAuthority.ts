/**
 * The official mix-fetch brings its own list of certificate authorities, and nobody who has a key of one of them lends it to a
 * test. So one of the list is overwritten with ours, in place: no length, no address and no instruction changes. Version 1 holds
 * certificates, version 2 only names and keys. Our drop-in brings a list of its own, and there one is added. @module
 */
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { parseCertificate } from '../../src/client/web/x509.ts'
import { concat } from '../../src/foundation/base/bytes.ts'
import { Writer } from '../../src/foundation/base/writer.ts'

const FIXTURES = new URL('../fixtures/tls/', import.meta.url)
const CERTIFICATE = new URL('certificate.pem', FIXTURES)
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

/** Prefix of the files of an authority that is called like one of version 2's list, and of the site that it vouches for. */
export const COMPILED_IN = 'compiled-in-'
const UNCOMPRESSED_POINT_BYTES = 64

/** mix-tunnel's script: it holds that of a worker, which holds the WebAssembly, each as base64. */
export async function withTestRoot(script: Uint8Array): Promise<Uint8Array> {
  const { raw } = new X509Certificate(await readFile(new URL(`${COMPILED_IN}authority.pem`, FIXTURES)))
  const { subject, publicKey } = parseCertificate(raw)
  const anchor = Buffer.concat([contentsOf(subject), contentsOf(publicKey)])
  const withKey = (wasm: Buffer): Buffer => {
    const start = wasm.indexOf(anchor.subarray(0, -UNCOMPRESSED_POINT_BYTES))
    if (start < 0) throw new Error('mix-tunnel holds no such authority any more')
    anchor.copy(wasm, start)
    return wasm
  }
  const inWorker = (worker: Buffer): Buffer =>
    Buffer.from(withChanged(worker.toString('latin1'), "_loadWasmModule(0, null, '", withKey), 'latin1')
  return Buffer.from(withChanged(Buffer.from(script).toString(), "createBase64WorkerFactory('", inWorker))
}

/** What stands behind `before`, as base64 in quotes, is changed. */
function withChanged(script: string, before: string, change: (bytes: Buffer) => Buffer): string {
  const [head, rest, ...more] = script.split(before)
  if (head === undefined || rest === undefined || more.length > 0) throw new Error(`not once in the script: ${before}`)
  const end = rest.indexOf("'")
  return `${head}${before}${change(Buffer.from(rest.slice(0, end), 'base64')).toString('base64')}${rest.slice(end)}`
}

/** A list of less than 128 bytes, as DER has it, without tag and length. */
const contentsOf = (der: Uint8Array): Uint8Array => der.subarray(2)

/** What stands in our bundle's list for one more authority: see `parseAnchors`. */
export async function withTestAnchor(list: string): Promise<string> {
  const { raw } = new X509Certificate(await readFile(CERTIFICATE))
  const { subject, publicKey, notAfter } = parseCertificate(raw)
  const counted = (bytes: Uint8Array) => concat(new Writer(2).u16(bytes.length).finish(), bytes)
  const until = new Writer(8).u64(BigInt(notAfter) / 1000n).finish()
  const anchor = concat(until, counted(subject), counted(publicKey))
  return Buffer.concat([Buffer.from(list, 'base64'), anchor]).toString('base64')
}
