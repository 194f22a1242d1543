/** Why `tlsWatch` and `serverTrust` are there. When one of these fails, the library has got better: see what may go. @module */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, describe, test } from 'node:test'
import { loadX509FromPem, makeTLSClient, setCryptoImplementation } from '@reclaimprotocol/tls'
import { nodeRandom } from '../../foundation/platform/node/nodeRandom.ts'
import { type Hostile, hostile } from './hostileTls.test.ts'
import { made } from './madeCertificates.test.ts'
import { tlsCrypto } from './tlsCrypto.ts'
import { cleanUp } from './webSupport.test.ts'

afterEach(cleanUp)

const HOST = 'demo.starling'
const root = made({ name: 'root', authority: true })

/** What the library takes for said by the host, with all its own checks on. */
async function told(wanted: Hostile): Promise<string> {
  const route = await hostile(wanted)
  assert.ok(typeof route === 'object')
  const socket = connect(route.port, route.host)
  const heard = Promise.withResolvers<string>()
  const quiet = () => {}
  const client = makeTLSClient({
    host: HOST,
    rootCAs: [loadX509FromPem(root.pem)],
    supportedProtocolVersions: ['TLS1_3'],
    logger: { trace: quiet, debug: quiet, info: quiet, warn: quiet, error: quiet },
    applicationLayerProtocols: ['http/1.1'],
    write: ({ header, content }) => void socket.write(Buffer.concat([header, content])),
    onApplicationData: (data) => heard.resolve(new TextDecoder().decode(data)),
    onTlsEnd: (error) => heard.reject(error ?? new Error('ended')),
  })
  setCryptoImplementation(tlsCrypto(nodeRandom.stream('library')))
  await once(socket, 'connect')
  socket.on('data', (chunk) => void client.handleReceivedBytes(new Uint8Array(chunk as Buffer)).catch(heard.reject))
  await client.startHandshake()
  return await heard.promise.finally(() => socket.destroy())
}

describe('@reclaimprotocol/tls 0.1.2, left alone', () => {
  const certificate = made({ name: 'leaf', by: root, dns: [HOST] })

  test('misses no signature', async () => {
    assert.match(await told({ certificate, signature: 'left out' }), /secret/)
  })

  test('goes on behind a signature of another key', async () => {
    assert.match(await told({ certificate, signature: 'by another key' }), /secret/)
  })

  test('lets any certificate sign for any host', async () => {
    const mine = made({ name: 'mine', by: root, dns: ['mine.example'] })
    const forged = made({ name: 'forged', by: mine, dns: [HOST] })
    assert.match(await told({ certificate: forged, above: [mine], signature: 'right' }), /secret/)
  })
})
