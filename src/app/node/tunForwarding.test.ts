import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type Before, FORWARDING, planForwarding, planReturn, renamed, UNTOUCHED } from './tunForwarding.ts'
import { beforeChange, beforeOf, flowLimits, missingRules, tunRules } from './tunRules.ts'

const DEVICE = 'starling-exit'

/** The switches of a machine, as Linux has them: the one for all of IPv4 sets each; those of IPv6 are apart. */
class FakeLinux {
  readonly values = new Map<string, string>([
    [FORWARDING.ipv4, '0'],
    [FORWARDING.ipv6, '0'],
  ])
  readonly names: string[] = []
  readonly #isNew: boolean

  constructor(isNew: boolean, ...names: string[]) {
    this.#isNew = isNew
    if (isNew) this.values.set('net/ipv6/conf/all/force_forwarding', '0')
    for (const name of names) this.appear(name)
  }

  appear(name: string): void {
    this.names.push(name)
    this.values.set(`net/ipv4/conf/${name}/forwarding`, this.values.get(FORWARDING.ipv4) ?? '0')
    if (this.#isNew) this.values.set(`net/ipv6/conf/${name}/force_forwarding`, '0')
    this.values.set(`net/ipv6/conf/${name}/accept_ra`, '1')
  }

  vanish(name: string): void {
    this.names.splice(this.names.indexOf(name), 1)
    for (const path of [...this.values.keys()]) if (path.includes(`/${name}/`)) this.values.delete(path)
  }

  set(path: string, value: string): void {
    this.values.set(path, value)
    if (path !== FORWARDING.ipv4) return
    for (const name of this.names) this.values.set(`net/ipv4/conf/${name}/forwarding`, value)
  }

  read = (path: string): Promise<string | undefined> => Promise.resolve(this.values.get(path))

  async settle(before: Before): Promise<Before> {
    const plan = await planForwarding(this.read, this.names, DEVICE, before)
    for (const [path, value] of plan.changes) this.set(path, value)
    return plan.before
  }

  async giveBack(before: Before): Promise<void> {
    for (const [path, value] of await planReturn(this.read, before)) this.set(path, value)
  }

  forwards(family: 'ipv4' | 'ipv6', name: string): boolean {
    if (family === 'ipv4') return this.values.get(`net/ipv4/conf/${name}/forwarding`) === '1'
    return [FORWARDING.ipv6, `net/ipv6/conf/${name}/force_forwarding`].some((path) => this.values.get(path) === '1')
  }
}

const same = (linux: FakeLinux): object => Object.fromEntries(linux.values)

describe('forwarding for clients', () => {
  for (const isNew of [true, false]) {
    test(`of ${isNew ? 'Linux 6.17 and later' : 'Linux before'} is switched on for every interface, and back`, async () => {
      const linux = new FakeLinux(isNew, 'eth0', 'eth1')
      const at = same(linux)
      linux.appear(DEVICE)
      let before = await linux.settle(UNTOUCHED)
      for (const name of linux.names) {
        assert.ok(linux.forwards('ipv4', name))
        assert.ok(linux.forwards('ipv6', name))
      }
      assert.equal(linux.values.get(FORWARDING.ipv4), '0')
      assert.equal(linux.values.get('net/ipv6/conf/eth0/accept_ra'), isNew ? '1' : '2')
      assert.deepEqual(before.guarded, { ipv4: ['eth0', 'eth1'], ipv6: ['eth0', 'eth1'] })
      // As a node does that finds it after another was killed.
      before = await linux.settle(before)
      linux.vanish(DEVICE)
      await linux.giveBack(before)
      assert.deepEqual(same(linux), at)
    })
  }

  test('an interface that the operator has kept from forwarding gets that back, where the others forward', async () => {
    const linux = new FakeLinux(true, 'eth0', 'eth1')
    linux.set(FORWARDING.ipv4, '1')
    linux.set('net/ipv4/conf/eth1/forwarding', '0')
    const at = same(linux)
    const before = await linux.settle(UNTOUCHED)
    assert.ok(linux.forwards('ipv4', 'eth1'))
    assert.deepEqual(before.guarded.ipv4, ['eth1'])
    await linux.giveBack(before)
    assert.deepEqual(same(linux), at)
  })

  // One knob of another program: switches of all, interfaces that come and go. At the end everything is as if we had never been there.
  test('whatever others do meanwhile stays, and nothing else', async () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('whole' as const),
        family: fc.constantFrom('ipv4' as const, 'ipv6' as const),
        value: fc.constantFrom('0', '1'),
      }),
      fc.record({ kind: fc.constant('interface' as const), name: fc.constantFrom('eth1', 'ppp0') }),
      fc.record({ kind: fc.constant('look' as const) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const [ours, alone] = [new FakeLinux(true, 'eth0'), new FakeLinux(true, 'eth0')]
        let before = await ours.settle(UNTOUCHED)
        for (const one of steps) {
          if (one.kind === 'look') before = await ours.settle(before)
          else if (one.kind === 'whole') {
            for (const linux of [ours, alone]) linux.set(FORWARDING[one.family], one.value)
            // It looks every ten seconds; who switches on and off within them cannot be seen.
            before = await ours.settle(before)
          } else {
            for (const linux of [ours, alone]) {
              if (linux.names.includes(one.name)) linux.vanish(one.name)
              else linux.appear(one.name)
            }
          }
          const kept = new Set([...before.guarded.ipv4, ...before.guarded.ipv6])
          assert.ok(kept.size <= 3 && before.settings.size <= 6)
        }
        before = await ours.settle(before)
        for (const family of ['ipv4', 'ipv6'] as const) {
          for (const name of ours.names) {
            assert.ok(ours.forwards(family, name))
            assert.equal(before.guarded[family].includes(name), !alone.forwards(family, name), `${family} ${name}`)
          }
        }
        await ours.giveBack(before)
        assert.deepEqual(same(ours), same(alone))
      }),
    )
  })
})

test('the kernel’s table is shared: clients have half of it at most, and each a part of that', () => {
  assert.deepEqual(flowLimits(undefined), { total: 32_768, ofClient: 256 })
  assert.deepEqual(flowLimits(262_144), { total: 32_768, ofClient: 256 })
  assert.deepEqual(flowLimits(0), { total: 32_768, ofClient: 256 })
  assert.deepEqual(flowLimits(16_384), { total: 8192, ofClient: 64 })
  assert.deepEqual(flowLimits(10), { total: 5, ofClient: 1 })
})

test('the rules say what the machine was, and a change of that is said in few words', () => {
  const before: Before = {
    settings: new Map([['net/ipv4/conf/eth0.7/forwarding', '0']]),
    seen: new Map([[FORWARDING.ipv4, '0']]),
    guarded: { ipv4: ['eth0.7'], ipv6: [] },
  }
  const options = { table: 't', device: DEVICE, isIpv6Whole: false, limits: flowLimits(0), allowLocalAddresses: false }
  // As nft prints sets: each on lines of its own.
  const listing = tunRules({ ...options, before }).replace(
    /set (guarded.) \{ type ifname; (.*) \}/g,
    'set $1 {\n type ifname\n $2\n}',
  )
  assert.deepEqual(beforeOf(listing), before)
  assert.equal(beforeChange('t', before, before), '')
  const after = { ...before, guarded: { ipv4: ['ppp0'], ipv6: ['ppp0'] } }
  assert.equal(
    beforeChange('t', before, after),
    'add element inet t guarded4 { "ppp0" }\ndelete element inet t guarded4 { "eth0.7" }\nadd element inet t guarded6 { "ppp0" }',
  )
})

const SOME: Before = {
  settings: new Map([
    ['net/ipv4/conf/a/forwarding', '0'],
    ['net/ipv6/conf/b/accept_ra', '1'],
  ]),
  seen: new Map([[FORWARDING.ipv6, '0']]),
  guarded: { ipv4: ['a', 'b'], ipv6: ['b'] },
}

test('what was known of interfaces is known under their new names, also where two have changed theirs', () => {
  const names = new Map([
    ['a', 'b'],
    ['b', 'a'],
    ['all', 'none'],
  ])
  assert.deepEqual(renamed(SOME, names), {
    settings: new Map([
      ['net/ipv4/conf/b/forwarding', '0'],
      ['net/ipv6/conf/a/accept_ra', '1'],
    ]),
    seen: SOME.seen,
    guarded: { ipv4: ['b', 'a'], ipv6: ['a'] },
  })
  assert.deepEqual(renamed(SOME, new Map()), SOME)
})

test('of rules that are all there nothing is missing, and each line that is not there is', () => {
  const limits = flowLimits(undefined)
  const rules = tunRules({
    table: 't',
    device: DEVICE,
    before: SOME,
    limits,
    isIpv6Whole: false,
    allowLocalAddresses: false,
  })
  assert.equal(missingRules(rules, SOME, rules), undefined)
  const lines = rules.split('\n')
  const isKnown = (line: string): boolean =>
    /^ {4}\S|set (guarded|local|islands)\d .*elements|chain (was|seen)_/.test(line)
  const known = lines.filter(isKnown)
  assert.ok(known.length > 25)
  for (const line of known) {
    assert.notEqual(missingRules(rules, SOME, lines.filter((other) => other !== line).join('\n')), undefined, line)
  }
  assert.equal(missingRules(rules, SOME, ''), 'chain input')
})
