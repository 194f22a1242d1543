/**
 * Where `starling up` leaves what other commands on this machine need of its ledger, so that they find it without being told: the chain's
 * URL, and the deployment. @module
 */
import { z } from 'zod'
import { fromUtf8, utf8 } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import type { Files } from '../../foundation/platform/files.ts'

/** Of `starling up`, in the folder that it is typed in. */
export const UP_FOLDER = '.starling/up'

/** The chain's own folder: its state, and the key that deployed and has what NYM there are besides the pool. */
export const localChainFolder = (folder: string): string => `${folder}/chain`
export const localDeployerKey = (folder: string): string => `${localChainFolder(folder)}/deployer.key`
/** A `Deployment`. */
export const localDeploymentFile = (folder: string): string => `${folder}/ledger.json`
/** Where the chain answers while the network runs. */
const rpcFile = (folder: string): string => `${folder}/ledger-rpc.json`

const schema = z.strictObject({ urls: z.array(z.url({ protocol: /^https?$/ })).min(1) })

/** Once the ledger answers. */
export async function tellLocalRpc(
  files: Pick<Files, 'write'>,
  folder: string,
  urls: readonly string[],
): Promise<void> {
  await files.write(rpcFile(folder), utf8(`${JSON.stringify({ urls })}\n`))
}

/** When the network stops, unless it is killed: a port that another program took since is not to be asked for a ledger. */
export async function forgetLocalRpc(files: Pick<Files, 'remove'>, folder: string): Promise<void> {
  await files.remove(rpcFile(folder))
}

/** undefined where none was told, or was and is forgotten. Throws CONFIG_INVALID. */
export async function findLocalRpc(files: Pick<Files, 'read'>, folder: string): Promise<readonly string[] | undefined> {
  const file = await files.read(rpcFile(folder))
  if (file === undefined) return undefined
  try {
    return schema.parse(JSON.parse(fromUtf8(file, 'local ledger'))).urls
  } catch (cause) {
    throw new MixnetError('CONFIG_INVALID', { file: rpcFile(folder), problem: 'not what it should be' }, { cause })
  }
}
