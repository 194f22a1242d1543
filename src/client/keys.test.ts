import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMixnetError } from '../foundation/base/errors.ts'
import { nullProvider } from '../foundation/crypto/nullProvider.ts'
import { SimulatedRandom } from '../foundation/platform/simulated/simulatedRandom.ts'
import type { World } from '../foundation/platform/world.ts'
import { type ClientKeys, loadOrCreateClientKeys } from './keys.ts'

const FILES = ['ack.pem', 'encryption.pem', 'identity.pem']

/** Files that answer at once: here it is not about when. */
function makeWorld(): Pick<World, 'files' | 'random'> {
  const stored = new Map<string, Uint8Array>()
  const absent = () => assert.fail('not used here')
  return {
    random: new SimulatedRandom('keys'),
    files: {
      read: async (path) => stored.get(path),
      write: async (path, contents) => void stored.set(path, contents),
      list: async (folder) => [...stored.keys()].map((path) => path.slice(folder.length + 1)).sort(),
      remove: async (path) => void stored.delete(path),
      kindOf: absent,
      readRange: absent,
      openAppend: absent,
      lock: absent,
    },
  }
}

const load = ({ random, files }: Pick<World, 'files' | 'random'>): Promise<ClientKeys> =>
  loadOrCreateClientKeys(nullProvider, random.stream('keys'), files, 'client')

const secretsOf = ({ identitySeed, encryptionSecret, ackKey }: ClientKeys): Uint8Array[] =>
  [identitySeed, encryptionSecret, ackKey].map((secret) => secret.expose())

test('keys are made once and loaded ever after', async () => {
  const world = makeWorld()
  const made = await load(world)
  assert.deepEqual(secretsOf(await load(world)), secretsOf(made))
  assert.deepEqual(await world.files.list('client'), FILES)
})

test('a first start cut short goes on where it was: nothing is replaced', async () => {
  const world = makeWorld()
  const made = await load(world)
  const [, encryption, ack] = secretsOf(made)
  await world.files.remove('client/identity.pem')
  const again = secretsOf(await load(world))
  assert.deepEqual(again.slice(1), [encryption, ack])
  assert.notDeepEqual(again[0], secretsOf(made)[0])
  assert.deepEqual(secretsOf(await load(world)), again)
})

test('a missing or damaged key of a client that exists is an error that names the file, not a new client', async () => {
  for (const file of FILES) {
    const world = makeWorld()
    await load(world)
    await world.files.write(`client/${file}`, new TextEncoder().encode('-----BEGIN NOTHING-----'))
    await assert.rejects(load(world), (error) => {
      assert.ok(isMixnetError(error, 'KEY_FILE_UNREADABLE'))
      return error.details.file === file
    })
    if (file === 'identity.pem') continue
    await world.files.remove(`client/${file}`)
    await assert.rejects(load(world), (error) => isMixnetError(error, 'KEY_FILE_UNREADABLE'))
    assert.ok(!(await world.files.list('client')).includes(file))
  }
})
