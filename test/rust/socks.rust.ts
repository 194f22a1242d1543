/** The SOCKS5 client of the official Rust SDK 1.21.6, unmodified, through our network and our exit. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { count, LocalNetwork, SITE } from '../browser/network.ts'
import { pattern, sha256 } from '../browser/site.ts'
import { type Answer, httpThrough, socksConnect } from '../support/socks.ts'
import { buildSdkClient, SdkClient } from './sdkClient.ts'

const SITE_HOST = new URL(SITE).hostname
const MEGABYTE = 1_000_000
/** Below the ports that systems give away. */
const PORTS = { true: 26_490, false: 26_491 } as const

const program = await buildSdkClient()
const textOf = ({ body }: Answer): string => new TextDecoder().decode(body)

describe('SOCKS5 client of the official Rust SDK 1.21.6', { skip: program.skip, timeout: 900_000 }, () => {
  let network: LocalNetwork

  before(async () => {
    network = await LocalNetwork.start(26400)
  })

  after(async () => {
    await network?.stop()
  })

  for (const anonymous of [false, true]) {
    describe(anonymous ? 'answered through reply SURBs' : 'answered to its address', () => {
      const proxy = { host: '127.0.0.1', port: PORTS[`${anonymous}`] }
      let rust: SdkClient

      before(async () => {
        assert.ok(program.skip === false)
        rust = new SdkClient(program.path, network.directoryUrl)
        await rust.serveSocks({ provider: network.requester, anonymous, ...proxy })
      })

      after(async () => {
        await rust?.stop()
      })

      it('gets', async () => {
        const answer = await httpThrough(proxy, `${SITE}/hello?who=rust`)
        assert.equal(answer.status, 200)
        assert.equal(textOf(answer), 'hello rust')
        const exit = network.nodes.find(({ roles }) => roles.includes('exit'))
        assert.deepEqual((await network.look()).visits.at(-1), { what: 'GET /hello?who=rust', from: exit?.host })
      })

      it('posts, of one packet and of many', async () => {
        for (const size of [10, 300_000]) {
          const body = randomBytes(size)
          const answer = await httpThrough(proxy, `${SITE}/upload`, { method: 'POST', body })
          const { bytes, sha256: hash } = JSON.parse(textOf(answer))
          assert.deepEqual({ bytes, hash }, { bytes: size, hash: sha256(body) })
        }
      })

      it('downloads a megabyte, unchanged', async () => {
        const { body } = await httpThrough(proxy, `${SITE}/bytes?count=${MEGABYTE}`)
        assert.equal(body.length, MEGABYTE)
        assert.equal(sha256(body), sha256(pattern(MEGABYTE)))
      })

      it('makes ten requests at once', async () => {
        const names = Array.from({ length: 10 }, (_, i) => `visitor${i}`)
        const answers = await Promise.all(names.map((name) => httpThrough(proxy, `${SITE}/hello?who=${name}`)))
        assert.deepEqual(
          answers.map(textOf),
          names.map((name) => `hello ${name}`),
        )
      })

      it('reports a 404', async () => {
        assert.equal((await httpThrough(proxy, `${SITE}/missing`)).status, 404)
      })

      it('goes on after a destination that the exit refuses, and one where nobody listens', async () => {
        const refusals = () => network.look().then((look) => count(look, 'exit_refused_total'))
        const before = await refusals()
        // It says success before the exit has answered, and of a refusal nothing at all: the connection just stays.
        const refused = await socksConnect(proxy, { host: SITE_HOST, port: 25 })
        await network.until((look) => count(look, 'exit_refused_total') > before, 'the exit refuses')
        refused.destroy()
        await assert.rejects(httpThrough(proxy, 'http://127.0.0.1:1/'))
        assert.equal(textOf(await httpThrough(proxy, `${SITE}/hello?who=next`)), 'hello next')
      })
    })
  }
})
