import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { rootCertificates } from 'node:tls'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { millis } from '../../foundation/base/units.ts'
import {
  CLIENT_AUTH,
  ecKeys,
  type Keys,
  type Made,
  made,
  rsaKeys,
  SERVER_AUTH,
  type Wanted,
} from './madeCertificates.test.ts'
import { trustedCertificate } from './serverTrust.ts'
import { anchorsOf, defaultAnchors } from './trustAnchors.ts'
import { fixture } from './webSupport.test.ts'
import { parseCertificate } from './x509.ts'

const NOW = millis(Date.UTC(2026, 11, 1))
const HOST = 'demo.starling'
const root = made({ name: 'root', authority: true })
const leafOf = (by: Made, wanted: Partial<Wanted> = {}): Made => made({ name: 'leaf', by, dns: [HOST], ...wanted })
const between = (by: Made, wanted: Partial<Wanted> = {}): Made =>
  made({ name: 'between', by, authority: true, ...wanted })

interface Asked {
  readonly host?: string
  readonly now?: number
  readonly anchors?: string
}

const ask = (chain: readonly Made[], { host = HOST, now = NOW, anchors = root.pem }: Asked = {}) =>
  trustedCertificate({
    certificates: chain.map((one) => one.der),
    anchors: anchorsOf(anchors),
    host,
    now: millis(now),
  })

async function refused(why: string, chain: readonly Made[], asked: Asked = {}): Promise<void> {
  await assert.rejects(ask(chain, asked), (error) => {
    assert.ok(isMixnetError(error, 'TLS_FAILED'), String(error))
    assert.equal(error.details.why, why)
    return true
  })
}

const UNKNOWN = 'certificate: of no authority that is trusted'

describe('paths', () => {
  test('straight from an authority, and through others, in any order', async () => {
    const leaf = leafOf(root)
    assert.deepEqual((await ask([leaf])).raw, leaf.der)
    const first = between(root)
    const second = between(first, { name: 'second', maxPathLength: 0 })
    await ask([leafOf(second), second, first])
    await ask([leafOf(second), first, root, second])
  })

  test('an authority that nobody trusts, and a key that only bears its name', async () => {
    await refused(UNKNOWN, [leafOf(made({ name: 'another', authority: true }))])
    await refused(UNKNOWN, [leafOf(made({ name: 'root', authority: true }))])
    await refused(UNKNOWN, [made({ name: 'alone', dns: [HOST] })])
    await refused(UNKNOWN, [leafOf(between(root))])
  })

  test('who has a certificate for one host signs none for another', async () => {
    const mine = leafOf(root, { name: 'mine', dns: ['mine.example'] })
    await refused(UNKNOWN, [leafOf(mine), mine])
    await refused(UNKNOWN, [leafOf(mine), mine, root])
    const unsigning = between(root, { keyUsage: 0x80 })
    await refused(UNKNOWN, [leafOf(unsigning), unsigning])
    const forClients = between(root, { usages: [CLIENT_AUTH] })
    await refused(UNKNOWN, [leafOf(forClients), forClients])
  })

  test('limits of length, names and what nobody understands', async () => {
    const short = between(root, { maxPathLength: 0 })
    const below = between(short, { name: 'below' })
    await ask([leafOf(short), short])
    await refused(UNKNOWN, [leafOf(below), below, short])
    for (const [limits, good] of [
      [{ permitted: ['starling'] }, true],
      [{ permitted: ['.starling'] }, true],
      [{ permitted: ['example'] }, false],
      [{ permitted: ['arling'] }, false],
      [{ excluded: ['starling'] }, false],
      [{ excluded: ['example'] }, true],
      [{ unknownCritical: true }, false],
    ] as const) {
      const limited = between(root, limits)
      const chain = [leafOf(limited), limited]
      if (good) await ask(chain)
      else await refused(UNKNOWN, chain)
    }
    const starred = between(root, { excluded: ['demo.star.ling'] })
    await refused(UNKNOWN, [leafOf(starred, { dns: ['*.star.ling'] }), starred], { host: 'demo.star.ling' })
    const own = made({ name: 'own', authority: true, permitted: ['example'] })
    await refused(UNKNOWN, [leafOf(own)], { anchors: own.pem })
  })

  test('many certificates of one name do not keep us busy', async () => {
    const keys = ecKeys()
    const same = made({ name: 'same', keys, authority: true })
    const ring = Array.from({ length: 9 }, () => made({ name: 'same', keys, by: same, authority: true }))
    await refused('certificate: too many certificates', [leafOf(same), ...ring])
    await refused(
      'certificate: too many certificates',
      Array.from({ length: 11 }, () => leafOf(root)),
    )
  })

  test('a loop of authorities ends', async () => {
    const keys = ecKeys()
    const a = made({ name: 'a', keys, authority: true })
    const b = made({ name: 'b', by: a, authority: true })
    const back = made({ name: 'a', keys, by: b, authority: true })
    await refused(UNKNOWN, [leafOf(b), b, back])
  })
})

describe('the certificate itself', () => {
  test('its time, and that of those above', async () => {
    await refused('certificate: expired', [leafOf(root, { until: '260101000000' })])
    await refused('certificate: not yet valid', [leafOf(root, { from: '270101000000' })])
    const old = between(root, { until: '260101000000' })
    await refused(UNKNOWN, [leafOf(old), old])
    const past = made({ name: 'past', authority: true, until: '260101000000' })
    await refused(UNKNOWN, [leafOf(past)], { anchors: past.pem })
    const { notBefore, notAfter } = parseCertificate(leafOf(root, { from: '200229235959', until: '491231000000' }).der)
    assert.deepEqual([notBefore, notAfter], [Date.UTC(2020, 1, 29, 23, 59, 59), Date.UTC(2049, 11, 31)])
  })

  test('its names', async () => {
    for (const [dns, host, good] of [
      ['demo.starling', 'DEMO.Starling.', true],
      ['demo.starling', 'other.starling', false],
      ['demo.starling', 'a.demo.starling', false],
      ['*.demo.starling', 'a.demo.starling', true],
      ['*.demo.starling', 'demo.starling', false],
      ['*.demo.starling', 'a.b.demo.starling', false],
      ['*.starling', 'demo.starling', false],
      ['a*.demo.starling', 'ab.demo.starling', false],
      ['demo.*.starling', 'demo.x.starling', false],
      ['*', 'starling', false],
      ['', 'demo.starling', false],
      ['127.0.0.1', '127.0.0.1', false],
    ] as const) {
      const chain = [leafOf(root, { dns: [dns] })]
      if (good) await ask(chain, { host })
      else await refused('certificate: for another name', chain, { host })
    }
    await refused('certificate: for another name', [leafOf(root, { name: HOST, dns: [] })])
    const addressed = [leafOf(root, { dns: [], ip: ['127.0.0.1', '::1'] })]
    await ask(addressed, { host: '127.0.0.1' })
    await ask(addressed, { host: '::1' })
    await refused('certificate: for another name', addressed, { host: '127.0.0.2' })
  })

  test('its uses', async () => {
    await ask([leafOf(root, { usages: [SERVER_AUTH], keyUsage: 0x80 })])
    await refused('certificate: not for servers', [leafOf(root, { usages: [CLIENT_AUTH] })])
    await refused('certificate: not for signatures', [leafOf(root, { keyUsage: 0x20 })])
    await refused('certificate: critical extension', [leafOf(root, { unknownCritical: true })])
  })

  test('keys and hashes: what browsers take', async () => {
    const kinds: readonly [Keys, Wanted['hash'], boolean][] = [
      [ecKeys('P-256'), 'sha256', true],
      [ecKeys('P-384'), 'sha384', true],
      [ecKeys('P-521'), 'sha512', true],
      [ecKeys('P-256'), 'sha1', false],
      [ecKeys('secp256k1'), 'sha256', false],
      [rsaKeys(), 'sha256', true],
      [rsaKeys(), 'sha384', true],
      [rsaKeys(), 'sha1', false],
      [rsaKeys(1024), 'sha256', false],
    ]
    for (const [keys, hash, good] of kinds) {
      const authority = made({ name: 'authority', keys, authority: true })
      const chain = [leafOf(authority, { hash: hash ?? 'sha256' })]
      if (good) await ask(chain, { anchors: authority.pem })
      else await refused(UNKNOWN, chain, { anchors: authority.pem })
    }
  })

  test('P-384 signatures whose numbers happen to be short', async () => {
    const keys = ecKeys('P-384')
    const authority = made({ name: 'authority', keys, authority: true })
    // A number below 2^376 comes once in 256 signatures.
    for (let short = 0, tries = 0; short < 2 && tries < 4000; tries++) {
      const leaf = leafOf(authority, { hash: 'sha384' })
      const { signature } = parseCertificate(leaf.der)
      if (signature.length > 102) continue
      short++
      await ask([leaf], { anchors: authority.pem })
    }
  })

  test('one that is trusted by itself', async () => {
    const certificate = fixture('certificate.pem')
    const [anchor] = anchorsOf(certificate)
    const certificates = [anchor?.certificate?.raw as Uint8Array]
    await trustedCertificate({ certificates, anchors: anchorsOf(certificate), host: HOST, now: NOW })
    const plainLeaf = made({ name: 'plain', dns: [HOST] })
    await ask([plainLeaf], { anchors: plainLeaf.pem })
    await refused(UNKNOWN, [leafOf(plainLeaf), plainLeaf], { anchors: plainLeaf.pem })
  })

  test('an altered one', async () => {
    const leaf = leafOf(root)
    const altered = leaf.der.slice()
    altered[altered.length - 100] = (altered[altered.length - 100] as number) ^ 1
    await assert.rejects(ask([{ ...leaf, der: altered }]), (error) => isMixnetError(error, 'TLS_FAILED'))
    await refused('certificate: no certificate', [])
    await refused('unreadable certificate', [{ ...leaf, der: leaf.der.subarray(1) }])
  })
})

describe('authorities', () => {
  test('of a caller: PEM, and nothing that cannot be read', () => {
    assert.equal(anchorsOf(`# two\n${root.pem}\n${between(root).pem}`).length, 2)
    for (const bad of ['', 'none', root.pem.replace('MII', 'AAA')]) {
      assert.throws(
        () => anchorsOf(bad),
        (error) => isMixnetError(error, 'BAD_ARGUMENT'),
      )
    }
  })

  test("by default: Node's list, each as its name, key and end", async () => {
    const anchors = await defaultAnchors()
    const own = anchorsOf(rootCertificates.join('\n'))
    assert.ok(anchors.length > 100)
    const said = (await import('node:fs')).readFileSync(
      new URL('./rootCertificates.generated.ts', import.meta.url),
      'utf8',
    )
    // Another version of Node comes with another list.
    if (!said.includes(`of Node ${process.version},`)) return
    assert.deepEqual(
      anchors,
      own.map(({ subject, publicKey, notAfter }) => ({ subject, publicKey, notAfter })),
    )
  })
})
