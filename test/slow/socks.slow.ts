/**
 * The large files, at the default rate of an anonymous client: 20 MB down and 5 MB up, with SHA-256 compared. A client sends one packet every
 * 20 ms on average whatever it has to say, so this takes a few minutes: `npm run test:slow`.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Address, Starling } from '../support/starling.ts'
import { assertDownload, assertUpload } from '../support/transfers.ts'

const MEGABYTE = 1_000_000

describe('SOCKS5 proxy, large files', { timeout: 900_000 }, () => {
  let network: Starling
  let folder: string
  let proxy: Address

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'starling-'))
    network = new Starling(['up', '--json', '--data', folder, '--directory-port', '26100', '--socks-port', '26105'])
    const { host, port } = await network.event('proxy')
    proxy = { host, port }
  })

  after(async () => {
    await network.stop()
    network.kill()
    await rm(folder, { recursive: true, force: true })
  })

  it('downloads 20 MB', () => assertDownload(proxy, 20 * MEGABYTE))

  it('uploads 5 MB', () => assertUpload(proxy, 5 * MEGABYTE))
})
