/** Microseconds of CPU for one call, the garbage collector's threads included. Not of wall clock: others use the machine too. */
export function cpuTimeOf(task: () => void, count: number): number {
  const start = process.cpuUsage()
  for (let i = 0; i < count; i++) task()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / count
}
