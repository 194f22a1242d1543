/**
 * In the place of webCredentialEngine.ts where scripts/bundle-service-worker.mjs bundles: a service worker can load nothing later and
 * start no worker, and shows nothing that could stand still. 30 KB gzipped more from the beginning. @module
 */
import type { CredentialEngine } from '../../protocol/credentials/engine.ts'
import { engineOnTheSpot } from './webCredentialModule.ts'

export async function loadPageEngine(): Promise<CredentialEngine & { close(): Promise<void> }> {
  const { calls, close } = engineOnTheSpot()
  return { ...calls, close }
}
