/**
 * How the directory rates a node: `nym-nodes/annotation`, versions 1 and 2, and `nym-nodes/performance`. Format:
 * docs/spec/directory-server.md, "Ratings". @module
 */
import type { JsonObject, JsonValue } from '../../protocol/wire/directory/json.ts'
import { encodeFraction } from '../../protocol/wire/directory/json.ts'
import { type EpochRole, performancePercent } from '../../protocol/wire/directory/skimmedNodes.ts'
import type { Snapshot } from './snapshot.ts'

const UNRATED = { performance: 0, routing: 0, config: 0 }
const UNMEASURED: JsonObject = { score: 0, was_reachable: false }

/** `annotation` is null for a node that is not bonded. */
export function annotate(snapshot: Snapshot, nodeId: number, version: 1 | 2): JsonObject {
  if (!snapshot.bonded.some((node) => node.nodeId === nodeId)) return { node_id: nodeId, annotation: null }
  const node = snapshot.nodes.find(({ skimmed }) => skimmed.nodeId === nodeId)
  const { performance, routing, config } = node?.score ?? UNRATED
  const isV2 = version === 2
  const detailed: JsonObject = {
    performance_score: performance,
    routing_score: { score: routing },
    config_score: {
      score: config,
      versions_behind: node === undefined ? null : 0,
      self_described_api_available: node !== undefined,
      accepted_terms_and_conditions: node?.described.auxiliaryDetails.acceptedOperatorTermsAndConditions ?? false,
      runs_nym_node_binary: node?.described.buildInformation.binaryName === 'nym-node',
      // Nothing has to be paid for where there is no ledger.
      ...(isV2 && { chain_interaction_capabilities: { has_sufficient_tokens: true, is_fee_grant_grantee: false } }),
    },
    ...(isV2 && { stress_testing_score: UNMEASURED, liveness_score: UNMEASURED }),
  }
  return {
    node_id: nodeId,
    annotation: {
      ...(isV2 ? { chain_interaction_capabilities: null } : { last_24h_performance: wholePercent(performance) }),
      current_role: roleName(node?.skimmed.role),
      detailed_performance: detailed,
    },
  }
}

export function ratePerformance(snapshot: Snapshot, nodeId: number): JsonObject {
  const node = snapshot.nodes.find(({ skimmed }) => skimmed.nodeId === nodeId)
  return { node_id: nodeId, performance: node?.score.performance ?? null }
}

const wholePercent = (performance: number): string => encodeFraction(performancePercent(performance) / 100)

/** Its own names, unlike the listings'. */
function roleName(role: EpochRole | undefined): JsonValue {
  return role === undefined || role === 'inactive' ? null : role
}
