/** Ports that other programs have. @module */
import type { Session } from './session.ts'

/** Told once each: a program that has one of them often has it on every address. */
export class TakenPorts {
  readonly #steps = new Map<string, { readonly wanted: number; readonly used: number; readonly what: string[] }>()

  add(what: string, wanted: number, used: number): void {
    const key = `${wanted} ${used}`
    const step = this.#steps.get(key) ?? { wanted, used, what: [] }
    step.what.push(what)
    this.#steps.set(key, step)
  }

  show({ screen }: Session): void {
    for (const { wanted, used, what } of this.#steps.values()) {
      const [first] = what
      const whose = what.length === 1 && first !== undefined ? first : `${what.length} nodes`
      screen.step(
        'ports',
        `port ${wanted} is taken by another program; ${whose} ${what.length === 1 ? 'uses' : 'use'} ${used} instead`,
        undefined,
        {
          event: 'port-taken',
          what,
          wanted,
          used,
        },
      )
    }
    this.#steps.clear()
  }
}
