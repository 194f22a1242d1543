/** What is sent: every kind of body, and how its length is told. No tests here. @module */
import { type CaseInit, type FetchCase, isPattern, outcome, pattern, type Visit } from './fetchCase.ts'

const echo = async ({ request, response, body }: Visit) => {
  const { 'content-type': type = '', 'content-length': length, 'transfer-encoding': coding } = request.headers
  response.end(JSON.stringify([type.replace(/boundary=.*/, ''), coding ?? length ?? '', await body()]))
}

type Told = readonly [type: string, length: string, body: string]
const sent = async (response: Response): Promise<Told> => (await response.json()) as Told

const post = (body: CaseInit['body'], headers: Record<string, string> = {}): CaseInit => ({
  method: 'POST',
  body: body ?? null,
  headers,
  ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
})

const streamOf = (...pieces: readonly string[]): ReadableStream<Uint8Array<ArrayBuffer>> =>
  new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece))
      controller.close()
    },
  })

export const BODIES: readonly FetchCase[] = [
  {
    name: 'bodies with a length: text, parameters, a blob, buffers and views',
    serve: echo,
    ask: async ({ fetch, url }) => {
      const bytes = Uint8Array.of(0, 97, 98, 99, 0)
      const bodies = [
        'text',
        '',
        new URLSearchParams({ a: 'b c' }),
        new Blob(['blob'], { type: 'a/b' }),
        new Blob(['blob']),
        bytes.buffer,
        bytes.subarray(1, 4),
        new DataView(bytes.buffer, 1, 3),
      ]
      const seen: Told[] = []
      for (const body of bodies) seen.push(await sent(await fetch(url('/'), post(body))))
      return seen
    },
    expected: [
      ['text/plain;charset=UTF-8', '4', 'text'],
      ['text/plain;charset=UTF-8', '0', ''],
      ['application/x-www-form-urlencoded;charset=UTF-8', '5', 'a=b+c'],
      ['a/b', '4', 'blob'],
      ['', '4', 'blob'],
      ['', '5', '\0abc\0'],
      ['', '3', 'abc'],
      ['', '3', 'abc'],
    ],
  },
  {
    name: 'no body: a length of 0 for methods that expect one, none for others',
    serve: echo,
    ask: async ({ fetch, url }) => {
      const seen: string[] = []
      for (const method of ['GET', 'DELETE', 'POST', 'PUT', 'PATCH']) {
        seen.push((await sent(await fetch(url('/'), { method })))[1])
      }
      return seen
    },
    expected: ['', '', '0', '0', '0'],
  },
  {
    name: 'a form with fields and files',
    serve: echo,
    ask: async ({ fetch, url }) => {
      const form = new FormData()
      form.append('plain', 'value')
      form.append('näme', 'line\nbreak')
      form.append('file', new File(['contents'], 'a.txt', { type: 'text/x' }))
      form.append('blob', new Blob(['bytes']))
      const [type, length, body] = await sent(await fetch(url('/'), post(form)))
      const parsed = await new Response(
        Uint8Array.from(body, (unit) => unit.charCodeAt(0)),
        {
          headers: { 'content-type': `multipart/form-data; boundary=${body.slice(2, body.indexOf('\r\n'))}` },
        },
      ).formData()
      const file = parsed.get('file') as File
      return [
        type,
        Number(length) === body.length,
        parsed.get('plain'),
        parsed.get('näme'),
        file.name,
        file.type,
        await file.text(),
        await (parsed.get('blob') as File).text(),
      ]
    },
    expected: ['multipart/form-data; ', true, 'value', 'line\r\nbreak', 'a.txt', 'text/x', 'contents', 'bytes'],
  },
  {
    name: 'a stream: in chunks, with the type that is given; an empty one',
    serve: echo,
    ask: async ({ fetch, url }) => [
      await sent(await fetch(url('/'), post(streamOf('first ', '', 'second'), { 'content-type': 'a/b' }))),
      (await sent(await fetch(url('/'), post(streamOf()))))[2],
    ],
    expected: [['a/b', 'chunked', 'first second'], ''],
  },
  {
    name: 'a stream is sent while it is made: the server has its beginning before its end exists',
    serve: async ({ request, response, path, asked }) => {
      if (path === '/began') return response.end()
      const first = await new Promise<Uint8Array>((resolve) => request.once('data', resolve))
      await asked('/began')
      let rest = ''
      for await (const chunk of request) rest += chunk
      return response.end(`${first} and ${rest}`)
    },
    ask: async ({ fetch, url }) => {
      let go: (() => void) | undefined
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          controller.enqueue(new TextEncoder().encode('first'))
          go = () => {
            controller.enqueue(new TextEncoder().encode('second'))
            controller.close()
          }
        },
      })
      const answered = fetch(url('/'), post(body))
      await (await fetch(url('/began'))).text()
      go?.()
      return await (await answered).text()
    },
    expected: 'first and second',
  },
  {
    name: 'a stream that fails, or is not of bytes, fails the request and ends the connection',
    serve: ({ request }) => void request.resume(),
    ask: async (client) => {
      const failing = new ReadableStream<Uint8Array>({
        pull: (controller) => controller.error(new RangeError('no more')),
      })
      const wrong = new ReadableStream({
        start: (controller) => controller.enqueue('text'),
      })
      const codes: unknown[] = []
      for (const body of [failing, wrong]) {
        const code = await outcome(client, client.fetch(client.url('/'), post(body as ReadableStream<Uint8Array>)))
        codes.push(code)
      }
      return codes
    },
    expected: ['BAD_ARGUMENT', 'BAD_ARGUMENT'],
  },
  {
    name: 'a body of a few hundred thousand bytes, measured and streamed',
    serve: async ({ response, body }) => response.end(Buffer.from(await body(), 'latin1')),
    ask: async ({ fetch, url }) => {
      const data = pattern()
      const [measured, streamed] = [post(data), post(new Blob([data]).stream())]
      const same: boolean[] = []
      for (const init of [measured, streamed]) {
        const answer = await fetch(url('/'), init)
        same.push(isPattern(new Uint8Array(await answer.arrayBuffer())))
      }
      return same
    },
    expected: [true, true],
  },
  {
    name: 'a length that the caller says too is said once',
    serve: async ({ request, response, body }) => {
      const { rawHeaders } = request
      const lengths = rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === 'content-length')
      response.end(JSON.stringify([lengths, await body()]))
    },
    ask: async ({ fetch, url }) => (await fetch(url('/'), post('body', { 'Content-Length': '4' }))).json(),
    expected: [['4'], 'body'],
  },
  {
    name: 'GET and HEAD have none',
    serve: ({ response }) => response.end(),
    ask: async (client) =>
      Promise.all(
        ['GET', 'HEAD'].map((method) => outcome(client, client.fetch(client.url('/'), { method, body: 'x' }))),
      ),
    expected: ['BAD_ARGUMENT', 'BAD_ARGUMENT'],
  },
  {
    name: 'an iterable, as Node takes it: its bytes, and nothing else than bytes',
    serve: echo,
    ask: async (client) => {
      async function* yielding(...pieces: readonly unknown[]) {
        yield* pieces
      }
      const of = (body: AsyncIterable<unknown>) =>
        client.fetch(client.url('/'), { method: 'POST', body, duplex: 'half' } as unknown as CaseInit)
      const bytes = new TextEncoder().encode('bytes')
      return [await sent(await of(yielding(bytes, bytes))), await outcome(client, of(yielding('text')))]
    },
    expected: [['', 'chunked', 'bytesbytes'], 'BAD_ARGUMENT'],
  },
  {
    name: 'an answer before the whole body is sent is an answer',
    serve: ({ response }) => response.writeHead(413, { connection: 'close' }).end('too much'),
    ask: async (client) => {
      let cancelled = false
      const endless = new ReadableStream<Uint8Array>({
        pull: (controller) => controller.enqueue(new Uint8Array(1000)),
        cancel: () => {
          cancelled = true
        },
      })
      const response = await client.fetch(client.url('/'), post(endless))
      const text = await response.text()
      return [response.status, text, cancelled]
    },
    expected: [413, 'too much', true],
  },
]
