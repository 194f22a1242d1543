/** A program that waits for a network that is gone: nothing but timers is left, and it has to hear of its deadlines all the same. @module */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'

const run = promisify(execFile)
const at = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href)

/** A client whose network swallows everything, without one socket. */
const PROGRAM = `
  import { request } from 'node:http'
  const { createFetch } = await import(${at('./fetch.ts')})
  const { MixnetCore } = await import(${at('./mixnetCore.ts')})
  const { MessageInbox } = await import(${at('./messageInbox.ts')})
  const { Meter } = await import(${at('../foundation/base/observe.ts')})
  const { nodeProvider } = await import(${at('../foundation/crypto/nodeProvider.ts')})
  const { nodeWorld } = await import(${at('../foundation/platform/node/nodeWorld.ts')})
  const world = nodeWorld(nodeProvider)
  const never = new Promise(() => {})
  const nothing = () => {}
  const vitals = { fragments: { sent: 0, acknowledged: 0, again: 0, givenUp: 0 }, surbsLeft: nothing }
  const dialer = {
    open: () => ({ opened: never, vitals, attach: nothing, write: () => never, end: nothing, destroy: nothing, pause: nothing, resume: nothing }),
  }
  const http = createFetch(world, { dialer, timeout: 200 })
  const inbox = new MessageInbox(new Meter(), undefined, world.clock)
  const client = { send: async () => void (await new Promise((resolve) => world.clock.after(200, resolve))) }
  class Core extends MixnetCore {
    constructor() {
      super(world, { client, connections: dialer, inbox, meter: new Meter(), topologyAge: nothing })
    }
  }
  const core = new Core()
  const url = 'http://192.0.2.1/'
  const messages = async () => {
    world.clock.after(200, () => inbox.push({ data: new Uint8Array(1) }))
    await core.messages().next()
  }
  const waits = {
    fetch: () => http.fetch(url),
    dispatcher: async () => (await import('undici')).request(url, { dispatcher: http.adapters().dispatcher }),
    agent: () => new Promise((_, reject) => request(url, { agent: http.adapters().agent.http }).on('error', reject).end()),
    WebSocket: () => new Promise((resolve) => { new http.WebSocket('ws://192.0.2.1/', [], { timeout: 200 }).onerror = resolve }),
    open: () => core.open({ host: '192.0.2.1', port: 80 }, { timeout: 200 }),
    resolve: () => core.resolve('a.example', { server: '192.0.2.1', timeout: 200 }),
    send: () => core.send({}, 'hello'),
    messages,
  }
  const wait = waits[process.argv[1]]
  if (wait === undefined) world.clock.after(60_000, () => console.log('held for nothing'))
  else await wait().then(() => {}, () => {})
  console.log('told')
`

for (const name of ['fetch', 'dispatcher', 'agent', 'WebSocket', 'open', 'resolve', 'send', 'messages', 'nothing']) {
  test(`a process is alive while it waits for ${name}`, async () => {
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', PROGRAM, name], { timeout: 30_000 })
    assert.equal(stdout, 'told\n')
  })
}
