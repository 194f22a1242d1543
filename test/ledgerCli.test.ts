/** The commands of the ledger, typed by an operator and a delegator, against the real contracts on a chain of our own. */
import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Secret } from '../src/foundation/base/secret.ts'
import { nodeProvider } from '../src/foundation/crypto/nodeProvider.ts'
import { nodePasswordHashes } from '../src/foundation/crypto/passwords.ts'
import { anvilProgram } from '../src/network/ledger/anvilProgram.ts'
import { openKeystore } from '../src/network/ledger/keystore.ts'
import { codeBlocks, commandsOf } from './support/guides.ts'
import { NYM, TestLedger } from './support/ledgerNetwork.ts'
import { type CliEvent, Starling, temporaryFolder } from './support/starling.ts'

function hasAnvil(): boolean {
  try {
    anvilProgram()
    return true
  } catch {
    return false
  }
}
const skip = hasAnvil() ? false : 'anvil was not installed here'
const PASSWORD = 'starling-test'

describe('the ledger, typed', { skip, timeout: 600_000 }, () => {
  let folder = ''
  let network: TestLedger
  const afterwards: (() => unknown)[] = []
  const t = { after: (work: () => unknown) => afterwards.push(work) }
  const at = (name: string) => join(folder, name)

  /** To its end; what it said. */
  const type = (...args: string[]) => typeIn(folder, ...args)
  async function typeIn(cwd: string, ...args: string[]): Promise<Starling & { code: number | null }> {
    const run = new Starling(args, { cwd, env: { STARLING_TEST_PASSWORD: PASSWORD } })
    t.after(() => run.kill())
    const { code } = await run.exit()
    return Object.assign(run, { code })
  }
  const onLedger = () => ['--rpc', network.url, '--deployment', at('ledger.json')]
  /** With keys that are no key files of wallets: opening one takes a second of both cores. */
  const doing = (name: string) => [...onLedger(), '--key', at(`${name}.key`), '--yes', '--json']
  const eventOf = (run: Starling, name: string) => {
    const found = run.events.find(({ event }) => event === name)
    assert.ok(found, `${name} in ${run.stdout}${run.stderr}`)
    return found
  }

  before(async () => {
    folder = await temporaryFolder(t)
    network = await TestLedger.start(at('chain'))
    t.after(() => network.stop())
  })
  after(async () => {
    for (const work of afterwards.reverse()) await work()
  })

  it('deploys, after it showed every number and was told to', async () => {
    await writeFile(
      at('network.toml'),
      [
        'epochSeconds = 3600',
        'minimumPledge = "50 NYM"',
        'rewardedSet = { entryGateways = 1, exitGateways = 1, mixnodes = 3, standby = 1 }',
      ].join('\n'),
    )
    const args = [
      'ledger',
      'deploy',
      '--local',
      '--rpc',
      network.url,
      '--key',
      at('chain/deployer.key'),
      '--params',
      at('network.toml'),
      '--deployment',
      at('ledger.json'),
      '--json',
    ]
    const asked = await type(...args)
    assert.equal(asked.code, 2)
    assert.equal(eventOf(asked, 'preview').params.minimumPledge, '50000000')
    assert.match(eventOf(asked, 'problem').nextStep, /--yes/)
    const deployed = await type(...args, '--yes')
    assert.equal(deployed.code, 0, deployed.stdout + deployed.stderr)
    assert.equal(deployed.events.filter(({ event }) => event === 'step').length, 13)
    const again = await type(...args, '--yes')
    assert.equal(again.code, 2)
    assert.match(eventOf(again, 'problem').message, /already/)
    await network.open(at('ledger.json'))
  })

  it('goes on where it was stopped, with the numbers it began with', async (test) => {
    const args = ['--key', at('chain/deployer.key'), '--deployment', at('second.json'), '--json', '--yes']
    let transactions = 0
    let stop = () => {}
    const counted = await proxy(test, network.url, async (asked, forward) => {
      if (asked.includes('eth_sendRawTransaction') && ++transactions === 4) stop()
      return forward()
    })
    const run = new Starling(['ledger', 'deploy', '--rpc', counted, ...args], { cwd: folder })
    t.after(() => run.kill())
    stop = () => run.child.kill('SIGINT')
    assert.equal((await run.exit()).code, 130, run.stdout + run.stderr)
    assert.equal(eventOf(run, 'stopped').mayStillHappen, true)
    const other = await type('ledger', 'deploy', '--rpc', network.url, ...args, '--local')
    assert.match(eventOf(other, 'problem').message, /begun with other numbers/)
    const rest = await type('ledger', 'deploy', '--rpc', network.url, ...args)
    assert.equal(rest.code, 0, rest.stdout)
    assert.equal(rest.events.filter(({ event }) => event === 'step').length, 13 - 4)
  })

  it('refuses parameters that cannot be, by their names', async () => {
    await writeFile(at('wrong.toml'), 'minimumPledge = "50"')
    const run = await type(
      'ledger',
      'deploy',
      '--rpc',
      network.url,
      '--key',
      at('chain/deployer.key'),
      '--params',
      at('wrong.toml'),
      '--deployment',
      at('other.json'),
      '--json',
      '--yes',
    )
    assert.equal(run.code, 2)
    assert.match(eventOf(run, 'problem').message, /minimumPledge.*Say the unit: "50 NYM"/)
  })

  it('gives a newcomer a key, NYM and coins', async () => {
    for (const name of ['operator.json', 'delegator.json']) {
      const made = await type(
        'ledger',
        'account',
        'new',
        at(name),
        '--password-env',
        'STARLING_TEST_PASSWORD',
        '--json',
      )
      assert.equal(made.code, 0, made.stderr)
      const { address } = eventOf(made, 'account')
      const given = await type('ledger', 'faucet', address, ...onLedger(), '--key', at('chain/deployer.key'), '--json')
      assert.equal(given.code, 0, given.stdout)
      const shown = await type('ledger', 'account', 'show', at(name), ...onLedger(), '--json')
      assert.equal(eventOf(shown, 'account').unym, String(10_000n * NYM))
    }
    for (const name of ['operator', 'delegator']) {
      const tools = { crypto: nodeProvider, passwords: nodePasswordHashes }
      const key = await openKeystore(tools, await readFile(at(`${name}.json`)), PASSWORD)
      await writeFile(at(`${name}.key`), key.expose())
    }
    const over = await type(
      'ledger',
      'account',
      'new',
      at('operator.json'),
      '--password-env',
      'STARLING_TEST_PASSWORD',
      '--json',
    )
    assert.equal(over.code, 2)
    const wrong = await type(
      'node',
      'unbond',
      ...onLedger(),
      '--key',
      at('operator.json'),
      '--password-file',
      at('network.toml'),
      '--json',
      '--yes',
    )
    assert.match(eventOf(wrong, 'problem').message, /wrong password/)
    const unasked = await type('node', 'unbond', ...onLedger(), '--key', at('operator.json'), '--json')
    assert.match(eventOf(unasked, 'problem').nextStep, /--password-file/)
  })

  it('bonds a node with its identity key, and says in words what is refused', async () => {
    const made = await type('node', 'init', at('knot'), '--role', 'mix', '--host', '192.0.2.7', '--json')
    assert.equal(made.code, 0)
    const little = await type('node', 'bond', at('knot'), '--pledge', '10 NYM', ...doing('operator'))
    assert.equal(little.code, 2)
    assert.match(eventOf(little, 'problem').message, /the pledge is below the minimum/)
    const rich = await type('node', 'bond', at('knot'), '--pledge', '20000 NYM', ...doing('operator'))
    assert.match(eventOf(rich, 'problem').message, /too few NYM.*needs: 20,000 NYM, has: 10,000 NYM/)
    const bonded = await type(
      'node',
      'bond',
      at('knot'),
      '--pledge',
      '100 NYM',
      '--margin',
      '0.25',
      ...doing('operator'),
    )
    assert.equal(bonded.code, 0, bonded.stdout)
    assert.equal(eventOf(bonded, 'done').nodeId, 1)
    const text = JSON.parse(eventOf(bonded, 'ownership').text)
    assert.deepEqual(text.content.funds, [{ denom: 'unym', amount: '100000000' }])
    const twice = await type('node', 'bond', at('knot'), ...doing('operator'))
    assert.match(eventOf(twice, 'problem').message, /has bonded a node/)
    const nobody = await type('node', 'unbond', ...doing('delegator'))
    assert.match(eventOf(nobody, 'problem').message, /has no node/)
  })

  it('delegates, and shows what a node and its delegators earn', async () => {
    const bare = await type('delegate', '1', '100', ...doing('delegator'))
    assert.equal(bare.code, 2)
    assert.match(bare.stderr, /Say the unit: "100 NYM"/)
    const none = await type('delegate', '99', '100', 'NYM', ...doing('delegator'))
    assert.match(eventOf(none, 'problem').message, /no such bonded node/)
    const done = await type('delegate', '1', '1,000.5', 'NYM', ...doing('delegator'))
    assert.equal(done.code, 0, done.stdout)
    const waits = await type('rewards', '--key', at('delegator.json'), ...onLedger(), '--json')
    assert.equal(eventOf(waits, 'waiting').unym, '1000500000')
    assert.match(eventOf(done, 'preview').effects.when, /at the end of epoch 24, in \d+ min/)
    assert.equal(eventOf(done, 'done').unym, '1000500000')

    const unmeasured = await type('node', 'rewards', '--key', at('operator.json'), '--explain', ...onLedger())
    assert.match(unmeasured.stdout, /No score yet/)
    assert.doesNotMatch(unmeasured.stdout, /performance below/)
    const silent = await type('ledger', 'status', ...onLedger())
    assert.match(silent.stdout, /^ {2}outside {5}1 \(192\.0\.2\.7, not announced yet\)$/m)
    await network.announce(1, new Secret(await readFile(at('operator.key'))))
    await network.populate()
    await network.endEpoch()
    for (let epoch = 0; epoch < 2; epoch++) await network.endEpoch({ reports: true })

    const status = await type('ledger', 'status', ...onLedger())
    assert.equal(status.code, 0, status.stderr)
    assert.match(status.stdout, /^ {2}epoch {7}27, ends in .*\n {2}interval /m)
    assert.match(status.stdout, /^ {2}layer 1 {5}\d \(192\.0\.2\.\d+\)$/m)
    assert.match(status.stdout, /monitor {5}0x/)
    assert.match(status.stdout, /^ {2}outside {5}\d \(192\.0\.2\.\d+\)/m)
    const rewards = await type('rewards', '--key', at('delegator.json'), ...onLedger(), '--json')
    assert.ok(BigInt(eventOf(rewards, 'rewards').rewardUnym) > 0n, rewards.stdout)
    const own = await type('node', 'rewards', '--key', at('operator.json'), '--explain', ...onLedger())
    assert.equal(own.code, 0, own.stderr)
    assert.match(own.stdout, /less {8}.* NYM: performance below 100 %/)
    const score = await type('node', 'score', '1', ...onLedger())
    assert.equal(score.code, 0, score.stderr)
    assert.match(score.stdout, /node 1 in epoch 26: score 9\d %/)
    assert.match(score.stdout, /no evidence to be had/)
    const nobody = await type('node', 'score', '999', ...onLedger())
    assert.equal(nobody.code, 2)
    assert.match(nobody.stderr, /there never was such a node/)
  })

  it('is governed, at once and at the end of an epoch', async () => {
    await network.govern('updateIntervalConfig', 60, 1800, true)
    await network.govern('updateActiveSetDistribution', 2, 1, 3, false)
    const status = await type('ledger', 'status', ...onLedger(), '--json')
    const { secondsLeft } = eventOf(status, 'epoch')
    assert.ok(secondsLeft <= 1800, `${secondsLeft}`)
  })

  it('names issuers: proposes them, waits, executes, and says what could not be', async () => {
    const members: CliEvent[] = []
    for (const name of ['iris', 'lark', 'teal']) {
      const made = await type('issuer', 'init', name, '--url', `http://${name}.example`, ...onLedger(), '--json')
      assert.equal(made.code, 0, made.stdout + made.stderr)
      members.push(eventOf(made, 'issuer'))
    }
    const plan = async (threshold: number, inSeconds: number, who = members) => {
      const { time } = await network.ledger.block()
      const startsAt = new Date((time + inSeconds) * 1000).toISOString().replace('.000', '')
      const lines = who.flatMap(({ owner, identity, url }) => [
        '[[issuers]]',
        ...[`owner = "${owner}"`, `identity = "${identity}"`, `url = "${url}"`],
      ])
      await writeFile(
        at('issuers.toml'),
        [`threshold = ${threshold}`, `starts_at = "${startsAt}"`, ...lines].join('\n'),
      )
      return type('ledger', 'plan', at('issuers.toml'), ...onLedger(), '--key', at('chain/deployer.key'), '--json')
    }
    const again = () => type('ledger', 'plan', at('issuers.toml'), ...doing('chain/deployer'))
    const [first, ...others] = members as [CliEvent, ...CliEvent[]]
    for (const [run, said] of [
      [await plan(1, 600), /at least 2 must sign/],
      [await plan(2, 30), /or later, with time for you/],
      [await plan(2, 600, [first, first, ...others]), /an owner and an identity of its own/],
      [await plan(2, 600, [{ ...first, owner: '0x12' }, ...others]), /^Correct/],
      [await plan(2, 600), /--yes/],
    ] as const) {
      assert.equal(run.code, 2, run.stdout + run.stderr)
      assert.match(eventOf(run, 'problem').nextStep, said)
    }
    const proposed = await again()
    assert.equal(proposed.code, 3, proposed.stdout + proposed.stderr)
    assert.equal(eventOf(proposed, 'proposal').state, 'waiting')
    assert.equal(proposed.events.filter(({ event }) => event === 'done').length, 1)
    const waits = await again()
    assert.equal(waits.code, 3, waits.stdout + waits.stderr)
    assert.ok(!waits.events.some(({ event }) => event === 'done'), 'it was proposed twice')
    await network.pass(61)
    const executed = await again()
    assert.equal(executed.code, 0, executed.stdout + executed.stderr)
    const { threshold, members: named } = await network.ledger.read('issuers', 'planOf', [1n])
    assert.deepEqual([threshold, named.map(({ url }) => url)], [2, members.map(({ url }) => url)])
    const done = await again()
    assert.deepEqual([done.code, eventOf(done, 'proposal').state], [0, 'done'])
    const status = await type('ledger', 'status', ...onLedger(), '--json')
    const told = eventOf(status, 'issuers')
    assert.deepEqual([told.agreed, told.planned, told.issuers, told.threshold], [0, 1, 3, 2])
    assert.equal(eventOf(status, 'tickets').deposits, 0)
  })

  it('changes pledge and costs, takes out rewards, takes back a delegation', async () => {
    const both = await type('node', 'pledge', ...doing('operator'))
    assert.match(eventOf(both, 'problem').message, /more or less/)
    assert.equal((await type('node', 'pledge', '--more', '50 NYM', ...doing('operator'))).code, 0)
    const pending = await type('node', 'pledge', '--less', '10 NYM', ...doing('operator'))
    assert.equal(pending.code, 3)
    assert.match(eventOf(pending, 'problem').message, /an earlier change of the pledge is pending/)
    const costs = await type('node', 'costs', '--margin', '0.3', ...doing('operator'))
    assert.match(eventOf(costs, 'preview').effects.when, /at the end of interval 0/)
    const paid = await type('node', 'rewards', '--withdraw', ...doing('operator'))
    assert.match(eventOf(paid, 'preview').effects.withdraw, /the pledge of 100 NYM stays/)
    assert.equal((await type('rewards', '--withdraw', ...doing('delegator'))).code, 0)
    assert.equal((await type('undelegate', '1', ...doing('delegator'))).code, 0)
    await network.endEpoch({ reports: true, silent: 1 })
    const claimed = await type('claim', ...doing('delegator'))
    assert.equal(claimed.code, 0, claimed.stdout)
    const nothing = await type('claim', ...doing('delegator'))
    assert.match(eventOf(nothing, 'problem').message, /nothing is owed/)
    assert.equal((await type('node', 'unbond', ...doing('operator'))).code, 0)
    await network.endEpoch({ reports: true })
    assert.equal((await type('claim', ...doing('operator'))).code, 0)
  })

  it('verifies all of it from events alone', async () => {
    const all = await type('ledger', 'verify', '--all', ...onLedger(), '--json')
    assert.equal(all.code, 0, all.stdout)
    const epochs = all.events.filter(({ event }) => event === 'epoch')
    assert.deepEqual(
      epochs.map(({ epoch, reports, excluded }) => [epoch, reports, excluded]),
      [
        [24, 0, 0],
        [25, 3, 0],
        [26, 3, 0],
        [27, 2, 1],
        [28, 2, 0],
      ],
    )
    assert.ok(
      epochs.slice(1).every(({ rewarded }) => rewarded >= 5),
      all.stdout,
    )
    const one = await type('ledger', 'verify', '--epoch', '25', ...onLedger())
    assert.equal(one.code, 0)
    assert.match(one.stdout, /verified {4}2 epochs, \d+ events/)
    const running = await type('ledger', 'verify', '--epoch', '29', ...onLedger(), '--json')
    assert.equal(running.code, 2)
    assert.match(eventOf(running, 'problem').message, /has not ended/)
    const never = await type('ledger', 'verify', '--epoch', '23', ...onLedger(), '--json')
    assert.equal(never.code, 2)
    assert.match(eventOf(never, 'problem').message, /there was no epoch 23/)
    assert.match(eventOf(never, 'problem').nextStep, /24/)
  })

  it('counts what it looked at, up to the epoch that was asked for', async () => {
    const counted: { events: number; block: number }[] = []
    for (const which of [['--epoch', '24'], ['--epoch', '25'], ['--epoch', '28'], ['--all']]) {
      const run = await type('ledger', 'verify', ...which, ...onLedger(), '--json')
      assert.equal(run.code, 0, run.stdout)
      const { events, block } = eventOf(run, 'verified')
      counted.push({ events, block })
    }
    for (const [i, { events, block }] of counted.slice(1).entries()) {
      const before = counted[i] as (typeof counted)[0]
      assert.ok(events > before.events && block > before.block, `${events} events up to block ${block}`)
    }
  })

  for (const [what, part, event, spoil] of [
    ['one unit more for an operator', 'rewards', 'NodeRewarded', (data: string) => plus(data, 1, 1n)],
    ['a delegation that is larger', 'accounts', 'Delegated', (data: string) => plus(data, 0, 1n)],
    ['another set', 'draw', 'SetDrawn', (data: string) => plus(data, 0, 1n)],
    ['another report', 'scores', 'Revealed', (data: string) => plus(data, data.length / 64 - 1, 9n << 240n)],
  ] as const) {
    it(`finds a server that tells of ${what}`, async (test) => {
      const liar = await lyingServer(test, network.url, network.topicOf(event), spoil)
      const run = await type('ledger', 'verify', '--all', '--rpc', liar, '--deployment', at('ledger.json'), '--json')
      assert.equal(run.code, 3, run.stdout)
      assert.equal(eventOf(run, 'difference').what, part)
      assert.notEqual(eventOf(run, 'difference').expected, eventOf(run, 'difference').found)
    })
  }

  it('finds a server that leaves a reward out', async (test) => {
    const liar = await lyingServer(test, network.url, network.topicOf('NodeRewarded'), () => undefined)
    const run = await type('ledger', 'verify', '--rpc', liar, '--deployment', at('ledger.json'))
    assert.equal(run.code, 3, run.stdout)
    assert.match(run.stdout, /differs {5}epoch 2\d, rewards: the rules pay something else/)
  })

  it('says that what was sent may still happen, where somebody stops it meanwhile', async (test) => {
    const sent = Promise.withResolvers<void>()
    const silent = await proxy(test, network.url, async (asked, forward) => {
      if (!asked.includes('eth_sendRawTransaction')) return forward()
      sent.resolve()
      return new Promise(() => {})
    })
    const args = ['--rpc', silent, '--deployment', at('ledger.json'), '--key', at('operator.key'), '--yes', '--json']
    const run = new Starling(['delegate', '2', '1', 'NYM', ...args], { cwd: folder })
    t.after(() => run.kill())
    await sent.promise
    const { code } = await run.stop('SIGINT')
    assert.equal(code, 130, run.stdout + run.stderr)
    assert.equal(eventOf(run, 'stopped').mayStillHappen, true)
    assert.equal(eventOf(run, 'stopped').look, 'starling rewards')
  })

  for (const guide of ['operator.md', 'delegate.md']) {
    it(`does what ${guide} says, typed as it stands`, async () => {
      const place = at(guide)
      await mkdir(join(place, '.starling/up/chain'), { recursive: true })
      await writeFile(join(place, '.starling/up/ledger.json'), await readFile(at('ledger.json')))
      await writeFile(join(place, '.starling/up/ledger-rpc.json'), JSON.stringify({ urls: [network.url] }))
      await writeFile(join(place, '.starling/up/chain/deployer.key'), await readFile(at('chain/deployer.key')))
      const blocks = (await codeBlocks(guide)).filter(({ info }) => info === 'sh')
      for (const args of blocks.flatMap(commandsOf)) {
        // What a person types when asked: the password, and yes. The node of the example is not there any more, others are.
        const password =
          args.includes('--key') || args.includes('new') ? ['--password-env', 'STARLING_TEST_PASSWORD'] : []
        const yes = args.includes('--key') && !args.includes('rewards') ? ['--yes'] : []
        const typed = args.map((arg, i) => (/^(un)?delegate$/.test(args[i - 1] ?? '') ? '2' : arg))
        const run = await typeIn(place, ...typed, ...password, ...yes)
        assert.equal(run.code, 0, `${args.join(' ')}: ${run.stdout}${run.stderr}`)
        if (args[0] === 'delegate' || args[1] === 'costs') await network.endEpoch({ reports: true })
      }
    })
  }

  it('finds the network of "starling up" by itself, and says so where none runs', async (test) => {
    const none = await type('ledger', 'status', '--json')
    assert.equal(none.code, 2)
    assert.match(eventOf(none, 'problem').nextStep, /starling up/)
    await mkdir(at('.starling/up'), { recursive: true })
    await writeFile(at('.starling/up/ledger.json'), await readFile(at('ledger.json')))
    await writeFile(at('.starling/up/ledger-rpc.json'), JSON.stringify({ urls: [network.url] }))
    const found = await type('ledger', 'status', '--json')
    assert.equal(found.code, 0, found.stdout)
    assert.equal(eventOf(found, 'epoch').epoch, 31)
    // What a network leaves that was killed; and whoever has its port now is no chain.
    const stranger = await proxy(test, network.url, async () => 'not JSON')
    for (const url of ['http://127.0.0.1:9/', stranger]) {
      await writeFile(at('.starling/up/ledger-rpc.json'), JSON.stringify({ urls: [url] }))
      const killed = await type('ledger', 'status', '--json')
      assert.equal(killed.code, 2)
      assert.match(eventOf(killed, 'problem').message, /is not running/)
      assert.match(eventOf(killed, 'problem').nextStep, /npm start/)
    }
  })
})

/** `data` without 0x, to its nth word so much more. */
function plus(data: string, word: number, more: bigint): string {
  const value = BigInt(`0x${data.slice(64 * word, 64 * word + 64)}`) + more
  return data.slice(0, 64 * word) + value.toString(16).padStart(64, '0') + data.slice(64 * word + 64)
}

/** Hands everything on, but the first log of that topic: changed, or left out where `spoil` gives nothing. */
async function lyingServer(
  t: { after: (work: () => unknown) => void },
  url: string,
  topic: string,
  spoil: (data: string) => string | undefined,
): Promise<string> {
  interface Answer {
    result?: unknown
  }
  const lie = (answer: Answer): Answer => {
    if (!Array.isArray(answer.result)) return answer
    const logs = answer.result as { topics?: string[]; data: string }[]
    const index = logs.findIndex(({ topics }) => topics?.[0] === topic)
    const log = logs[index]
    if (log === undefined) return answer
    const data = spoil(log.data.slice(2))
    return {
      ...answer,
      result: logs.flatMap((one, i) =>
        i !== index ? [one] : data === undefined ? [] : [{ ...one, data: `0x${data}` }],
      ),
    }
  }
  return proxy(t, url, async (_, forward) => {
    const answer = JSON.parse(await forward()) as Answer | Answer[]
    return JSON.stringify(Array.isArray(answer) ? answer.map(lie) : lie(answer))
  })
}

/** Answers what `answer` makes of a question, which may hand it on. Ends with the test, and what still waits with it. */
async function proxy(
  t: { after: (work: () => unknown) => void },
  url: string,
  answer: (asked: string, forward: () => Promise<string>) => Promise<string>,
): Promise<string> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    const forward = async () => {
      const reply = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
      return reply.text()
    }
    const text = await answer(body.toString(), forward)
    response.setHeader('content-type', 'application/json')
    response.end(text)
  })
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}
