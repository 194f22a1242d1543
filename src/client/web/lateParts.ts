/**
 * What only https needs, and comes when it is first asked for: a page that asks for none never loads it. In a service worker `import()` is
 * refused, so there it has to be had from the beginning. @module
 */
import type { TrustAnchor } from './serverTrust.ts'
import { defaultAnchors } from './trustAnchors.ts'

export interface LateParts {
  readonly tls: () => Promise<Pick<typeof import('./tlsStream.ts'), 'TlsStream'>>
  /** Of Mozilla's authorities. */
  readonly anchors: () => Promise<readonly TrustAnchor[]>
}

/** Chunks of their own in a bundle. */
export const LATE_PARTS: LateParts = {
  tls: () => import('./tlsStream.ts'),
  anchors: defaultAnchors,
}
