/** What a simulated run came to. Everything but the times of the real machine is the same in every run of a seed. @module */

export interface Phase {
  readonly virtualSeconds: number
  readonly realSeconds: number
  /** Of all threads of this process. */
  readonly cpuSeconds: number
  /** Packets that nodes took off the wire and unwrapped; each hop of a packet counts. */
  readonly packets: number
}

/** How far the run had come, since loading. */
export interface Checkpoint {
  readonly packets: number
  readonly events: number
  /** SHA-256 of the trace so far, from the beginning. */
  readonly digest: string
}

export interface SimulationReport {
  readonly seed: string
  readonly crypto: string
  readonly nodes: number
  readonly clients: number
  /** From nothing to a network with every client connected. */
  readonly loading: Phase
  /** While clients had something to say: what rates are computed from. */
  readonly running: Phase
  /** Until everything had arrived. */
  readonly draining: Phase
  readonly messages: number
  readonly replies: number
  readonly requests: number
  readonly meanLatencyMs: number
  readonly events: number
  /** Fragments that were sent again because their ack stayed away. */
  readonly retransmissions: number
  readonly missing: readonly string[]
  readonly failures: readonly string[]
  /** After each second of running. */
  readonly checkpoints: readonly Checkpoint[]
  /** SHA-256 of the trace. */
  readonly digest: string
}

export const packetsPerSecond = ({ packets, realSeconds }: Phase): number => packets / realSeconds
export const packetsPerCpuSecond = ({ packets, cpuSeconds }: Phase): number => packets / cpuSeconds

export function formatReport(report: SimulationReport): string {
  const { loading, running, draining } = report
  const phase = (name: string, { virtualSeconds, realSeconds, cpuSeconds, packets }: Phase) =>
    `${name.padEnd(9)}${virtualSeconds.toFixed(2).padStart(8)} virtual s ${realSeconds.toFixed(2).padStart(8)} real s` +
    `${cpuSeconds.toFixed(2).padStart(8)} CPU s ${packets.toLocaleString('en').padStart(10)} packets`
  const rate = (value: number) => Math.round(value).toLocaleString('en')
  return [
    `seed ${report.seed}, ${report.crypto} cryptography, ${report.nodes} nodes, ${report.clients} clients`,
    phase('loading', loading),
    phase('running', running),
    phase('draining', draining),
    `${rate(packetsPerSecond(running))} packets/s, ${rate(packetsPerCpuSecond(running))} packets/s of CPU time`,
    `${report.messages} messages, ${report.replies} anonymous replies, ${report.requests} requests; ` +
      `${Math.round(report.meanLatencyMs)} ms on average, ${report.retransmissions} fragments sent again`,
    `${report.missing.length} missing, ${report.failures.length} failures, ${rate(report.events)} events`,
    ...report.missing.slice(0, 10).map((what) => `missing: ${what}`),
    ...report.failures.slice(0, 10).map((what) => `failure: ${what}`),
    `trace ${report.digest}`,
  ].join('\n')
}

export const isClean = ({ missing, failures }: SimulationReport): boolean => missing.length + failures.length === 0
