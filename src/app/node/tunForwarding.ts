/**
 * Which switches of Linux let it forward for an exit's clients, and what they were before. IPv4 is forwarded from each interface whose own switch is on,
 * so the one for all stays as it is, and shows who else wants a router here. IPv6 knows that since Linux 6.17 (`force_forwarding`); before, there is
 * the one for all only, and nobody can tell who else relies on it. Interfaces that we switch on are guarded: they forward for clients and for nobody
 * else (tunRules.ts). Everything here is arithmetic on what was read. @module
 */

/** Interfaces by family. */
export interface Interfaces {
  readonly ipv4: readonly string[]
  readonly ipv6: readonly string[]
}

/** What a machine was before us. */
export interface Before {
  /** What we have switched, by path below /proc/sys, with what it held. */
  readonly settings: ReadonlyMap<string, string>
  /** What we only look at, as it was when we looked last. */
  readonly seen: ReadonlyMap<string, string>
  /** Those that forward for clients and for nobody else. */
  readonly guarded: Interfaces
}

/** As it would be had interfaces always been called what they are called now. Linux takes their switches along, the rules know their names. */
export function renamed({ settings, seen, guarded }: Before, names: ReadonlyMap<string, string>): Before {
  const now = (name: string): string => names.get(name) ?? name
  const nowOf = (path: string): string =>
    path.replace(/(?<=^net\/ipv[46]\/conf\/)[^/]+/, (name) => (name === 'all' ? name : now(name)))
  return {
    settings: new Map([...settings].map(([path, value]) => [nowOf(path), value])),
    seen,
    guarded: { ipv4: guarded.ipv4.map(now), ipv6: guarded.ipv6.map(now) },
  }
}

export const UNTOUCHED: Before = { settings: new Map(), seen: new Map(), guarded: { ipv4: [], ipv6: [] } }

/** Reads below /proc/sys; undefined where there is no such setting. */
export type ReadSetting = (path: string) => Promise<string | undefined>

export interface Plan {
  readonly before: Before
  /** Settings to write, in this order, once the rules guard what `before` says. */
  readonly changes: readonly (readonly [path: string, value: string])[]
}

export const FORWARDING = { ipv4: 'net/ipv4/ip_forward', ipv6: 'net/ipv6/conf/all/forwarding' } as const
/** Whether IPv6 can be forwarded from single interfaces. */
const SINGLE_IPV6 = 'net/ipv6/conf/all/force_forwarding'
const FAMILIES = ['ipv4', 'ipv6'] as const

export const hasIpv6 = async (read: ReadSetting): Promise<boolean> => (await read(FORWARDING.ipv6)) !== undefined

/** Whether one switch is all that this kernel has for IPv6. */
export const isIpv6Whole = async (read: ReadSetting): Promise<boolean> => (await read(SINGLE_IPV6)) === undefined

/**
 * What has to be written so that packets of clients are forwarded from `device`, and answers from wherever they come. To be asked again now and then:
 * interfaces come, and others switch. `names`: the interfaces there are.
 */
export async function planForwarding(
  read: ReadSetting,
  names: readonly string[],
  device: string,
  before: Before,
): Promise<Plan> {
  const settings = new Map(before.settings)
  const seen = new Map(before.seen)
  const guarded = { ipv4: [...before.guarded.ipv4], ipv6: [...before.guarded.ipv6] }
  const changes: (readonly [string, string])[] = []
  for (const family of FAMILIES) {
    const whole = await read(FORWARDING[family])
    if (whole === undefined) continue
    if (family === 'ipv6' && (await isIpv6Whole(read))) {
      if (whole === '0') changes.push(...(await switchWhole()))
      continue
    }
    const was = seen.get(FORWARDING[family]) ?? whole
    seen.set(FORWARDING[family], whole)
    for (const gone of guarded[family].filter((name) => !names.includes(name))) {
      guarded[family].splice(guarded[family].indexOf(gone), 1)
      settings.delete(switchOf(family, gone))
    }
    // Another wants a router here, or none any more: Linux has set all of IPv4 anew, and what we guard is not ours to guard.
    if ((was === '0') !== (whole === '0')) letGo(family, was === '0')
    if (family === 'ipv6' && whole !== '0') continue
    for (const name of names) {
      const path = switchOf(family, name)
      if ((await read(path)) !== '0') continue
      changes.push([path, '1'])
      if (name === device) continue
      if (!settings.has(path)) settings.set(path, '0')
      if (!guarded[family].includes(name)) guarded[family].push(name)
    }
  }
  return { before: { settings, seen, guarded }, changes }

  function letGo(family: 'ipv4' | 'ipv6', isOn: boolean): void {
    for (const name of guarded[family].splice(0)) {
      const path = switchOf(family, name)
      // Where one for all is on, Linux does not look at the single ones, and would again after it.
      if (family === 'ipv6' && isOn) changes.push([path, settings.get(path) ?? '0'])
      settings.delete(path)
    }
  }

  /** A router does not listen to routers, unless it is told to: so interfaces first. */
  async function switchWhole(): Promise<(readonly [string, string])[]> {
    if (settings.has(FORWARDING.ipv6)) return [[FORWARDING.ipv6, '1']]
    const needed: (readonly [string, string])[] = []
    for (const name of names) {
      if (name === device) continue
      guarded.ipv6.push(name)
      const path = `net/ipv6/conf/${name}/accept_ra`
      if ((await read(path)) !== '1') continue
      settings.set(path, '1')
      needed.push([path, '2'])
    }
    settings.set(FORWARDING.ipv6, '0')
    return [...needed, [FORWARDING.ipv6, '1']]
  }
}

/** What gives the machine back what it had. What another has set meanwhile stays, and interfaces may have gone. */
export async function planReturn(read: ReadSetting, { settings }: Before): Promise<Plan['changes']> {
  const changes: (readonly [string, string])[] = []
  for (const [path, value] of [...settings].reverse()) {
    if ((await read(path)) === (path.endsWith('accept_ra') ? '2' : '1')) changes.push([path, value])
  }
  return changes
}

const switchOf = (family: 'ipv4' | 'ipv6', name: string): string =>
  family === 'ipv4' ? `net/ipv4/conf/${name}/forwarding` : `net/ipv6/conf/${name}/force_forwarding`
