/** `starling tunnel`: everything that this machine sends goes through the mixnet, or nowhere. @module */
import { MixnetError } from '../../foundation/base/errors.ts'
import { parseIp } from '../../foundation/base/ipAddress.ts'
import { machineError } from '../../foundation/base/machineError.ts'
import type { Net } from '../../foundation/platform/net.ts'
import { openMachineNetwork } from '../../foundation/platform/node/nodeMachineNetwork.ts'
import type { MachineNetwork } from '../../foundation/platform/programNetwork.ts'
import { type ClientOptions, withClient } from './clientSession.ts'
import { nameServersOf, tellLocalResolver } from './namesOfMachine.ts'
import { toldOnce } from './packetTroubles.ts'
import type { Session } from './session.ts'

export interface TunnelOptions extends ClientOptions {
  readonly nameServer?: string
  readonly restore: boolean
}

const STANDS = 'Nothing leaves this machine until "starling tunnel" runs again, or "starling tunnel --restore".'

export async function runTunnel(session: Session, options: TunnelOptions): Promise<number> {
  const { screen, world } = session
  const started = world.clock.monotonic()
  let isMended = false
  const machine = await openMachineNetwork(() => {
    const text = '  Another program took rules of the tunnel away; they were put back.'
    if (!isMended) screen.line(text, { event: 'rules-put-back' })
    isMended = true
  })
  session.takeBackFirst(() =>
    screen.line(
      '  Taking the tunnel back. Once more ends this at once, and may leave the machine without a network: then "starling tunnel --restore".',
      { event: 'taking-back' },
    ),
  )
  if (options.restore) {
    const wasRaised = machine.isRaised
    await machine.restore()
    screen.step('tunnel', wasRaised ? 'taken back; this machine has its own network again' : 'there was none')
    return 0
  }
  if (machine.isRaised) {
    await machine.shut()
    screen.line(`  An earlier tunnel was not taken back. ${STANDS}`)
  }
  let isWanted = machine.isRaised
  try {
    return await withClient(session, { ...options, net: aroundTunnel(world.net, machine) }, async (mixnet) => {
      isWanted = true
      const names = await nameServersOf(world.files)
      await machine.raise()
      const network = mixnet.networkFor(machine, {
        nameServer: options.nameServer,
        nameServers: names.direct,
        ...toldOnce(screen),
      })
      try {
        const told = await tellLocalResolver(names.isLocal, machine.router.ipv4, options.nameServer)
        screen.step('tunnel', 'all of this machine', world.clock.monotonic() - started, {
          event: 'tunnel',
          names: told,
        })
        screen.line(`  names           ${told}\n  stop            Ctrl-C`)
        await Promise.race([session.untilInterrupted(), machine.lost])
        if (session.interrupted.aborted) return 0
        throw machineError(
          'ENGINE_FAILED',
          { device: 'lost' },
          { message: 'the device of the tunnel is gone', nextStep: STANDS },
        )
      } finally {
        await network.close()
      }
    })
  } finally {
    // Only who asks for it gets the machine's own network back: whatever else ends us must not be a way to make the machine talk.
    if (session.interrupted.aborted || !isWanted) await machine.restore()
    else {
      await machine.leave()
      if (machine.isRaised) screen.line(`  ${STANDS}`)
    }
  }
}

/**
 * Whatever our own client connects to is let around first. A name is looked up while the machine still may; afterwards its own question would come to
 * us, so of gateways, which have addresses too, names are not taken then, and directories are reached through the mixnet.
 */
function aroundTunnel(net: Net, machine: MachineNetwork): Net {
  const letAround = async (text: string): Promise<void> => {
    const { hostname, port, protocol } = new URL(text)
    const host = hostname.replace(/^\[|\]$/g, '')
    const number = port === '' ? (/^(https|wss):$/.test(protocol) ? 443 : 80) : Number(port)
    if (parseIp(host) === undefined && machine.isRaised) {
      if (protocol.startsWith('ws')) throw new MixnetError('HOST_UNKNOWN', { why: 'names are for the mixnet now' })
      return
    }
    for (const address of await net.resolve(host)) await machine.letAround(address, number)
  }
  return {
    ...net,
    request: async (request) => {
      if (URL.canParse(request.url)) await letAround(request.url)
      return await net.request(request)
    },
    connectWebSocket: async (options) => {
      if (URL.canParse(options.url)) await letAround(options.url)
      return await net.connectWebSocket(options)
    },
  }
}
