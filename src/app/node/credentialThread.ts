/** What runs in the thread of credentialEngine.ts: the engine on mcl, with randomness of its own from the operating system. @module */
import { loadMclBls } from '../../foundation/crypto/mclBls.ts'
import { nodeRandom } from '../../foundation/platform/node/nodeRandom.ts'
import { serveThread } from '../../foundation/platform/node/nodeThread.ts'
import type { CredentialEngine } from '../../protocol/credentials/engine.ts'
import { LocalEngine } from '../../protocol/credentials/localEngine.ts'
import { createScheme } from '../../protocol/credentials/scheme.ts'

serveThread<CredentialEngine>(new LocalEngine(createScheme(await loadMclBls()), nodeRandom.stream('credentials')))
