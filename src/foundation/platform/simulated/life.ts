/**
 * A simulated machine, and a life: one run of the process on it. A crash ends the life: its timers, listeners, locks and
 * connections are gone, its promises never settle, and what it still tries has no effect. Files and databases are the
 * machine's, for the next life to find. @module
 */
import type { DatabaseSync } from 'node:sqlite'
import type { MixnetError } from '../../base/errors.ts'
import type { Millis } from '../../base/units.ts'
import type { Timer } from '../clock.ts'
import type { Listener } from '../net.ts'
import type { EventQueue, Mortal } from './eventQueue.ts'
import type { Link } from './link.ts'

export type ServiceKind = 'tcp' | 'websocket' | 'http'

export interface SimulatedFile {
  /** In pieces where it was appended to. */
  pieces: Uint8Array[]
  readonly secret: boolean
}

/** Something that listens; `accept` is what its kind of connection calls. */
export interface Service<Accept> {
  readonly kind: ServiceKind
  readonly host: string
  readonly port: number
  readonly life: Life
  readonly accept: Accept
}

export interface Machine {
  readonly name: string
  readonly ips: readonly string[]
  readonly files: Map<string, SimulatedFile>
  readonly databases: Map<string, DatabaseSync>
  /** By port: several where they listen on different addresses. */
  readonly services: Map<number, Service<unknown>[]>
  lives: number
  life: Life | undefined
  nextPort: number
}

interface OpenConnection {
  /** The process at this end died. */
  sever(): void
  /** Ends with `error` where its way out is one of `cut`: nobody will hear of it any more. */
  loseIfOn(cut: ReadonlySet<Link>, error: MixnetError): void
}

export class Life implements Mortal {
  readonly machine: Machine
  readonly #events: EventQueue
  readonly connections: Set<OpenConnection> = new Set()
  readonly locks: Set<string> = new Set()
  alive = true
  busyUntil = 0

  constructor(machine: Machine, events: EventQueue) {
    this.machine = machine
    this.#events = events
  }

  schedule(delay: Millis | number, run: () => void): Timer {
    return this.#events.schedule(delay, run, this)
  }

  /** Runs `read`, which takes what came from the network: at once, or when the process has time. */
  whenIdle(read: () => void): void {
    if (this.busyUntil > this.#events.now) this.schedule(0, read)
    else read()
  }

  /** Does not get to anything for so long. */
  stall(duration: Millis): void {
    this.busyUntil = Math.max(this.busyUntil, this.#events.now + duration)
  }

  /** A promise that `work` settles in an event of its own; of a dead process it never settles. */
  later<T>(work: () => T, delay = 0): Promise<T> {
    return new Promise((resolve, reject) => {
      this.schedule(delay, () => {
        try {
          resolve(work())
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  /** The listener of `service`, which `stop` takes out of use. */
  listener(service: Service<unknown>, stop: () => void): Listener {
    return {
      endpoint: { host: service.host, port: service.port },
      close: () =>
        this.later(() => {
          removeService(service)
          stop()
        }),
    }
  }

  end(): void {
    this.alive = false
    const { machine } = this
    machine.services.clear()
    this.locks.clear()
    for (const connection of this.connections) connection.sever()
    this.connections.clear()
    // By hand one can open a transaction and die before it ends.
    for (const database of machine.databases.values()) if (database.isTransaction) database.exec('ROLLBACK')
    machine.life = undefined
  }
}

function removeService(service: Service<unknown>): void {
  const { services } = service.life.machine
  const others = (services.get(service.port) ?? []).filter((other) => other !== service)
  if (others.length > 0) services.set(service.port, others)
  else services.delete(service.port)
}
