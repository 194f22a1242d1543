/**
 * `npm run bench:tunnel`: programs in a network that is nothing but the mixnet (`starling run`), beside the SOCKS proxy, on one network in one run.
 *
 *     npm run bench:tunnel -- [--quick]
 *
 * A process for every node, default delays, passt at the exit. curl downloads through both, each in a client that has just been started and has
 * loaded a smaller file before; they take turns, and begin in another order each round. Pings of `ping` itself, beside what a round trip is drawn
 * to take on average: six mix nodes, and the slot it leaves in. Exits with 1 where something did not work.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { Command } from 'commander'
import { DEFAULT_SIZE } from '../src/app/testnet/layout.ts'
import { DEFAULT_TRAFFIC } from '../src/client/trafficParams.ts'
import { Starling } from '../test/support/starling.ts'
import { exactly, type Figure, ratios, runSubjects, type Subject, spread } from './figures.ts'
import { startProcessNetwork } from './processNetwork.ts'

const [WARM_UP_BYTES, DOWNLOAD_BYTES] = [3_000_000, 5_000_000]
const MIX_NODES_BOTH_WAYS = 6
const host = Object.values(networkInterfaces())
  .flat()
  .find((one) => one?.family === 'IPv4' && !one.internal)?.address

const tunnel: Subject = {
  name: 'tunnel',
  title: 'Programs in the mixnet (`starling run`) beside the SOCKS proxy; a process for every node; default delays',
  async run({ quick, say }) {
    if (host === undefined) return { figures: [], notes: [], failures: ['this machine has no address but loopback'] }
    const site = createServer((request, response) => response.end(Buffer.alloc(Number(request.url?.slice(1)), 7)))
    await new Promise<void>((resolve) => site.listen(0, host, resolve))
    const url = `http://${host}:${(site.address() as AddressInfo).port}`
    try {
      say('starting the network')
      const running = await startProcessNetwork(DEFAULT_SIZE, new Map(), { packets: true })
      try {
        const { directoryUrl } = running
        const ways = [
          { name: 'run', rates: [] as number[], load: () => throughRun(directoryUrl, url) },
          { name: 'SOCKS', rates: [] as number[], load: () => throughSocks(directoryUrl, url) },
        ]
        for (let round = 0; round < (quick ? 1 : 5); round++) {
          for (const { name, rates, load } of round % 2 === 0 ? ways : ways.toReversed()) {
            rates.push(await load())
            say(`round ${round + 1}: ${name} ${rates.at(-1)?.toFixed(0)} kB/s`)
          }
        }
        const [run, socks] = ways.map(({ rates }) => rates) as [number[], number[]]
        say('pings')
        return { figures: [download(run, socks), pings(await pingTimes(directoryUrl, quick ? 50 : 200))], notes: [] }
      } finally {
        await running.stop()
      }
    } finally {
      site.closeAllConnections()
      site.close()
    }
  },
}

function download(run: readonly number[], socks: readonly number[]): Figure {
  return {
    name: `curl, ${DOWNLOAD_BYTES / 1e6} MB`,
    unit: 'kB/s',
    measured: spread(run),
    reference: { name: 'through SOCKS', value: spread(socks) },
    ratio: ratios(run, socks),
    goal: { of: 'ratio', atLeast: 0.7 },
  }
}

/** The mean of all, for single delays are drawn: what is above the mean of the draws is ours. */
function pings(times: readonly number[]): Figure {
  const { averagePacketDelay, mainStreamInterval = 0 } = DEFAULT_TRAFFIC
  const drawn = MIX_NODES_BOTH_WAYS * averagePacketDelay + mainStreamInterval
  const mean = times.reduce((sum, one) => sum + one, 0) / times.length
  return {
    name: `ping, mean of ${times.length}`,
    unit: 'ms',
    measured: { ...spread(times), median: mean },
    reference: { name: 'drawn on average', value: exactly(drawn) },
    goal: { of: 'measured', atMost: drawn + 25 },
  }
}

const script = (curl: string, url: string): string =>
  `${curl} -sSf -o /dev/null ${url}/${WARM_UP_BYTES} && ${curl} -sSf -o /dev/null -w '%{speed_download}' ${url}/${DOWNLOAD_BYTES}`

async function throughRun(directory: string, url: string): Promise<number> {
  const ran = new Starling(['run', '--directory', directory, '--', 'sh', '-c', script('curl', url)])
  const { code } = await ran.exited
  if (code !== 0) throw new Error(`starling run: ${ran.stderr}`)
  return Number(ran.stdout) / 1000
}

async function throughSocks(directory: string, url: string): Promise<number> {
  const proxy = new Starling(['proxy', '--json', '--directory', directory, '--port', '0'])
  try {
    const { host: ip, port } = await proxy.event('proxy')
    const child = spawn('sh', ['-c', script(`curl --socks5-hostname ${ip}:${port}`, url)])
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk
    })
    const code = await new Promise((resolve) => child.once('close', resolve))
    if (code !== 0) throw new Error('curl through SOCKS')
    return Number(said) / 1000
  } finally {
    proxy.child.kill('SIGTERM')
    await proxy.exited
  }
}

/** The first ones are asked while there is no address yet. */
async function pingTimes(directory: string, count: number): Promise<number[]> {
  const command = `ping -c 40 -i 0.2 ${host} >/dev/null; ping -c ${count} -i 0.2 ${host}`
  const ran = new Starling(['run', '--directory', directory, '--', 'sh', '-c', command])
  await ran.exited
  const times = [...ran.stdout.matchAll(/time=([0-9.]+) ms/g)].map(([, ms]) => Number(ms))
  if (times.length < count * 0.9) throw new Error(`${times.length} of ${count} pings answered: ${ran.stderr}`)
  return times
}

const { quick } = new Command('npm run bench:tunnel --')
  .option('--quick', 'fewer rounds: for a look, not for a record', false)
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .parse()
  .opts<{ readonly quick: boolean }>()

await runSubjects([tunnel], { only: undefined, quick })
