/** The engine with which issuers make keys, on the spot: it computes for a second once in an epoch. @module */
import { loadMclBls } from '../../foundation/crypto/mclBls.ts'
import type { World } from '../../foundation/platform/world.ts'
import { type DkgEngine, LocalDkgEngine } from '../../protocol/credentials/dkgEngine.ts'
import { createScheme } from '../../protocol/credentials/scheme.ts'

export async function openDkgEngine({ random }: World): Promise<DkgEngine> {
  return new LocalDkgEngine(createScheme(await loadMclBls()), random.stream('dkg'))
}
