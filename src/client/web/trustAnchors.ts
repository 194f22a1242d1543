/** Which authorities are trusted: those a caller names, or the list that Node comes with, loaded when first asked for. @module */
import { fromBase64 } from '../../foundation/base/base58.ts'
import { isMixnetError, MixnetError, tryDecode } from '../../foundation/base/errors.ts'
import { Reader } from '../../foundation/base/reader.ts'
import { millis } from '../../foundation/base/units.ts'
import type { TrustAnchor } from './serverTrust.ts'
import { parseCertificate } from './x509.ts'

const PEM = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----/g

/** Of PEM certificates, with anything between them. Throws BAD_ARGUMENT where there is none, or one that cannot be read. */
export function anchorsOf(pem: string): readonly TrustAnchor[] {
  const anchors = [...pem.matchAll(PEM)].map(([, text = '']) => tryDecode(() => anchorOf(text)))
  const unreadable = anchors.find((anchor) => isMixnetError(anchor))
  if (unreadable !== undefined || anchors.length === 0) {
    throw new MixnetError('BAD_ARGUMENT', { argument: 'ca' }, { cause: unreadable })
  }
  return anchors.filter((anchor): anchor is TrustAnchor => !isMixnetError(anchor))
}

function anchorOf(base64: string): TrustAnchor {
  const certificate = parseCertificate(fromBase64(base64.replace(/\s/g, ''), 'certificate'))
  const { subject, publicKey, notAfter } = certificate
  return { subject, publicKey, notAfter, certificate }
}

let defaults: Promise<readonly TrustAnchor[]> | undefined

/** A chunk of its own in a bundle: a page that asks for no https never loads it. */
export function defaultAnchors(): Promise<readonly TrustAnchor[]> {
  defaults ??= import('./rootCertificates.generated.ts').then(
    ({ ROOT_CERTIFICATES }) => parseAnchors(fromBase64(ROOT_CERTIFICATES, 'root certificates')),
    (error: unknown) => {
      // The page was offline: the next request asks again.
      defaults = undefined
      throw error
    },
  )
  return defaults
}

/** As scripts/make-roots.mjs writes them: (seconds u64 ‖ length u16 ‖ subject ‖ length u16 ‖ key)… Throws MALFORMED. */
export function parseAnchors(packed: Uint8Array): readonly TrustAnchor[] {
  const reader = new Reader(packed, 'root certificates')
  const anchors: TrustAnchor[] = []
  while (reader.remaining > 0) {
    const notAfter = millis(Number(reader.u64('until')) * 1000)
    const subject = reader.bytes(reader.u16('subject'), 'subject')
    const publicKey = reader.bytes(reader.u16('key'), 'key')
    anchors.push({ subject, publicKey, notAfter })
  }
  return anchors
}
