/** The caller's signal, in every phase. No tests here. @module */
import { type CaseClient, type CaseInit, type FetchCase, outcome, type Visit } from './fetchCase.ts'

const REASON = { name: 'Enough', message: 'the caller had enough' }

/** Begins an answer, and says at `/ended` when the connection of it has gone. */
const endless = async ({ response, path, asked, closed }: Visit) => {
  if (path === '/begun' || path === '/ended') return response.end('told')
  if (path === '/body') response.write('begin')
  await closed()
  await asked('/ended')
  return undefined
}

/** Whether what `work` rejects with is the caller's own reason, and not something like it. */
async function stoppedBy(reason: unknown, work: Promise<unknown>): Promise<unknown> {
  try {
    await work
    return 'not stopped'
  } catch (error) {
    return error === reason ? 'the reason' : String(error)
  }
}

const serverIsAsked = async (client: CaseClient) => {
  // A request that overtakes the one before it proves nothing; one that follows its answer does.
  await (await client.fetch(client.url('/begun'))).text()
}

export const ABORTING: readonly FetchCase[] = [
  {
    name: 'aborted before: nothing is asked, and the body is told',
    serve: ({ response, number }) => response.end(`${number}`),
    ask: async (client) => {
      let told: unknown
      const body = new ReadableStream<Uint8Array>({
        pull: (controller) => controller.enqueue(Uint8Array.of(1)),
        cancel: (reason) => {
          told = reason
        },
      })
      const signal = AbortSignal.abort(REASON)
      return [
        await stoppedBy(REASON, client.fetch(client.url('/'), { signal })),
        await stoppedBy(REASON, client.fetch(new Request(client.url('/'), { signal }))),
        await stoppedBy(REASON, client.fetch(client.url('/'), { method: 'POST', body, duplex: 'half', signal })),
        told === REASON,
        await (await client.fetch(client.url('/'))).text(),
      ]
    },
    expected: ['the reason', 'the reason', 'the reason', true, '1'],
  },
  {
    name: 'aborted at once, while it connects',
    serve: endless,
    ask: async (client) => {
      const controller = new AbortController()
      const stopped = stoppedBy(REASON, client.fetch(client.url('/silent'), { signal: controller.signal }))
      controller.abort(REASON)
      return [await stopped, await (await client.fetch(client.url('/begun'))).text()]
    },
    expected: ['the reason', 'told'],
  },
  {
    name: 'aborted while the server thinks',
    serve: endless,
    ask: async (client) => {
      const controller = new AbortController()
      const stopped = stoppedBy(REASON, client.fetch(client.url('/silent'), { signal: controller.signal }))
      await serverIsAsked(client)
      controller.abort(REASON)
      return [await stopped, await (await client.fetch(client.url('/ended'))).text()]
    },
    expected: ['the reason', 'told'],
  },
  {
    name: 'aborted in the middle of the body: the reader, and every clone of it, has the reason',
    serve: endless,
    ask: async (client) => {
      const controller = new AbortController()
      const response = await client.fetch(client.url('/body'), { signal: controller.signal })
      const clone = response.clone()
      const reader = response.body?.getReader()
      const first = new TextDecoder().decode((await reader?.read())?.value)
      const rest = stoppedBy(REASON, reader?.read() ?? Promise.resolve())
      const other = stoppedBy(REASON, clone.text())
      controller.abort(REASON)
      return [first, await rest, await other, await (await client.fetch(client.url('/ended'))).text()]
    },
    expected: ['begin', 'the reason', 'the reason', 'told'],
  },
  {
    name: 'aborted after the end: nothing happens to what has come',
    serve: ({ response, number }) => response.end(`answer ${number}`),
    ask: async ({ fetch, url }) => {
      const controller = new AbortController()
      const response = await fetch(url('/'), { signal: controller.signal })
      const text = await response.text()
      controller.abort(REASON)
      return [text, await (await fetch(url('/'))).text()]
    },
    expected: ['answer 1', 'answer 2'],
  },
  {
    name: 'without a reason it is an AbortError, with a timeout a TimeoutError: the signal says so',
    serve: endless,
    ask: async (client) => {
      const nameOf = async (signal: AbortSignal, after?: () => void) => {
        const failing = client.fetch(client.url('/silent'), { signal }).catch((error: unknown) => error)
        after?.()
        const error = await failing
        return [(error as Error).name, error === signal.reason, client.codeOf(error)]
      }
      const controller = new AbortController()
      return [await nameOf(controller.signal, () => controller.abort()), await nameOf(AbortSignal.timeout(1))]
    },
    expected: [
      ['AbortError', true, 'ABORTED'],
      ['TimeoutError', true, 'TIMEOUT'],
    ],
  },
  {
    name: 'one signal for many requests stops them all, and those that are over are not held',
    serve: endless,
    ask: async (client) => {
      const controller = new AbortController()
      const { signal } = controller
      for (let i = 0; i < 3; i++) await (await client.fetch(client.url('/begun'), { signal })).text()
      const stopped = Array.from({ length: 10 }, () =>
        stoppedBy(REASON, client.fetch(client.url('/silent'), { signal })),
      )
      await (await client.fetch(client.elsewhere('/begun'), { signal })).text()
      controller.abort(REASON)
      return [...new Set(await Promise.all(stopped))]
    },
    expected: ['the reason'],
  },
  {
    name: 'a signal in init takes the place of the one in the Request; null removes it',
    serve: ({ response }) => response.end('answer'),
    ask: async (client) => {
      const stopped = () => new Request(client.url('/'), { signal: AbortSignal.abort(REASON) })
      const { signal } = new AbortController()
      return [
        await (await client.fetch(stopped(), { signal })).text(),
        await (await client.fetch(stopped(), { signal: null })).text(),
      ]
    },
    expected: ['answer', 'answer'],
  },
  {
    name: 'while a body is sent: its stream is told why',
    serve: ({ request }) => void request.resume(),
    ask: async (client) => {
      const controller = new AbortController()
      const told = Promise.withResolvers<unknown>()
      let pulls = 0
      const body = new ReadableStream<Uint8Array>({
        pull: (stream) => {
          stream.enqueue(new Uint8Array(100))
          if (++pulls === 5) controller.abort(REASON)
        },
        cancel: told.resolve,
      })
      const init = { method: 'POST', body, duplex: 'half', signal: controller.signal } as const
      const stopped = await stoppedBy(REASON, client.fetch(client.url('/'), init))
      return [stopped, (await told.promise) === REASON]
    },
    expected: ['the reason', true],
  },
  {
    name: 'while an iterable is sent, or a Request whose stream says no more: whoever makes it is told',
    serve: ({ request }) => void request.resume(),
    ask: async (client) => {
      const controller = new AbortController()
      const told = [Promise.withResolvers<void>(), Promise.withResolvers<unknown>()] as const
      let yielded = 0
      async function* endless(): AsyncGenerator<Uint8Array> {
        try {
          for (;;) {
            if (++yielded === 5) controller.abort(REASON)
            yield new Uint8Array(100)
          }
        } finally {
          told[0].resolve()
        }
      }
      const { signal } = controller
      const init = { method: 'POST', body: endless(), duplex: 'half', signal } as unknown as CaseInit
      const first = await stoppedBy(REASON, client.fetch(client.url('/'), init))
      await told[0].promise
      const body = new ReadableStream({
        start: (stream) => stream.enqueue(new Uint8Array(10)),
        cancel: told[1].resolve,
      })
      const stalled = new Request(client.url('/'), { method: 'POST', body, duplex: 'half' } as RequestInit)
      const second = await outcome(client, client.fetch(stalled, { timeout: 50 }))
      await told[1].promise
      return [first, yielded < 20, second]
    },
    expected: ['the reason', true, 'TIMEOUT'],
  },
  {
    name: 'a deadline of its own for one request',
    serve: endless,
    ask: async (client) => outcome(client, client.fetch(client.url('/silent'), { timeout: 1 })),
    expected: 'TIMEOUT',
  },
]
