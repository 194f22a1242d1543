/**
 * An operator's exit with a device, from the command line: the machine of all nodes is this network, the user's and the world's are others, each at the end of a cable. Run by
 * test/tunExit.test.ts. @module
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { COMMAND, Starling } from '../support/starling.ts'
import { run, WorldNamespace } from '../support/worldNamespace.ts'

const WORLD = '9.9.9.2'
const EXIT = '9.9.8.9'
const DIRECTORY = 'http://9.9.8.1:8080/api'
const LAYERS = ['knot', 'dunlin', 'rook'] as const
const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] as const

const held = (path: string): string => readFileSync(`/proc/sys/net/${path}`, 'utf8').trim()
/** What a node may have left in the kernel. */
const left = (): object => ({
  tables: run('nft', 'list', 'tables').trim(),
  devices: /starling-exit/.test(run('ip', 'link')),
  routes: (run('ip', '-4', 'route') + run('ip', '-6', 'route')).match(/^unreachable \S+/gm) ?? [],
  forwards: ['ipv4/ip_forward', 'ipv4/conf/cable/forwarding', 'ipv6/conf/all/forwarding'].map(held).join(''),
  pumps: spawnSync('pgrep', ['-x', 'socat|starling-pump', '-r', 'R,S,D,T'], { encoding: 'utf8' }).stdout.trim() !== '',
})
const NOTHING = { tables: '', devices: false, routes: [], forwards: '000', pumps: false }

describe('a node that carries packets through a device', { timeout: 220_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'starling-tun-'))
  const processes: Starling[] = []
  let world: WorldNamespace
  let user: WorldNamespace
  const start = (args: readonly string[], command: readonly [string, ...string[]] = COMMAND): Starling => {
    const one = new Starling(args, { cwd: folder, command })
    processes.push(one)
    return one
  }
  const done = async (...args: string[]): Promise<void> => {
    const one = start(args)
    assert.equal((await one.exit()).code, 0, one.stderr)
  }
  /** Of the exit: what it says when it cannot start. */
  const refused = async (command?: readonly [string, ...string[]]): Promise<string> => {
    const one = start(['node', 'run', 'heron'], command)
    assert.equal((await one.exit()).code, 2, one.stderr)
    return one.stderr
  }
  const serve = async (command?: readonly [string, ...string[]]): Promise<Starling> => {
    const one = start(['--json', 'node', 'run', 'heron'], command)
    await one.event('ready')
    return one
  }
  /** A program of the user's, which has no network but ours. */
  const use = async (): Promise<string> => {
    const ask = `
      const socket = require('node:dgram').createSocket('udp4')
      const again = setInterval(() => socket.send('datagram', 7000, '${WORLD}'), 1000)
      socket.on('message', (data, from) => { console.log(String(data), from.address); clearInterval(again); socket.close() })`
    const script = `ping -c 2 -W 20 ${WORLD} >/dev/null && echo pong; "${process.execPath}" -e "$0"; echo stream | socat -t 20 - TCP:${WORLD}:7000`
    const enter = ['nsenter', '-t', String(user.pid), '-n', '--', ...COMMAND] as const
    const one = start(['run', '--directory', DIRECTORY, '--', 'sh', '-c', script, ask], enter)
    await one.exit()
    return one.stdout + one.stderr
  }
  before(async () => {
    world = new WorldNamespace('cable', ['9.9.9.1/24', '2600::1/64'], [`${WORLD}/24`, '2600::2/64'])
    user = new WorldNamespace('lan', ['9.9.8.1/24', ...[11, 12, 13, 7, 9].map((n) => `9.9.8.${n}/24`)], ['9.9.8.2/24'])
    await world.serveEcho()
    for (const [i, name] of LAYERS.entries()) {
      await done(
        'node',
        'init',
        name,
        '--role',
        'mix',
        '--host',
        `9.9.8.${11 + i}`,
        '--local',
        '--directory',
        DIRECTORY,
      )
    }
    await done('node', 'init', 'tern', '--role', 'entry', '--host', '9.9.8.7', '--local', '--directory', DIRECTORY)
    const exit = ['--role', 'exit', '--host', EXIT, '--open-proxy', '--packets', 'tun']
    await done('node', 'init', 'heron', ...exit, '--local', '--directory', DIRECTORY)
    await done('directory', 'init', 'directory', '--local', '--host', '9.9.8.1')
    for (const [i, name] of LAYERS.entries()) await done('directory', 'add', 'directory', name, '--layer', `${i + 1}`)
    await done('directory', 'add', 'directory', 'tern', 'heron')
    start(['directory', 'run', 'directory'])
    for (const name of [...LAYERS, 'tern']) start(['node', 'run', name])
  })
  after(() => {
    for (const one of processes) one.kill()
    world.close()
    user.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('says at its start what is missing, all of it, and what installs it', async () => {
    const hidden = ['/usr/sbin/nft', '/usr/sbin/conntrack'].filter(existsSync)
    for (const path of hidden) run('mount', '--bind', '/dev/null', path)
    const said = await refused()
    for (const path of hidden) run('umount', path)
    assert.deepEqual(left(), NOTHING)
    assert.match(said, /missing: nft, conntrack/)
    assert.match(said, /apt install nftables conntrack\n/)
  })

  it('says at its start that there is no device', async () => {
    run('mount', '-t', 'tmpfs', 'tmpfs', '/dev/net')
    const said = await refused()
    run('umount', '/dev/net')
    assert.deepEqual(left(), NOTHING)
    assert.match(said, /modprobe tun/)
  })

  it('says at its start which right it has not, and has what it needs with that one alone', async (t) => {
    if (spawnSync(NOBODY[0], [...NOBODY.slice(1), ...COMMAND, '--version']).status !== 0) {
      return t.skip('others may not read these files')
    }
    run('chown', '-R', '65534:65534', folder)
    // As udev makes it, whatever it is here.
    run('mount', '-t', 'tmpfs', 'tmpfs', '/dev/net')
    run('mknod', '-m', '666', '/dev/net/tun', 'c', '10', '200')
    const said = await refused([...NOBODY, ...COMMAND])
    assert.match(said, /AmbientCapabilities=CAP_NET_ADMIN/)
    assert.match(said, /packets = "passt"/)
    const one = await serve([...NOBODY, '--inh-caps=+net_admin', '--ambient-caps=+net_admin', ...COMMAND])
    assert.match(await use(), /^pong\ndatagram 9\.9\.9\.2\nstream\n/)
    assert.equal((await one.stop('SIGTERM')).code, 0, one.stderr)
    assert.deepEqual(left(), NOTHING)
    run('umount', '/dev/net')
    run('chown', '-R', '0:0', folder)
  })

  it('carries pings and datagrams of a program that knows nothing of it; killed, it leaves what forwards nothing, and the next one takes that back', async () => {
    const first = await serve()
    assert.match(await use(), /^pong\ndatagram 9\.9\.9\.2\nstream\n/)
    const heard = world.heard.filter(({ over }) => over !== 'start').map(({ over, address }) => `${over} ${address}`)
    assert.deepEqual(new Set(heard), new Set(['udp4 9.9.9.1', 'tcp ::ffff:9.9.9.1']))
    process.kill(first.child.pid as number, 'SIGKILL')
    await first.exit()
    const deadline = Date.now() + 15_000
    while (/starling-exit/.test(run('ip', 'link')) && Date.now() < deadline)
      await new Promise((r) => setTimeout(r, 100))
    assert.deepEqual(left(), {
      tables: 'table inet starling_exit',
      devices: false,
      routes: ['unreachable 10.0.0.0/16', 'unreachable fc00::/112'],
      forwards: existsSync('/proc/sys/net/ipv6/conf/all/force_forwarding') ? '010' : '011',
      pumps: false,
    })
    // Packets from the world for the user's machine, by way of this one.
    world.run('ip', 'route', 'add', '9.9.8.0/24', 'via', '9.9.9.1')
    user.run('ip', 'route', 'add', '9.9.9.0/24', 'via', '9.9.8.1')
    assert.equal(
      spawnSync('nsenter', ['-t', String(world.pid), '-n', 'ping', '-c', '1', '-W', '1', '9.9.8.2']).status,
      1,
    )
    const second = await serve()
    assert.match(await use(), /^pong\ndatagram 9\.9\.9\.2\nstream\n/)
    assert.equal((await second.stop('SIGTERM')).code, 0, second.stderr)
    assert.deepEqual(left(), NOTHING)
  })
})
