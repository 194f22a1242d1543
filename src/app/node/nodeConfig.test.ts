import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parse } from 'smol-toml'
import { fromUtf8Lossy } from '../../foundation/base/bytes.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { checkNodeConfig, formatNodeConfig } from './nodeConfig.ts'

const node = { name: 'tern', roles: ['entry'], host: '192.0.2.1', directories: ['http://127.0.0.1:8080/api'] }

const problem = (more: object): unknown => {
  try {
    checkNodeConfig({ ...node, ...more }, 'node.toml')
  } catch (error) {
    return isMixnetError(error, 'CONFIG_INVALID') ? error.details : error
  }
  return undefined
}

describe('what a gateway announces to pages', () => {
  it('is a name and the port of its TLS proxy, and survives its file', () => {
    const config = checkNodeConfig({ ...node, hostname: 'tern.example', ports: { wss: 443 } }, 'node.toml')
    assert.equal(config.hostname, 'tern.example')
    assert.equal(config.ports.wss, 443)
    assert.deepEqual(checkNodeConfig(parse(fromUtf8Lossy(formatNodeConfig(config))), 'node.toml'), config)
  })

  it('is nothing by default', () => {
    const { hostname, ports } = checkNodeConfig(node, 'node.toml')
    assert.deepEqual([hostname, ports.wss], [undefined, undefined])
  })

  it('must make sense', () => {
    const context = (key: string, why: string) => ({ file: 'node.toml', key, problem: why })
    assert.deepEqual(problem({ ports: { wss: 443 } }), context('ports.wss', 'needs a hostname'))
    for (const hostname of ['', 'tern.example:444', 'tern.example/x', 'a@tern.example', 'tern example', '::1']) {
      assert.deepEqual(problem({ hostname }), context('hostname', 'must be a host name'), hostname)
    }
    for (const wss of [0, 65_536, 1.5, '443']) {
      assert.ok(problem({ hostname: 'tern.example', ports: { wss } }) !== undefined, `${wss}`)
    }
  })
})

describe('tickets', () => {
  it('are neither required nor of the old kind unless it says so, and survive the file', () => {
    assert.equal(checkNodeConfig(node, 'node.toml').tickets, undefined)
    const config = checkNodeConfig({ ...node, tickets: { required: true } }, 'node.toml')
    assert.deepEqual(config.tickets, { required: true, compatible: false })
    assert.deepEqual(checkNodeConfig(parse(fromUtf8Lossy(formatNodeConfig(config))), 'node.toml'), config)
    assert.ok(problem({ tickets: { requierd: true } }) !== undefined)
  })
})
