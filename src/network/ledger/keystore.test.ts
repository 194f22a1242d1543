import assert from 'node:assert/strict'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { fromHex, fromUtf8Lossy, toHex, utf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { Secret } from '../../foundation/base/secret.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { nodePasswordHashes } from '../../foundation/crypto/passwords.ts'
import { nodeFiles } from '../../foundation/platform/node/nodeFiles.ts'
import { SimulatedRandom } from '../../foundation/platform/simulated/simulatedRandom.ts'
import { keystoreAddress, openKeystore, sealKeystore, writeKeystore } from './keystore.ts'
import { keySigner } from './signers.ts'

const tools = { crypto: nodeProvider, passwords: nodePasswordHashes }
const random = new SimulatedRandom('keystore')
const cheap = { n: 1024, r: 8, p: 1 }

// Web3 Secret Storage Definition, "Test Vectors".
const vectors = {
  pbkdf2: {
    crypto: {
      cipher: 'aes-128-ctr',
      cipherparams: { iv: '6087dab2f9fdbbfaddc31a909735c1e6' },
      ciphertext: '5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46',
      kdf: 'pbkdf2',
      kdfparams: {
        c: 262144,
        dklen: 32,
        prf: 'hmac-sha256',
        salt: 'ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd',
      },
      mac: '517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2',
    },
    id: '3198bc9c-6672-5ab3-d995-4942343ae5b6',
    version: 3,
  },
  scrypt: {
    crypto: {
      cipher: 'aes-128-ctr',
      cipherparams: { iv: '83dbcc02d8ccb40e466191a123791e0e' },
      ciphertext: 'd172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c',
      kdf: 'scrypt',
      kdfparams: {
        dklen: 32,
        n: 262144,
        p: 8,
        r: 1,
        salt: 'ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19',
      },
      mac: '2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097',
    },
    id: '3198bc9c-6672-5ab3-d995-4942343ae5b6',
    version: 3,
  },
}
const VECTOR_KEY = '7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d'

test("the standard's own files open with their password, and with no other", async () => {
  for (const file of [vectors.pbkdf2, vectors.scrypt]) {
    const bytes = utf8(JSON.stringify(file))
    assert.equal(toHex((await openKeystore(tools, bytes, 'testpassword')).expose()), VECTOR_KEY)
  }
  await assert.rejects(openKeystore(tools, utf8(JSON.stringify(vectors.pbkdf2)), 'testpassworD'), (error) => {
    assert.ok(isMixnetError(error, 'KEY_FILE_UNREADABLE') && error.details.why === 'wrong password')
    assert.match(error.nextStep, /in order/, 'nobody is told to move a good file away')
    return true
  })
})

test('what is written is read, says whose it is, and shows nothing of the key', async () => {
  const key = new Secret(fromHex(VECTOR_KEY))
  const file = await sealKeystore(tools, random, key, 'päss wörd', cheap)
  assert.deepEqual((await openKeystore(tools, file, 'päss wörd')).expose(), key.expose())
  assert.equal(keystoreAddress(file), keySigner(key).address)
  assert.ok(!fromUtf8Lossy(file).includes(VECTOR_KEY))
  const signer = keySigner(key)
  for (const text of [inspect(signer, { depth: 9, showHidden: true }), JSON.stringify(signer), String(signer)]) {
    assert.ok(!text.toLowerCase().includes(VECTOR_KEY))
  }
})

test('a key file is of its owner alone, and never written over', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'starling-key-'))
  try {
    const path = join(folder, 'keys', 'one.json')
    await writeKeystore(nodeFiles, path, utf8('{}'))
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    await assert.rejects(writeKeystore(nodeFiles, path, utf8('{}')), (error) => isMixnetError(error, 'FILE_UNUSABLE'))
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('a hostile file asks for nothing that it gets', async () => {
  const { crypto, ...rest } = vectors.scrypt
  const withParams = (params: object) => ({
    ...rest,
    crypto: { ...crypto, kdfparams: { ...crypto.kdfparams, ...params } },
  })
  for (const file of [
    withParams({ n: 2 ** 30 }),
    withParams({ n: 2 ** 20, r: 1024 }),
    withParams({ p: 2 ** 30 }),
    withParams({ n: 1000 }),
    withParams({ dklen: 16 }),
    withParams({ dklen: 2 ** 30 }),
    { ...rest, crypto: { ...crypto, cipherparams: { iv: '00' } } },
    {
      ...vectors.pbkdf2,
      crypto: { ...vectors.pbkdf2.crypto, kdfparams: { ...vectors.pbkdf2.crypto.kdfparams, c: 2 ** 40 } },
    },
    { ...rest, version: 1, crypto },
    { version: 3 },
    [],
  ]) {
    await assert.rejects(openKeystore(tools, utf8(JSON.stringify(file)), 'testpassword'), (error) =>
      isMixnetError(error, 'KEY_FILE_UNREADABLE'),
    )
  }
  for (const bytes of [utf8(''), utf8('{'), new Uint8Array(1_000_000), Uint8Array.of(255)])
    await assert.rejects(openKeystore(tools, bytes, ''), (error) => isMixnetError(error, 'KEY_FILE_UNREADABLE'))
})
