/** What a monitor shows to operators and to whoever checks it: its evidence, epoch by epoch. Protocol: docs/spec/monitor.md, "API". @module */
import { toHex } from '../../foundation/base/bytes.ts'
import { isMixnetError, tryDecode } from '../../foundation/base/errors.ts'
import type { Log } from '../../foundation/base/observe.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import { answer, forEveryPage, type JsonHandler, jsonApi, numberParameter, refuse } from '../../network/api/jsonApi.ts'
import type { JsonValue } from '../../protocol/wire/directory/json.ts'
import { scoreEpoch } from './epochScores.ts'
import { decodeEvidence } from './evidence.ts'
import type { Monitor } from './monitor.ts'

export interface EvidenceApiOptions {
  readonly monitor: Pick<Monitor, 'publicEpochs' | 'evidence' | 'status'>
  readonly crypto: CryptoProvider
  readonly log: Log
}

const EVIDENCE_TYPE = { 'content-type': 'application/octet-stream', 'cache-control': 'public, max-age=86400' }

export function evidenceApi({ monitor, crypto, log }: EvidenceApiOptions): JsonHandler {
  const app = jsonApi({ optionalPrefix: '/api', log })
  // Computing a report takes up to a second: once for each epoch that is asked for, and the last few are kept.
  const scored = new Map<number, JsonValue>()
  app.get('/v1/monitor/epochs', async () => answer({ epochs: await monitor.publicEpochs() }))
  app.get('/v1/monitor/epochs/:epoch/evidence', async (context) => {
    const bytes = await evidenceOf(context.req.param('epoch'))
    return bytes === undefined ? noEvidence() : new Response(bytes.slice(), { headers: EVIDENCE_TYPE })
  })
  app.get('/v1/monitor/epochs/:epoch', async (context) => {
    const epoch = numberParameter(context.req.param('epoch'))
    const known = typeof epoch === 'number' ? scored.get(epoch) : undefined
    if (known !== undefined) return answer(known)
    const bytes = await evidenceOf(context.req.param('epoch'))
    const evidence = bytes && tryDecode(() => decodeEvidence(bytes))
    if (bytes === undefined || evidence === undefined || isMixnetError(evidence)) return noEvidence()
    const { nodes, links } = scoreEpoch(evidence)
    const value: JsonValue = {
      epoch: evidence.epochId,
      evidence_sha256: toHex(crypto.sha256(bytes)),
      nodes: nodes.map(({ nodeId, score, routing, config, packets, range }) => ({
        node_id: nodeId,
        score: score ?? null,
        routing: routing ?? null,
        config: config ?? null,
        packets,
        range: range ?? null,
      })),
      bad_links: links.map(({ from, to, packets, percent }) => ({ from, to, packets, percent })),
    }
    scored.set(evidence.epochId, value)
    const [oldest] = scored.keys()
    if (scored.size > KEPT && oldest !== undefined) scored.delete(oldest)
    return answer(value)
  })
  const evidenceOf = async (text: string): Promise<Uint8Array | undefined> => {
    const epoch = numberParameter(text)
    return typeof epoch === 'number' ? await monitor.evidence(epoch) : undefined
  }
  return (request) => forEveryPage(request, () => app.fetch(request))
}

const KEPT = 4
const noEvidence = (): Response => refuse(404, 'there is no evidence of this epoch, or it is not to be shown yet')
