/** Decoders of what a ledger is told by and what monitors say. @module */
import { decodeDeployment } from '../../../src/network/ledger/deployment.ts'
import { parseVersion } from '../../../src/protocol/economy/configScore.ts'
import { parseDecimal, parsePercent } from '../../../src/protocol/economy/decimal.ts'
import { decodeEvidence, encodeEvidence } from '../../../src/roles/monitor/evidence.ts'
import { bytesDecoder, type Decoder, textDecoder } from '../decoder.ts'

const evidence = encodeEvidence({
  epochId: 7,
  startsAt: 1_700_000_000,
  nodes: [1, 2, 3, 4, 5].map((nodeId) => ({ nodeId, place: nodeId > 3 ? 'gateway' : 'layer1', config: 100 })),
  observations: [
    { kind: 'out', second: 3, route: [4, 1, 2, 3, 5], delivered: true },
    { kind: 'login', second: 4, route: [4], delivered: false },
  ],
})

export const ledgerDecoders: readonly Decoder[] = [
  bytesDecoder('decodeEvidence', decodeEvidence, { seeds: [evidence] }),
  bytesDecoder('decodeDeployment', decodeDeployment, {
    seeds: ['{"chainId":1,"deployedAtBlock":2,"addresses":{},"multicall":"0x00","libraries":{},"params":{}}'],
    refusals: ['CONFIG_INVALID', 'MALFORMED'],
  }),
  textDecoder('parseVersion', parseVersion, { seeds: ['1.2.3', '1.2.3-rc.1+build'] }),
  textDecoder('parseDecimal', (text) => parseDecimal(text), { seeds: ['0.979999999999999982'] }),
  textDecoder('parsePercent', (text) => parsePercent(text), { seeds: ['0.2'] }),
]
