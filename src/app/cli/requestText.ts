/** How the first request is shown: where it went, how long what took, who learned what. Every line fits on a screen, whoever is on the route. @module */
import { DEMO_HOST } from '../testnet/demoSite.ts'

export interface ShownHop {
  readonly name: string
  /** What a mix node was asked to wait; absent for others. */
  readonly holdMs: number | undefined
}

/** Milliseconds from the start; absent where it was not seen. */
export interface Stages {
  readonly sentMs: number | undefined
  readonly acknowledgedMs: number | undefined
  readonly firstByteMs: number
  readonly doneMs: number
}

export interface ShownRequest {
  readonly entry: string
  readonly route: readonly ShownHop[]
  readonly stages: Stages
  /** The address that the site saw. */
  readonly siteSaw: string
}

const LINK = ' ─ '

export function requestLines({ entry, route, stages, siteSaw }: ShownRequest): readonly string[] {
  const exit = route.at(-1)?.name ?? 'the exit'
  return [
    ...routeLines(entry, route),
    `  ${stageLine(stages)}`,
    '',
    `  The site saw ${siteSaw}: ${exit}, not you. ${capital(entry)} knows that you are connected, not`,
    '  what you asked. No one node knows both.',
  ]
}

/** The route, and beneath each mix node how long it was asked to hold the packet. */
function routeLines(entry: string, route: readonly ShownHop[]): readonly string[] {
  const stops: readonly ShownHop[] = [
    { name: 'you', holdMs: undefined },
    { name: entry, holdMs: undefined },
    ...route,
    { name: DEMO_HOST, holdMs: undefined },
  ]
  let delays = ''
  let names = ''
  for (const { name, holdMs } of stops) {
    if (names !== '') names += LINK
    if (holdMs !== undefined) delays = `${delays.padEnd(names.length)}${holdMs}`
    names += name
  }
  return [`  ${names}`, `  ${delays}  ms of waiting, drawn anew for each packet`]
}

function stageLine({ sentMs, acknowledgedMs, firstByteMs, doneMs }: Stages): string {
  const shown = (what: string, at: number | undefined) => `${what} ${at === undefined ? '–' : `${at} ms`}`
  return [
    shown('sent', sentMs),
    shown('first byte', firstByteMs),
    shown('done', doneMs),
    // Gateways hold acks for a while, for everybody the same.
    shown('acknowledged', acknowledgedMs),
  ].join('   ')
}

const capital = (name: string): string => `${name.slice(0, 1).toUpperCase()}${name.slice(1)}`
