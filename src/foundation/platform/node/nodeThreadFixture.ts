/** What nodeThread.test.ts runs in a thread. @module */
import { MixnetError } from '../../base/errors.ts'
import { serveThread } from './nodeThread.ts'

export interface Served {
  calls(): Promise<number>
  echo(value: unknown): Promise<unknown>
  bytes(length: number): Promise<Uint8Array>
  bufferBytes(view: Uint8Array): Promise<number>
  refuse(): Promise<void>
  fail(secret: string): Promise<void>
  uncopyable(): Promise<unknown>
  never(): Promise<void>
  spin(): Promise<void>
  crash(): Promise<void>
  exit(): Promise<void>
}

let calls = 0

serveThread<Served>({
  calls: async () => ++calls,
  echo: async (value) => value,
  bytes: async (length) => new Uint8Array(length).fill(7),
  bufferBytes: async (view) => view.buffer.byteLength,
  refuse: async () => {
    throw new MixnetError('NO_ROUTE', { layer: 2, why: 'test' }, { message: 'other words', nextStep: 'another step' })
  },
  fail: async (secret) => {
    throw new TypeError(`of ${secret}`)
  },
  uncopyable: async () => () => 0,
  never: () => new Promise(() => {}),
  spin: async () => {
    for (;;) calls++
  },
  crash: async () => {
    setImmediate(() => {
      throw new Error('nobody catches this')
    })
    await new Promise(() => {})
  },
  exit: async () => process.exit(3),
})
