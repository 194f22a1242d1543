/** The pure half of the HTTP proxy: what a request is, what the site reads of it, where it ends. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { concat, fromUtf8Lossy, utf8 } from '../foundation/base/bytes.ts'
import { HeadCollector } from './headCollector.ts'
import { HttpBody } from './httpBody.ts'
import { encodeHttpHead, parseHttpHead } from './httpHead.ts'
import { parseHttpRequest } from './httpRequest.ts'

const request = (...lines: readonly string[]) => parseHttpRequest(utf8(`${lines.join('\r\n')}\r\n\r\n`))
const reasonOf = (...lines: readonly string[]): string => {
  const parsed = request(...lines)
  return parsed.kind === 'refused' ? parsed.reason : parsed.kind
}
const sentFor = (...lines: readonly string[]): string => {
  const parsed = request(...lines)
  assert.equal(parsed.kind, 'forward')
  return parsed.kind === 'forward' ? fromUtf8Lossy(parsed.head) : ''
}
const placeOf = (...lines: readonly string[]): string => {
  const parsed = request(...lines)
  return parsed.kind === 'refused' ? parsed.reason : `${parsed.destination.host} ${parsed.destination.port}`
}

describe('a tunnel', () => {
  it('goes to a host and a port, and needs both', () => {
    assert.equal(placeOf('CONNECT demo.starling:443 HTTP/1.1', 'Host: other:1'), 'demo.starling 443')
    assert.equal(placeOf('CONNECT 192.0.2.1:80 HTTP/1.0'), '192.0.2.1 80')
    assert.equal(placeOf('CONNECT [2001:DB8::0:1]:8443 HTTP/1.1'), '2001:db8::1 8443')
    const none = [
      'demo.starling',
      'demo.starling:',
      ':443',
      'h:0',
      'h:65536',
      'h:4x',
      '2001:db8::1:443',
      '[h]:443',
      '[::1]',
    ]
    for (const target of [...none, 'http://h:443/', 'u@h:443', 'a/b:443', '[::1%25lo]:443', `${'h'.repeat(256)}:1`]) {
      assert.equal(reasonOf(`CONNECT ${target} HTTP/1.1`), 'destination', target)
    }
    assert.equal(reasonOf('CONNECT h:443 HTTP/1.1', 'Content-Length: 5'), 'framing')
    assert.equal(reasonOf('CONNECT h:443 HTTP/1.1', 'Content-Length: 0'), 'connect')
  })
})

describe('a plain request', () => {
  it('reaches the site in origin form, with the host of its target', () => {
    assert.equal(
      sentFor('GET http://demo.starling:8080/a?b=c HTTP/1.1', 'host: evil.example', 'Accept: */*', 'X: \u00fc'),
      'GET /a?b=c HTTP/1.1\r\nHost: demo.starling:8080\r\nAccept: */*\r\nX: \u00fc\r\nConnection: close\r\n\r\n',
    )
    assert.match(sentFor('GET HTTP://h HTTP/1.1'), /^GET \/ HTTP/)
    assert.match(sentFor('GET http://h?q HTTP/1.0'), /^GET \/\?q HTTP\/1\.0\r\n/)
    assert.match(sentFor('OPTIONS http://h HTTP/1.1'), /^OPTIONS \* HTTP/)
    assert.equal(placeOf('GET http://[::1]/ HTTP/1.1'), '::1 80')
    assert.equal(placeOf('GET http://h:/ HTTP/1.1'), 'h 80')
  })

  it('loses what was meant for the proxy, and nothing is added', () => {
    const sent = sentFor(
      'POST http://h/ HTTP/1.1',
      ...[
        'Proxy-Connection: keep-alive',
        'Connection: Keep-Alive, X-Hop , content-length',
        'Keep-Alive: 5',
        'X-Hop: 1',
      ],
      ...['Proxy-Authorization: Basic c2VjcmV0', 'TE: trailers', 'Upgrade: h2c', 'Content-Length: 2', 'Cookie: a'],
    )
    const names = sent
      .split('\r\n')
      .slice(1, -2)
      .map((line) => line.split(':')[0])
    assert.deepEqual(names, ['Host', 'Content-Length', 'Cookie', 'Connection'])
    assert.doesNotMatch(sent, /via|forwarded|c2VjcmV0/i)
  })

  it('is refused where two readers could differ', () => {
    const cases: readonly (readonly [string, ...string[]])[] = [
      ['not-proxy', 'GET / HTTP/1.1', 'Host: 127.0.0.1:1080'],
      ['not-proxy', 'GET h:80 HTTP/1.1'],
      ['scheme', 'GET https://h/ HTTP/1.1'],
      ['scheme', 'GET ftp://h/ HTTP/1.1'],
      ['destination', 'GET http:/// HTTP/1.1'],
      ['destination', 'GET http://user:secret@h/ HTTP/1.1'],
      ['destination', 'GET http://h%0a/ HTTP/1.1'],
      ['not-proxy', 'GET http://h/#part HTTP/1.1'],
      ['version', 'GET http://h/ HTTP/2.0'],
      ['version', 'GET http://h/ HTTP/1.2'],
      ['malformed', 'GET http://h/'],
      ['malformed', 'GET  http://h/ HTTP/1.1'],
      ['malformed', 'GET http://h/ a HTTP/1.1'],
      ['malformed', 'GET http://h/\u00fc HTTP/1.1'],
      ['malformed', 'GET http://h/ HTTP/1.1', ' folded: 1'],
      ['malformed', 'GET http://h/ HTTP/1.1', 'A: 1', ' folded'],
      ['malformed', 'GET http://h/ HTTP/1.1', 'Content-Length : 5'],
      ['malformed', 'GET http://h/ HTTP/1.1', 'A: 1\nB: 2'],
      ['malformed', 'GET http://h/ HTTP/1.1', 'A: 1\rB: 2'],
      ['malformed', 'GET http://h/ HTTP/1.1', 'A: \0'],
      ['malformed', 'GET http://h/ HTTP/1.1', ': 1'],
      ['malformed', 'GET http://h/ HTTP/1.1', ...Array.from({ length: 201 }, () => 'A: 1')],
      ['framing', 'POST http://h/ HTTP/1.1', 'Content-Length: 5', 'Content-Length: 5'],
      ['framing', 'POST http://h/ HTTP/1.1', 'Content-Length: +5'],
      ['framing', 'POST http://h/ HTTP/1.1', 'Content-Length: 5, 5'],
      ['framing', 'POST http://h/ HTTP/1.1', 'Content-Length: 5', 'Transfer-Encoding: chunked'],
      ['framing', 'POST http://h/ HTTP/1.1', 'Transfer-Encoding: gzip, chunked'],
      ['framing', 'POST http://h/ HTTP/1.0', 'Transfer-Encoding: chunked'],
    ]
    for (const [reason, ...lines] of cases) assert.equal(reasonOf(...lines), reason, lines.join(' | '))
  })

  it('no bytes crash the reader, and a head it takes comes back as it was', () => {
    const piece = fc.constantFrom(
      'GET ',
      'CONNECT ',
      'http://h',
      '/',
      ':80',
      ' HTTP/1.1',
      '\r\n',
      '\n',
      'A: b',
      'Host: x',
      '\0',
      'ü',
    )
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 20 }), (pieces) => {
        const bytes = utf8(pieces.join(''))
        parseHttpRequest(bytes)
        const head = parseHttpHead(bytes)
        if (head !== undefined) assert.deepEqual(parseHttpHead(encodeHttpHead(head)), head)
      }),
    )
  })
})

describe('a head in pieces', () => {
  const text = 'GET http://h/ HTTP/1.1\r\nA: \r\r\n\r\nrest'

  it('ends where it ends, however it is cut', () => {
    for (let a = 0; a <= text.length; a++) {
      for (let b = a; b <= text.length; b += 3) {
        const collector = new HeadCollector(1000)
        let found = ''
        for (const piece of [text.slice(0, a), text.slice(a, b), text.slice(b)]) {
          const collected = found === '' ? collector.push(utf8(piece)) : undefined
          if (collected === undefined) found += piece
          else if (collected.kind === 'head')
            found = `${fromUtf8Lossy(collected.head)}|${fromUtf8Lossy(collected.rest)}`
        }
        assert.equal(found, text.replace('rest', '|rest'), `${a} ${b}`)
      }
    }
  })

  it('is too long beyond the limit, and not at it', () => {
    const head = utf8(`${'x'.repeat(96)}\r\n\r\n`)
    assert.equal(new HeadCollector(100).push(concat(head, utf8('more'))).kind, 'head')
    assert.equal(new HeadCollector(99).push(head).kind, 'too-long')
    const collector = new HeadCollector(100)
    for (let i = 0; i < 100; i++) assert.equal(collector.push(utf8('x')).kind, 'pending')
    assert.equal(collector.push(utf8('x')).kind, 'too-long')
  })
})

describe('a body', () => {
  const taken = (body: HttpBody, text: string, step: number): number => {
    let count = 0
    for (let at = 0; at < text.length; at += step) count += body.take(utf8(text.slice(at, at + step)))
    return count
  }

  it('ends after as many bytes as were said', () => {
    const body = new HttpBody({ kind: 'length', bytes: 5 })
    assert.deepEqual([body.take(utf8('abc')), body.isDone, body.take(utf8('defg')), body.isDone], [3, false, 2, true])
    assert.equal(body.take(utf8('GET http://other/')), 0)
    assert.equal(new HttpBody({ kind: 'length', bytes: 0 }).isDone, true)
  })

  it('ends after the last chunk and its trailers, in any pieces', () => {
    const own = '5;name="x"\r\nhello\r\nA \r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n'
    for (let step = 1; step <= own.length + 3; step++) {
      const body = new HttpBody({ kind: 'chunked' })
      assert.equal(taken(body, `${own}GET`, step), own.length, `${step}`)
      assert.deepEqual([body.isDone, body.isBroken], [true, false])
    }
  })

  it('is broken where its chunks are none', () => {
    const texts = [
      'x\r\n',
      '\r\n',
      '5\nhello',
      '-1\r\n',
      '5\r\nhelloX\r\n',
      '5\r\nhello\n',
      '1'.repeat(13),
      '5\r\r\n',
      '0\r\na\n',
    ]
    for (const text of [
      ...texts.map((one) => `${one}\r\n`),
      `5;${'x'.repeat(5000)}`,
      `0\r\n${'a: b\r\n'.repeat(101)}`,
    ]) {
      const body = new HttpBody({ kind: 'chunked' })
      taken(body, text, 7)
      assert.equal(body.isBroken, true, JSON.stringify(text.slice(0, 30)))
    }
  })
})
