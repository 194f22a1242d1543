/**
 * What clients ask for: a TCP service behind the exits that answers with as many bytes as a request wants. Requests say which
 * and how many (`<id> <bytes>\n`); the answer can be checked byte by byte. @module
 */
import { fromUtf8Lossy, utf8 } from '../../foundation/base/bytes.ts'
import type { Connection } from '../../foundation/platform/net.ts'
import type { World } from '../../foundation/platform/world.ts'

export const SITE_PORT = 7000

const PIECE_BYTES = 16_384
const MAX_REQUEST_BYTES = 64
const NEWLINE = 0x0a

export interface SiteRequest {
  readonly id: number
  readonly bytes: number
}

export const encodeRequest = ({ id, bytes }: SiteRequest): Uint8Array => utf8(`${id} ${bytes}\n`)

/** Differs from the pattern of every other id, so that answers and messages cannot be mistaken for each other. */
export function pattern(id: number, bytes: number): Uint8Array {
  const contents = new Uint8Array(bytes)
  let word = Math.imul(id + 1, 0x9e3779b1)
  for (let i = 0; i < bytes; i++) {
    word = (Math.imul(word, 1_664_525) + 1_013_904_223) | 0
    contents[i] = word >>> 24
  }
  return contents
}

export async function serveSite(world: World): Promise<void> {
  await world.net.listen({ host: '0.0.0.0', port: SITE_PORT }, (connection) => {
    let request = new Uint8Array(0)
    connection.attach({
      data(chunk) {
        request = Uint8Array.of(...request, ...chunk)
        if (request.at(-1) === NEWLINE) answer(connection, fromUtf8Lossy(request))
        else if (request.length > MAX_REQUEST_BYTES) connection.destroy()
      },
      // The request was all it had to say; the answer is ended by `answer`.
      end() {},
      close() {},
    })
  })
}

function answer(connection: Connection, request: string): void {
  const [id, bytes] = request.split(' ').map(Number) as [number, number]
  const contents = pattern(id, bytes)
  const pieces: Uint8Array[] = []
  for (let i = 0; i < bytes; i += PIECE_BYTES) pieces.push(contents.subarray(i, i + PIECE_BYTES))
  connection.write(pieces)
  connection.end()
}
