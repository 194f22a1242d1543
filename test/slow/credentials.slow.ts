/** Every value of the official vectors of credentials on the reference, noble: some minutes. `npm test` does a sample of it. @module */
import { describe } from 'node:test'
import { nobleBls } from '../../src/foundation/crypto/nobleBls.ts'
import { checkVectors } from '../../src/protocol/credentials/vectorSuite.test.ts'

describe('official vectors, noble', () => checkVectors(nobleBls, 1))
