/**
 * What is going to happen in a simulation, by time and then by order of scheduling. A binary heap holds the future; what
 * happens at the present instant waits in a plain queue, since it was scheduled after everything the heap has for it. @module
 */
import type { Timer } from '../clock.ts'
import { Fifo } from './fifo.ts'

/** The process that scheduled an event: its events do not happen once it is dead. */
export interface Mortal {
  readonly alive: boolean
  /** Nothing of it happens before: its events wait until then, in their order. */
  readonly busyUntil?: number
}

export class SimulatedEvent implements Timer {
  /** Milliseconds since the simulation began. */
  time: number
  sequence: number
  readonly owner: Mortal | undefined
  run: (() => void) | undefined
  readonly #queue: EventQueue

  constructor(queue: EventQueue, time: number, sequence: number, run: () => void, owner: Mortal | undefined) {
    this.#queue = queue
    this.time = time
    this.sequence = sequence
    this.run = run
    this.owner = owner
  }

  /** Happens; a cancel from now on comes too late. */
  start(): void {
    const { run } = this
    this.run = undefined
    run?.()
  }

  cancel(): void {
    if (this.run === undefined) return
    this.run = undefined
    this.#queue.noteCancelled()
  }
}

/** Below this many events a clean-up is not worth its time. */
const CLEAN_FROM = 1024

export class EventQueue {
  #heap: SimulatedEvent[] = []
  /** Of the events in the heap, place by place: comparing numbers in a row spares a look at the events, far apart in memory. */
  #times: number[] = []
  readonly #present: Fifo<SimulatedEvent> = new Fifo()
  #now = 0
  #sequence = 0
  #cancelled = 0

  get now(): number {
    return this.#now
  }

  get size(): number {
    return this.#heap.length + this.#present.length
  }

  /** `delay` from now; a delay that is not positive means after everything that is scheduled for this instant. */
  schedule(delay: number, run: () => void, owner: Mortal | undefined): SimulatedEvent {
    // Written so that NaN counts as now.
    const time = delay > 0 ? this.#now + delay : this.#now
    const event = new SimulatedEvent(this, time, this.#sequence++, run, owner)
    if (time === this.#now) this.#present.push(event)
    else this.#push(event)
    return event
  }

  /** When the next event happens; undefined where none is left. */
  nextTime(): number | undefined {
    for (;;) {
      const event = this.#peek()
      if (event === undefined) return undefined
      if (!happens(event)) this.#take()
      else if ((event.owner?.busyUntil ?? 0) > event.time) this.#postpone()
      else return event.time
    }
  }

  /** Takes the next event and makes its time the present. */
  next(): SimulatedEvent | undefined {
    if (this.nextTime() === undefined) return undefined
    const event = this.#take() as SimulatedEvent
    this.#now = event.time
    return event
  }

  /** Lets time pass up to `time`, which must not be later than the next event. */
  advance(time: number): void {
    if (time > this.#now) this.#now = time
  }

  /** Cancelled events stay where they are until they are due, unless they become the majority. */
  noteCancelled(): void {
    this.#cancelled++
    if (this.#heap.length < CLEAN_FROM || this.#cancelled * 2 < this.#heap.length) return
    const kept = this.#heap.filter(happens)
    this.#heap = []
    this.#times = []
    for (const event of kept) this.#push(event)
    this.#cancelled = 0
  }

  /** The next one, to when its owner has time; whoever may cancel it still can. */
  #postpone(): void {
    const event = this.#take() as SimulatedEvent
    event.time = event.owner?.busyUntil as number
    event.sequence = this.#sequence++
    this.#push(event)
  }

  #peek(): SimulatedEvent | undefined {
    const top = this.#heap[0]
    return top !== undefined && top.time === this.#now ? top : (this.#present.peek() ?? top)
  }

  #take(): SimulatedEvent | undefined {
    const top = this.#heap[0]
    return top !== undefined && top.time === this.#now ? this.#pop() : (this.#present.shift() ?? this.#pop())
  }

  #push(event: SimulatedEvent): void {
    const heap = this.#heap
    const times = this.#times
    const { time } = event
    let index = heap.length
    heap.push(event)
    times.push(time)
    while (index > 0) {
      const above = (index - 1) >> 1
      const aboveTime = times[above] as number
      const parent = heap[above] as SimulatedEvent
      if (time > aboveTime || (time === aboveTime && event.sequence > parent.sequence)) break
      heap[index] = parent
      times[index] = aboveTime
      index = above
    }
    heap[index] = event
    times[index] = time
  }

  #pop(): SimulatedEvent | undefined {
    const heap = this.#heap
    const times = this.#times
    const top = heap[0]
    const last = heap.pop()
    const lastTime = times.pop()
    const length = heap.length
    if (top === undefined || last === undefined || lastTime === undefined || length === 0) return top
    let index = 0
    for (;;) {
      let below = 2 * index + 1
      if (below >= length) break
      if (below + 1 < length && this.#isBefore(below + 1, below)) below++
      const time = times[below] as number
      const child = heap[below] as SimulatedEvent
      if (time > lastTime || (time === lastTime && child.sequence > last.sequence)) break
      heap[index] = child
      times[index] = time
      index = below
    }
    heap[index] = last
    times[index] = lastTime
    return top
  }

  #isBefore(a: number, b: number): boolean {
    const difference = (this.#times[a] as number) - (this.#times[b] as number)
    if (difference !== 0) return difference < 0
    return (this.#heap[a] as SimulatedEvent).sequence < (this.#heap[b] as SimulatedEvent).sequence
  }
}

function happens(event: SimulatedEvent): boolean {
  return event.run !== undefined && (event.owner === undefined || event.owner.alive)
}
