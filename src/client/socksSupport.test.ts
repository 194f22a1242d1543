/** For the tests of the SOCKS server: a server before an exit that is the test, or real. @module */
import assert from 'node:assert/strict'
import { fromHex, toHex, utf8 } from '../foundation/base/bytes.ts'
import { Meter, silentLog } from '../foundation/base/observe.ts'
import { HandClock } from '../foundation/platform/handClock.ts'
import { BridgeExit } from './bridgeExit.test.ts'
import type { Destination, Dialer } from './dialer.ts'
import type { ExitStream, ExitStreamParams } from './exitStream.ts'
import { DEFAULT_SOCKS5, type Socks5Params, Socks5Server } from './socks5Server.ts'
import { HOST, PARAMS, Peer, type Scripted, scripted, serve, testWorld } from './streamSupport.test.ts'

export const NAME = 'demo.starling'
export const REQUEST: Uint8Array = fromHex(`050100050100030d${toHex(utf8(NAME))}0050`)
export const GRANTED = '050005000001000000000000'
export const denied = (code: string): string => `050005${code}0001000000000000`

const cleanups: (() => unknown)[] = []
/** For `afterEach`. */
export async function cleanUp(): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
}

export interface Setup {
  readonly clock: HandClock
  readonly meter: Meter
  readonly server: Socks5Server
  connect(): Promise<Peer>
}

export async function setUp(
  dialer: Dialer,
  params: Partial<Socks5Params> = {},
  clock: HandClock = new HandClock(),
): Promise<Setup> {
  const meter = new Meter()
  const server = await Socks5Server.listen(testWorld(clock), {
    host: HOST,
    port: 0,
    dialer,
    meter,
    log: silentLog,
    params: { ...DEFAULT_SOCKS5, ...params },
  })
  cleanups.push(() => server.close())
  const connect = async () => {
    const peer = await Peer.connect(server.endpoint)
    cleanups.push(() => peer.connection.destroy())
    return peer
  }
  return { clock, meter, server, connect }
}

/** A dialer whose streams the test answers by hand. */
export function byHand(
  clock: HandClock,
  params: ExitStreamParams = PARAMS,
): Dialer & { readonly opened: (Scripted & { to: Destination })[] } {
  const opened: (Scripted & { to: Destination })[] = []
  return {
    opened,
    open(to: Destination): ExitStream {
      const script = Object.assign(scripted(clock, { params, messageBytes: 7000 }), { to })
      opened.push(script)
      return script.stream
    },
  }
}

/** A proxy to one real server, which the test also is. */
export async function bridged(
  accept: (peer: Peer) => void,
): Promise<Setup & { exit: BridgeExit; requested: (hex: string) => Promise<Peer> }> {
  const target = await serve(accept)
  cleanups.push(() => target.close())
  const clock = new HandClock()
  const exit = new BridgeExit(clock, () => target.endpoint)
  const setup = await setUp(exit, {}, clock)
  const requested = async (reply: string): Promise<Peer> => {
    const peer = await setup.connect()
    peer.send(REQUEST)
    assert.equal(toHex(await peer.first(12)), reply)
    return peer
  }
  return { ...setup, exit, requested }
}
