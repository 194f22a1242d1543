/** Every value of the official vectors on mcl, and a sample on noble; the whole on noble is test/slow/credentials.slow.ts. @module */
import { describe } from 'node:test'
import { loadMclBls } from '../../foundation/crypto/mclBls.ts'
import { nobleBls } from '../../foundation/crypto/nobleBls.ts'
import { checkVectors } from './vectorSuite.test.ts'

const mclBls = await loadMclBls()

describe('official vectors, mcl', () => checkVectors(mclBls, 1))
describe('official vectors, noble, a sample', () => checkVectors(nobleBls, 12))
