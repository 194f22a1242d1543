/** What processes use, as Linux accounts for it. @module */
import { readFile } from 'node:fs/promises'

const TICKS_PER_SECOND = 100
const KIB = 1024

/** Seconds of CPU since its start, in user code and in the kernel. */
export async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // The name in parentheses may hold spaces; utime and stime are the 12th and 13th field behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

export interface MemoryUse {
  /** Its own pages and its share of those it has in common with others: what would be free without it. */
  readonly proportionalBytes: number
  /** The most that was ever resident. */
  readonly peakBytes: number
}

export async function memoryUse(pid: number): Promise<MemoryUse> {
  const [rollup, status] = await Promise.all([
    readFile(`/proc/${pid}/smaps_rollup`, 'utf8'),
    readFile(`/proc/${pid}/status`, 'utf8'),
  ])
  const kib = (text: string, name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1])
  return { proportionalBytes: kib(rollup, 'Pss') * KIB, peakBytes: kib(status, 'VmHWM') * KIB }
}
