/**
 * In the place of webCredentialWallet.ts where scripts/bundle-service-worker.mjs bundles: a service worker can load nothing later, and
 * what pays would make everybody's file a quarter larger. @module
 */
import { MixnetError } from '../../foundation/base/errors.ts'

export async function pageOpener(): Promise<never> {
  const nextStep = 'Connect in a page, or use a network or a gateway where bandwidth is free.'
  throw new MixnetError(
    'GATEWAY_REFUSED',
    { why: 'it takes only paid bandwidth: no service worker pays' },
    { nextStep },
  )
}
