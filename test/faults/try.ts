import { PayingNetwork, GATEWAYS } from './payingNetwork.ts'
import { PayingClient } from './payingClient.ts'
import { millis, seconds } from '../../src/foundation/base/units.ts'
const cpu = () => { const u = process.cpuUsage(); return ((u.user + u.system) / 1e6).toFixed(2) }
const network = await PayingNetwork.start({ seed: 'try' })
console.log('started', network.now, cpu())
const N = Number(process.argv[2] ?? 20)
const clients = Array.from({ length: N }, (_, i) => new PayingClient(network, { number: i, every: millis(500) }))
for (const c of clients) void c.start()
for (let i = 0; i < 6; i++) {
  await network.runFor(seconds(10))
  console.log(network.now, cpu(), clients.reduce((a, c) => a + c.sent, 0), clients.reduce((a, c) => a + c.made.size, 0), clients[0]?.left, clients[0]?.longestGap, [...(clients[0]?.failures ?? [])], GATEWAYS.map((g) => network.counter(g, 'gateway_tickets{outcome="verified"}')), [...network.entered.values()].reduce((a, b) => a + b, 0))
}
