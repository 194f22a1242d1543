/** A Meter's counters and gauges as Prometheus text. @module */
import { Counter, Gauge, Registry } from 'prom-client'
import type { Measured, Meter } from '../../foundation/base/observe.ts'

/** Content type of Prometheus text. */
export const PROMETHEUS_TEXT = 'text/plain; version=0.0.4; charset=utf-8'

const PREFIX = 'starling_'

/** Read at the moment somebody asks: counting costs nothing in between. */
export async function prometheusText(meter: Meter): Promise<string> {
  const registry = new Registry()
  const byName = Map.groupBy(meter.all(), (measured) => measured.name)
  for (const [name, series] of byName) register(registry, name, series)
  return registry.metrics()
}

function register(registry: Registry, name: string, series: readonly Measured[]): void {
  const [first] = series
  if (first === undefined) return
  const labelNames = [...new Set(series.flatMap((measured) => Object.keys(measured.labels)))]
  const options = { name: PREFIX + name, help: first.help, labelNames, registers: [registry] }
  if (first.kind === 'counter') {
    const counter = new Counter(options)
    for (const measured of series) counter.inc(measured.labels, measured.read())
  } else {
    const gauge = new Gauge(options)
    for (const measured of series) gauge.set(measured.labels, measured.read())
  }
}
