/** Which of a node's two Sphinx keys packets of a key rotation are made for. @module */
import type { HostKeys } from '../../protocol/wire/directory/hostInformation.ts'
import { NO_ROTATION_ID } from '../../protocol/wire/directory/nodeKeys.ts'

/** The primary key where it is of this rotation or of none, else the announced one where that is, else the primary after all. */
export function sphinxKeyFor({ sphinxKey, preAnnouncedSphinxKey }: HostKeys, rotationId: number): Uint8Array {
  if (sphinxKey.rotationId === rotationId || sphinxKey.rotationId === NO_ROTATION_ID) return sphinxKey.publicKey
  return preAnnouncedSphinxKey?.rotationId === rotationId ? preAnnouncedSphinxKey.publicKey : sphinxKey.publicKey
}

/** Whether the node can open packets of this rotation. */
export function hasKeyFor({ sphinxKey, preAnnouncedSphinxKey }: HostKeys, rotationId: number): boolean {
  const isFor = (id: number | undefined): boolean => id === rotationId
  return (
    isFor(sphinxKey.rotationId) || sphinxKey.rotationId === NO_ROTATION_ID || isFor(preAnnouncedSphinxKey?.rotationId)
  )
}
