// The floors of the house, listed once; every rule below is derived from them.
//
// A room imports from the floors below it, from foundation/base, and from nothing beside or above it except what
// `beside` grants. `only` narrows a room to the named places (foundation/base is always granted).
// A place is a floor ('client'), a room ('protocol/sphinx') or a file of a room.

import { builtinModules } from 'node:module'

const floors = [
  {
    floor: 'foundation',
    rooms: {
      base: {},
      crypto: {},
      platform: { beside: ['foundation/crypto/provider.ts', 'foundation/crypto/asyncCurve.ts'] },
    },
  },
  {
    floor: 'protocol',
    pure: true,
    rooms: {
      sphinx: {},
      packet: { beside: ['protocol/sphinx'] },
      wire: { beside: ['protocol/sphinx', 'protocol/packet'] },
      credentials: {},
      economy: {},
    },
  },
  { floor: 'network', rooms: { transport: {}, topology: {}, api: {}, ledger: {} } },
  { floor: 'client' },
  {
    floor: 'roles',
    rooms: {
      mixing: {},
      gateway: { beside: ['roles/mixing'] },
      exit: {},
      directory: {},
      issuer: {},
      monitor: {},
    },
  },
  { floor: 'lab', rooms: { simulator: {}, economy: {}, adversary: { only: ['foundation'] } } },
  {
    floor: 'app',
    rooms: {
      node: {},
      testnet: { beside: ['app/node'] },
      // The engine's thread: programs that pay have it as nodes do.
      sdk: { beside: ['app/node/credentialEngine.ts'] },
      cli: { beside: ['app/node', 'app/testnet'] },
    },
  },
]

/** Packages that open sockets live where sockets live. */
const homes = {
  ws: ['foundation/platform'],
  undici: ['foundation/platform', 'client'],
}

const ALWAYS = ['foundation/base']
const SIMULATED = 'foundation/platform/simulated'
const TESTS = '\\.test\\.ts$'
/** Resolved names of Node's own modules: `crypto`, `fs/promises`, `node:sqlite`. */
const NODE = `^(${[...new Set(builtinModules.flatMap((name) => [name, name.replace(/^node:/, '')]))].join('|')})$`

const escaped = (text) => text.replace(/[.]/g, '\\.')
const inside = (place) => `^src/${escaped(place)}${place.endsWith('.ts') ? '$' : '/'}`
const places = (list) => list.map(inside)

const rooms = floors.flatMap(({ floor, pure, rooms: named }, height) => {
  const below = floors.slice(0, height).map((lower) => lower.floor)
  if (named === undefined) return [{ room: floor, floor, pure, below, beside: [] }]
  return Object.entries(named).map(([name, { beside = [], only }]) => ({
    room: `${floor}/${name}`,
    floor,
    pure,
    below: only ?? below,
    beside,
  }))
})

const roomRules = rooms.flatMap(({ room, floor, below, beside }) => [
  {
    name: `room:${room}`,
    comment: `${room} may import ${[...ALWAYS, ...below, ...beside].join(', ')}. Declare the interface here and let app fill it in.`,
    severity: 'error',
    from: { path: inside(room), pathNot: TESTS },
    to: { path: '^src/', pathNot: places([room, ...ALWAYS, ...below, ...beside]) },
  },
  {
    name: `tests:${room}`,
    comment: `Tests of ${room} may import their own floor, the floors below and ${SIMULATED}.`,
    severity: 'error',
    from: { path: `${inside(room)}.*${TESTS}` },
    to: {
      path: '^src/',
      pathNot: [
        ...places(floors.slice(0, floors.findIndex((one) => one.floor === floor) + 1).map((one) => one.floor)),
        `^src/${SIMULATED}`,
      ],
    },
  },
])

const pureRules = floors
  .filter(({ pure }) => pure)
  .map(({ floor }) => ({
    name: `pure:${floor}`,
    comment: `${floor} is pure: nothing it imports, however indirectly, may reach a Node module.`,
    severity: 'error',
    from: { path: inside(floor), pathNot: TESTS },
    to: { path: NODE, reachable: true },
  }))

const homeRules = Object.entries(homes).map(([name, where]) => ({
  name: `home:${name}`,
  comment: `Only ${where.join(' and ')} may import ${name}.`,
  severity: 'error',
  from: { path: '^src/', pathNot: [...places(where), TESTS] },
  to: { path: `^node_modules/(@types/)?${name}/` },
}))

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    ...roomRules,
    ...pureRules,
    ...homeRules,
    {
      name: 'web:client',
      comment:
        'src/client/web runs in pages: nothing it imports, however indirectly, may reach a Node module or undici.',
      severity: 'error',
      from: { path: inside('client/web'), pathNot: TESTS },
      to: { path: [NODE, '^node_modules/undici/'], reachable: true },
    },
    {
      name: 'no-such-room',
      comment: 'Every source file lives in a room of the table above; add the room there first.',
      severity: 'error',
      from: { path: '^src/', pathNot: places(rooms.map(({ room }) => room)) },
      to: {},
    },
    {
      name: 'nothing-outside',
      comment: 'src stands alone: it imports nothing from test, bench, scripts or examples.',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['local'], pathNot: ['^src/', '^node_modules/'] },
    },
    {
      name: 'no-circles',
      comment: 'Modules that need each other are one module, or need a third.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'tests-are-leaves',
      comment: 'Only tests import from tests (shared support is called support.test.ts).',
      severity: 'error',
      from: { pathNot: TESTS },
      to: { path: TESTS },
    },
    {
      name: 'dev-stays-dev',
      comment: 'Shipped code imports dependencies, never devDependencies.',
      severity: 'error',
      from: { path: '^src/', pathNot: TESTS },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'], pathNot: '^node_modules/@types/' },
    },
    {
      name: 'resolvable',
      comment: 'The import leads nowhere.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: '^node_modules/' },
    detectProcessBuiltinModuleCalls: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
}
