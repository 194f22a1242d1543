/** The beginnings of protocols, for ports that speak another one. @module */
import { concat, utf8 } from '../../src/foundation/base/bytes.ts'

/** A TLS 1.2 record with a ClientHello of nonsense: enough to be told apart. */
const hello = Uint8Array.of(
  22,
  3,
  1,
  0,
  165,
  1,
  0,
  0,
  161,
  3,
  3,
  ...new Uint8Array(32).fill(0x5a),
  0,
  0,
  2,
  0x13,
  1,
  1,
  0,
)

export const DATAGRAMS: Readonly<
  Record<'http' | 'http2' | 'tls' | 'upgrade' | 'oldUpgrade' | 'socks' | 'ssh', Uint8Array>
> = {
  http: utf8('GET / HTTP/1.1\r\nHost: node.example\r\n\r\n'),
  http2: utf8('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  tls: concat(hello, new Uint8Array(120)),
  upgrade: utf8(
    'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  ),
  oldUpgrade: utf8(
    'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 7\r\n' +
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  ),
  socks: Uint8Array.of(5, 1, 0),
  ssh: utf8('SSH-2.0-OpenSSH_9.9\r\n'),
}
