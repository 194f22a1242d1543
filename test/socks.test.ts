/** Programs that know SOCKS5 and nothing else, through the proxy of `starling up`. The large files are in test/slow. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Mixnet } from '../src/client/mixnet.ts'
import { SERVICE_TRAFFIC } from '../src/client/trafficParams.ts'
import { nodeProvider } from '../src/foundation/crypto/nodeProvider.ts'
import { nodeWorld } from '../src/foundation/platform/node/nodeWorld.ts'
import { httpOver, httpThrough, SocksError, socksConnect } from './support/socks.ts'
import { type Address, Starling } from './support/starling.ts'
import { assertDownload, assertUpload, SITE, sha256 } from './support/transfers.ts'

const run = promisify(execFile)
const MEGABYTE = 1_000_000
const CERTIFICATE = fileURLToPath(new URL('fixtures/tls/certificate.pem', import.meta.url))
const KEY = fileURLToPath(new URL('fixtures/tls/key.pem', import.meta.url))
// Of RFC 1928, section 6.
const [NOT_ALLOWED, HOST_UNREACHABLE, REFUSED] = [2, 4, 5]

const hasCurl = await run('curl', ['--version']).then(
  () => true,
  () => false,
)

describe('SOCKS5 proxy', { timeout: 240_000 }, () => {
  let network: Starling
  let folder: string
  let proxy: Address
  let directory: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'starling-'))
    network = new Starling(['up', '--json', '--data', folder, '--directory-port', '25100', '--socks-port', '25105'])
    const { host, port } = await network.event('proxy')
    proxy = { host, port }
    directory = (await network.event('directory')).url
  })

  after(async () => {
    await network.stop()
    network.kill()
    await rm(folder, { recursive: true, force: true })
  })

  it('carries a megabyte each way, unchanged', async () => {
    await Promise.all([assertDownload(proxy, MEGABYTE), assertUpload(proxy, MEGABYTE)])
  })

  it('carries more where somebody wants speed instead of cover', async () => {
    // Real packets leave at once, and the exit learns our address: what `anonymous` and the main stream cost is left out.
    const mixnet = await Mixnet.connect(nodeWorld(nodeProvider), {
      directories: [directory],
      anonymous: false,
      traffic: SERVICE_TRAFFIC,
    })
    try {
      const { endpoint } = await mixnet.proxy({ host: '127.0.0.1', port: 0 })
      await assertDownload(endpoint, 2 * MEGABYTE)
    } finally {
      await mixnet.close()
    }
  })

  it('carries HTTPS: the certificate is checked by the program, behind the exit', async () => {
    const server = createHttpsServer({ key: await readFile(KEY), cert: await readFile(CERTIFICATE) }, (_, response) =>
      response.end('secret'),
    )
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      const { port } = server.address() as AddressInfo
      const socket = await socksConnect(proxy, { host: '127.0.0.1', port })
      const secure = connectTls({ socket, servername: 'demo.starling', ca: await readFile(CERTIFICATE) })
      await once(secure, 'secureConnect')
      assert.equal(secure.authorized, true)
      const { body } = await httpOver(secure, `http://127.0.0.1:${port}/`)
      assert.equal(body.toString(), 'secret')
    } finally {
      server.closeAllConnections()
      server.close()
    }
  })

  it('serves fifty requests at once', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => httpThrough(proxy, `${SITE}/`)))
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
    assert.deepEqual(new Set(answers.map(({ body }) => body.toString())).size, 1)
  })

  it('says why it cannot: refused by the exit, no such host, nobody listens', async () => {
    const closed = createServer().listen(0, '127.0.0.1')
    await once(closed, 'listening')
    const { port } = closed.address() as AddressInfo
    closed.close()
    await once(closed, 'close')
    const replyOf = (host: string, to: number) =>
      socksConnect(proxy, { host, port: to }).then(
        () => assert.fail('connected'),
        (error: unknown) => {
          if (error instanceof SocksError) return error.reply
          throw error
        },
      )
    const started = performance.now()
    assert.deepEqual(
      await Promise.all([
        replyOf('demo.starling', 25),
        replyOf('nowhere.invalid', 80),
        replyOf('127.0.0.1', port),
        // Asked once more, so that no memory of a failure makes it another one.
        replyOf('127.0.0.1', port),
      ]),
      [NOT_ALLOWED, HOST_UNREACHABLE, REFUSED, REFUSED],
    )
    // Nobody waited for a limit: the shortest, of a lookup, is 5 s.
    assert.ok(performance.now() - started < 4_900)
  })

  it('is understood by curl', { skip: !hasCurl && 'there is no curl here' }, async () => {
    const curl = (...args: string[]) =>
      run('curl', ['-sS', '--socks5-hostname', `${proxy.host}:${proxy.port}`, ...args], { encoding: 'buffer' })
    const { stdout } = await curl(`${SITE}/bytes/100000`)
    assert.equal(sha256(stdout), sha256(Uint8Array.from({ length: 100_000 }, (_, i) => i % 251)))
    const upload = await curl('--data-binary', `@${CERTIFICATE}`, `${SITE}/upload`)
    assert.equal(JSON.parse(upload.stdout.toString()).sha256, sha256(await readFile(CERTIFICATE)))
    const failure = (...args: string[]) =>
      curl(...args).then(
        () => assert.fail('no error'),
        (error: { code: number; stderr: Buffer }) => `${error.code} ${error.stderr}`,
      )
    assert.match(await failure('http://demo.starling:25/'), /^97 .*\(2\)/)
    assert.match(await failure('http://nowhere.invalid/'), /^97 .*\(4\)/)
  })

  it('is an HTTP proxy on the same port, as curl understands one', {
    skip: !hasCurl && 'there is no curl here',
  }, async () => {
    const curl = (...args: string[]) =>
      run('curl', ['-sS', '--noproxy', '', '-x', `http://${proxy.host}:${proxy.port}`, ...args], { encoding: 'buffer' })
    const { stdout } = await curl(`${SITE}/bytes/100000`)
    assert.equal(sha256(stdout), sha256(Uint8Array.from({ length: 100_000 }, (_, i) => i % 251)))
    const upload = await curl('-H', 'Transfer-Encoding: chunked', '--data-binary', `@${CERTIFICATE}`, `${SITE}/upload`)
    assert.equal(JSON.parse(upload.stdout.toString()).sha256, sha256(await readFile(CERTIFICATE)))

    const secure = createHttpsServer({ key: await readFile(KEY), cert: await readFile(CERTIFICATE) }, (_, response) =>
      response.end('secret'),
    )
    secure.listen(0, '127.0.0.1')
    await once(secure, 'listening')
    try {
      const { port } = secure.address() as AddressInfo
      const there = ['--connect-to', `demo.starling:${port}:127.0.0.1:${port}`, '--cacert', CERTIFICATE]
      assert.equal(`${(await curl(...there, `https://demo.starling:${port}/`)).stdout}`, 'secret')
    } finally {
      secure.closeAllConnections()
      secure.close()
    }

    const refused = await curl('-w', '%{http_code}', 'http://demo.starling:25/')
    assert.match(`${refused.stdout}`, /^Starling: EXIT_REFUSED: .*403$/s)
    const tunnel = await curl('https://nowhere.invalid/').catch((error: { code: number; stderr: Buffer }) => error)
    assert.match(`${'code' in tunnel && tunnel.code} ${tunnel.stderr}`, /^56 .*502/)
  })
})
