/** What this software says of itself where the protocol asks. @module */
import type { BuildInformation } from '../../protocol/wire/directory/buildInformation.ts'

export const VERSION = '0.1.0'

/**
 * `binaryName` is the official one because official directories score any other as unusable. The version is the newest official
 * node release whose behaviour this one has: clients choose protocol versions by it, so it is a fact about the wire and not
 * about us: from 1.37.0 on they expect an IP packet router of version 10, which tells them the MTU (docs/spec/ip-packet-router.md).
 */
export const BUILD_INFORMATION: BuildInformation = {
  binaryName: 'nym-node',
  buildTimestamp: '2026-11-22T00:00:00Z',
  buildVersion: '1.37.0',
  commitSha: '0000000000000000000000000000000000000000',
  commitTimestamp: '2026-11-22T00:00:00Z',
  commitBranch: `starling-${VERSION}`,
  rustcVersion: 'none',
  rustcChannel: 'none',
  cargoProfile: 'release',
  cargoTriple: 'typescript',
}
