/** `starling directory run`. @module */
import { Meter } from '../../foundation/base/observe.ts'
import { readDirectoryConfig, startDirectory } from '../node/directoryService.ts'
import type { Session } from './session.ts'

export async function runDirectory(session: Session, path: string): Promise<number> {
  const { world } = session
  const config = await readDirectoryConfig(world.files, path)
  const log = session.logOf('directory')
  const directory = await startDirectory(world, config, { meter: new Meter(), log })
  try {
    const endpoint = directory.endpoint
    log.info('directory.listening', { port: endpoint?.port })
    session.screen.line('', { event: 'listening', http: endpoint })
    await session.untilInterrupted()
    log.info('directory.stopping')
  } finally {
    await directory.stop()
  }
  return 0
}
