import assert from 'node:assert/strict'
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer, type NetConnectOpts } from 'node:net'
import { afterEach, describe, mock, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { seconds } from '../../foundation/base/units.ts'
import type { Endpoint } from '../../foundation/platform/net.ts'
import { pattern, until } from '../streamSupport.test.ts'
import { CLOSE_NOTIFY, hostile, RESPONSE, typed } from './hostileTls.test.ts'
import { ecKeys, keyPem, made, rsaKeys } from './madeCertificates.test.ts'
import { cleanUp, listening, rejectsWith, secure, through, URL_SECURE } from './webSupport.test.ts'

afterEach(cleanUp)

const HOST = 'demo.starling'
const root = made({ name: 'root', authority: true })
const leaf = made({ name: 'leaf', by: root, dns: [HOST] })
const ca = root.pem
const serverOf = (one: typeof leaf, options = {}) => ({ key: keyPem(one.keys), cert: one.pem, ...options })

describe('TLS', () => {
  for (const version of ['TLSv1.3', 'TLSv1.2'] as const) {
    for (const [kind, keys] of [
      ['P-256', ecKeys()],
      ['P-384', ecKeys('P-384')],
      ['RSA', rsaKeys()],
    ] as const) {
      test(`${version} with a key of ${kind}: bodies each way, the name and the protocol`, async () => {
        const between = made({ name: 'between', by: root, authority: true })
        const own = made({ name: 'own', by: between, dns: [HOST], keys })
        const data = pattern(300_000)
        const seen: unknown[] = []
        const options = { key: keyPem(keys), cert: own.pem + between.pem, minVersion: version, maxVersion: version }
        const route = await secure(async (request, response) => {
          const socket = request.socket as TLSSocket & { servername: string }
          seen.push(socket.servername, socket.alpnProtocol, socket.getProtocol())
          for await (const chunk of request) response.write(chunk)
          response.end()
        }, options)
        const response = await through(route, { ca }).fetch(URL_SECURE, { method: 'POST', body: data })
        assert.deepEqual(new Uint8Array(await response.arrayBuffer()), data)
        assert.deepEqual(seen, [HOST, 'http/1.1', version])
      })
    }
  }

  test('curves other than the first, and ciphers', async () => {
    for (const options of [{ ecdhCurve: 'P-384' }, { ecdhCurve: 'P-256' }, { ciphers: 'TLS_AES_128_GCM_SHA256' }]) {
      const route = await secure((_, response) => response.end('x'), serverOf(leaf, options))
      assert.equal(await (await through(route, { ca }).fetch(URL_SECURE)).text(), 'x')
    }
  })

  test('new keys in the middle, asked for and not, and tickets', async () => {
    const ticket = typed(22, Uint8Array.of(4, 0, 0, 14, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 1, 7, 0, 0))
    const after = [
      { sealed: ticket },
      { sealed: typed(23, RESPONSE.slice(0, 20)) },
      { sealed: typed(22, Uint8Array.of(24, 0, 0, 1, 1)) },
      { sealed: typed(23, RESPONSE.slice(20, 40)), rekeyed: true },
      { sealed: typed(22, Uint8Array.of(24, 0, 0, 1, 0)) },
      { sealed: typed(23, RESPONSE.slice(40)), rekeyed: true },
    ]
    const { fetch } = through(await hostile({ certificate: leaf, after }), { ca })
    assert.equal(await (await fetch(URL_SECURE)).text(), 'secret')
  })

  test('a request for a certificate of ours is answered with none', async () => {
    for (const maxVersion of ['TLSv1.3'] as const) {
      const options = serverOf(leaf, { requestCert: true, rejectUnauthorized: false, maxVersion })
      const route = await secure((_, response) => response.end('x'), options)
      assert.equal(await (await through(route, { ca }).fetch(URL_SECURE)).text(), 'x')
    }
  })
})

describe('whom TLS refuses', () => {
  const serving = (one: typeof leaf) => secure((_, response) => response.end('secret'), serverOf(one))
  const cases = {
    'for another name': made({ name: HOST, by: root, dns: ['other.starling'] }),
    expired: made({ name: 'old', by: root, dns: [HOST], until: '260101000000' }),
    'not yet valid': made({ name: 'new', by: root, dns: [HOST], from: '270101000000' }),
    'of no authority that is trusted': made({ name: 'self', dns: [HOST] }),
  }
  for (const [why, one] of Object.entries(cases)) {
    test(`a certificate ${why}`, async () => {
      const { fetch, exit } = through(await serving(one), { ca })
      await rejectsWith('TLS_FAILED', fetch(URL_SECURE), { why: `certificate: ${why}` })
      await until('nothing is open', () => exit.streams.size === 0)
    })
  }

  test('an unknown authority, by the default list', async () => {
    const { ca: _, ...options } = { ca }
    const route = await serving(leaf)
    const { fetch } = through(route, { ...options, ca: undefined as unknown as string })
    await rejectsWith('TLS_FAILED', fetch(URL_SECURE), { why: 'certificate: of no authority that is trusted' })
  })

  test('nothing is fetched from anywhere else, whatever the certificate says', async () => {
    const outside = mock.method(globalThis, 'fetch', () => Promise.reject(new Error('outside the mixnet')))
    try {
      const missing = made({ name: 'missing', by: root, authority: true })
      const { fetch } = through(await serving(made({ name: 'x', by: missing, dns: [HOST], issuers: 'http://ca/x' })), {
        ca,
      })
      await rejectsWith('TLS_FAILED', fetch(URL_SECURE), { why: 'certificate: of no authority that is trusted' })
      const { fetch: good } = through(await serving(leaf), { ca })
      assert.equal(await (await good(URL_SECURE)).text(), 'secret')
      assert.equal(outside.mock.callCount(), 0)
    } finally {
      outside.mock.restore()
    }
  })

  test('a server that shows a certificate and no signature, or one of another key', async () => {
    const right = through(await hostile({ certificate: leaf }), { ca })
    assert.equal(await (await right.fetch(URL_SECURE)).text(), 'secret')
    for (const [signature, why] of [
      ['left out', 'unexpected: message 20'],
      ['by another key', 'handshake'],
    ] as const) {
      const { fetch } = through(await hostile({ certificate: leaf, signature }), { ca })
      await rejectsWith('TLS_FAILED', fetch(URL_SECURE), { why })
    }
  })

  test('a server that knows only what is old', async () => {
    const cbc = serverOf(leaf, { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA' })
    await rejectsWith('TLS_FAILED', through(await secure(() => {}, cbc), { ca }).fetch(URL_SECURE))
  })

  test('what is not TLS', async () => {
    const noise = createTcpServer((socket) => socket.on('data', () => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')))
    await rejectsWith('TLS_FAILED', through(await listening(noise), { ca, timeout: seconds(5) }).fetch(URL_SECURE))
  })
})

describe('TLS that is tampered with', () => {
  const closing = 'HTTP/1.1 200 OK\r\n\r\nhalf of it'
  const cut = { raw: Uint8Array.of(21, 3, 3, 0, 2, 1, 0) }

  test('a body that goes to the end of the connection needs the farewell of the server', async () => {
    const { fetch } = through(
      await hostile({ certificate: leaf, after: [{ sealed: typed(23, closing) }, { sealed: CLOSE_NOTIFY }] }),
      { ca },
    )
    assert.equal(await (await fetch(URL_SECURE)).text(), 'half of it')

    const abrupt = await relay(
      await secure((_, response) => {
        response.removeHeader('connection')
        response.socket?.write(closing)
      }, serverOf(leaf)),
    )
    const cutOff = through(abrupt.route, { ca })
    const response = await cutOff.fetch(URL_SECURE)
    const reading = rejectsWith('CONNECTION_CLOSED', response.text(), { why: 'TLS was cut off' })
    abrupt.cut()
    await reading
  })

  test('a farewell that anybody could have written', async () => {
    const { fetch } = through(await hostile({ certificate: leaf, after: [{ sealed: typed(23, closing) }, cut] }), {
      ca,
    })
    const response = fetch(URL_SECURE).then((one) => one.text())
    await rejectsWith('TLS_FAILED', response, { why: 'unexpected: a record that is not sealed' })
  })

  test('a record that was changed on its way', async () => {
    const forged = { raw: Uint8Array.of(23, 3, 3, 0, 20, ...new Uint8Array(20)) }
    const { fetch } = through(await hostile({ certificate: leaf, after: [forged] }), { ca })
    await rejectsWith('TLS_FAILED', fetch(URL_SECURE))
  })

  test('padding is taken off', async () => {
    const padded = (type: number, text: string | Uint8Array) => new Uint8Array([...typed(type, text), 0, 0, 0, 0])
    const then = [{ sealed: padded(23, RESPONSE) }, { sealed: CLOSE_NOTIFY }]
    const { fetch } = through(await hostile({ certificate: leaf, after: then }), { ca })
    assert.equal(await (await fetch(URL_SECURE)).text(), 'secret')
  })

  test('alerts, and what is out of place', async () => {
    for (const [inner, why] of [
      [typed(21, Uint8Array.of(2, 40)), 'alert 40'],
      [typed(21, Uint8Array.of(1, 90)), 'alert 90'],
      [typed(22, Uint8Array.of(0, 0, 0, 0)), 'unexpected: message 0'],
      [typed(22, Uint8Array.of(24, 0, 0, 1, 7)), 'unexpected: key update'],
      [new Uint8Array(5), 'unexpected: a record of padding'],
      [typed(99, 'x'), 'unexpected: record of type 99'],
    ] as const) {
      const { fetch } = through(await hostile({ certificate: leaf, after: [{ sealed: inner }] }), { ca })
      await rejectsWith('TLS_FAILED', fetch(URL_SECURE), { why })
    }
  })
})

/** A connection that can be cut between the two, with nothing said. */
async function relay(route: unknown): Promise<{ route: Endpoint; cut: () => void }> {
  const sockets: { end(): unknown }[] = []
  const server = createTcpServer((socket) => {
    const onwards = connectTcp(route as NetConnectOpts)
    for (const one of [socket, onwards]) one.on('error', () => {})
    socket.pipe(onwards)
    onwards.pipe(socket, { end: false })
    sockets.push(socket)
  })
  await listening(server)
  const { port } = server.address() as AddressInfo
  return {
    route: { host: '127.0.0.1', port },
    cut: () => {
      for (const socket of sockets) socket.end()
    },
  }
}
