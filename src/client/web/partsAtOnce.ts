/** `LateParts` without anything late: for service workers, where `import()` is refused. @module */
import { fromBase64 } from '../../foundation/base/base58.ts'
import type { LateParts } from './lateParts.ts'
import { ROOT_CERTIFICATES } from './rootCertificates.generated.ts'
import type { TrustAnchor } from './serverTrust.ts'
import { TlsStream } from './tlsStream.ts'
import { parseAnchors } from './trustAnchors.ts'

let anchors: readonly TrustAnchor[] | undefined

export const PARTS_AT_ONCE: LateParts = {
  tls: async () => ({ TlsStream }),
  anchors: async () => {
    anchors ??= parseAnchors(fromBase64(ROOT_CERTIFICATES, 'root certificates'))
    return anchors
  },
}
