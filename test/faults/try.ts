import { payingRun } from './payingRun.ts'
import { minutes, seconds } from '../../src/foundation/base/units.ts'
const cpu = () => { const u = process.cpuUsage(); return ((u.user + u.system) / 1e6).toFixed(2) }
try { console.log(await payingRun({ seed: process.argv[2] ?? 'a', clients: Number(process.argv[3] ?? 20), whole: Number(process.argv[5] ?? 1), duration: seconds(Number(process.argv[4] ?? 60)) })) } catch (e) { console.log(e) }
console.log(cpu())
