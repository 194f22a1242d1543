/**
 * `npm run bench:wayout`: the two ways out of an exit that carries IP packets, the kernel's device beside passt, without the mixnet in front of them.
 *
 *     sudo npm run bench:wayout -- [--quick]
 *
 * In a network of its own (Linux, root), whose only neighbour echoes datagrams at the end of a cable. One client keeps 64 of 1,200 bytes under way, for two seconds
 * a round; the engines take turns. What is measured is there and back, through the engine and all that hands packets to it. Exits with 1 where hardly anything came back.
 *
 * @module
 */
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { Command } from 'commander'
import { openPacketEngine } from '../src/app/node/packetEngine.ts'
import { silentLog } from '../src/foundation/base/observe.ts'
import { nodeProvider } from '../src/foundation/crypto/nodeProvider.ts'
import { nodeWorld } from '../src/foundation/platform/node/nodeWorld.ts'
import { buildUdp } from '../src/protocol/wire/ip/buildPacket.ts'
import type { WayOut } from '../src/roles/exit/ip/wayOut.ts'
import { run, WorldNamespace } from '../test/support/worldNamespace.ts'
import { ratios, runSubjects, type Subject, spread } from './figures.ts'

const ECHO = `
const socket = require('node:dgram').createSocket({ type: 'udp4', recvBufferSize: 4 << 20 })
socket.on('message', (data, { address, port }) => socket.send(data, port, address))
socket.bind(7000, () => console.log('bound'))`
const [UNDER_WAY, PAYLOAD_BYTES, ROUND_MS, PATIENCE_MS] = [64, 1200, 2000, 50]
const IPS = { ipv4: Uint8Array.of(10, 0, 7, 7), ipv6: Uint8Array.of(0xfc, ...new Array(13).fill(0), 7, 7) }
const ENGINES = ['tun', 'passt'] as const

const wayOut: Subject = {
  name: 'wayout',
  title: `Ways out: a device of the kernel beside passt; echoes of ${PAYLOAD_BYTES} bytes, ${UNDER_WAY} under way`,
  async run({ quick, say }) {
    run('ip', 'link', 'set', 'lo', 'up')
    const world = new WorldNamespace('cable', ['9.9.9.1/24'], ['9.9.9.2/24'])
    // passt wants to know by which interface the world is reached.
    run('ip', 'route', 'add', 'default', 'via', '9.9.9.2')
    const echo = world.start(process.execPath, '-e', ECHO)
    await once(echo.stdout as NodeJS.ReadableStream, 'data')
    const rates = { tun: [] as number[], passt: [] as number[] }
    const costs = { tun: [] as number[], passt: [] as number[] }
    try {
      for (let round = 0; round < (quick ? 2 : 5); round++) {
        for (const engine of round % 2 === 0 ? ENGINES : ENGINES.toReversed()) {
          const options = { engine, allowLocalAddresses: false, log: silentLog }
          const opened = await openPacketEngine(nodeWorld(nodeProvider), options)
          const { perSecond, cpuMicros } = await echoes(opened)
          rates[engine].push(perSecond)
          costs[engine].push(cpuMicros)
          await opened.close()
          say(`round ${round + 1}: ${engine} ${rates[engine].at(-1)?.toFixed(0)}/s`)
        }
      }
    } finally {
      world.close()
    }
    const [device, passt] = [spread(rates.tun), spread(rates.passt)]
    return {
      figures: [
        {
          name: 'through the device',
          unit: 'datagrams/s',
          measured: device,
          reference: { name: 'through passt', value: passt },
          ratio: ratios(rates.tun, rates.passt),
        },
        {
          name: 'CPU of node and engine',
          unit: 'µs a datagram',
          measured: spread(costs.tun),
          reference: { name: 'through passt', value: spread(costs.passt) },
          ratio: ratios(costs.passt, costs.tun),
        },
      ],
      notes: [`There and back; in bits ${((device.median * PAYLOAD_BYTES * 8) / 1e6).toFixed(0)} Mbit/s each way.`],
      failures: Math.min(device.min, passt.min) < 100 ? ['an engine carried hardly anything'] : [],
    }
  },
}

/** Microseconds that this process and the engine's program have used. The kernel counts the latter in hundredths of a second. */
function cpuMicros(): number {
  const { user, system } = process.cpuUsage()
  const programs = readdirSync('/proc').flatMap((pid) => {
    if (!/^[0-9]+$/.test(pid)) return []
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    if (!/\((starling-pump|passt)/.test(stat)) return []
    const [, used = '', inKernel = ''] = /^(?:\S+ ){11}(\S+) (\S+)/.exec(stat.slice(stat.lastIndexOf(')') + 2)) ?? []
    return [(Number(used) + Number(inKernel)) * 10_000]
  })
  return user + system + programs.reduce((sum, one) => sum + one, 0)
}

async function echoes(engine: WayOut): Promise<{ readonly perSecond: number; readonly cpuMicros: number }> {
  const addresses = { source: IPS.ipv4, destination: Uint8Array.of(9, 9, 9, 2) }
  const packet = buildUdp(addresses, { sourcePort: 4000, destinationPort: 7000 }, new Uint8Array(PAYLOAD_BYTES))
  let [count, sinceLast] = [0, 0]
  let isOver = false
  const way = await engine.open(
    {
      ips: IPS,
      received: () => {
        count++
        sinceLast++
        if (!isOver) way.send(packet.slice())
      },
      lost: (error) => console.error(error),
    },
    new AbortController().signal,
  )
  const fill = (): void => {
    for (let i = 0; i < UNDER_WAY; i++) way.send(packet.slice())
  }
  fill()
  // What was lost is not under way any more.
  const watch = setInterval(() => {
    if (sinceLast === 0) fill()
    sinceLast = 0
  }, PATIENCE_MS)
  const [start, cpuBefore] = [performance.now(), cpuMicros()]
  await new Promise((resolve) => setTimeout(resolve, ROUND_MS))
  const perSecond = count / ((performance.now() - start) / 1000)
  const cpu = (cpuMicros() - cpuBefore) / count
  isOver = true
  clearInterval(watch)
  await way.close()
  return { perSecond, cpuMicros: cpu }
}

const { quick } = new Command('npm run bench:wayout --')
  .option('--quick', 'fewer rounds: for a look, not for a record', false)
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .parse()
  .opts<{ readonly quick: boolean }>()

await runSubjects([wayOut], { only: undefined, quick })
process.exit()
