/** Whether a program can be started, before anything is prepared for it: as execvp(3) looks for it. @module */
import { access, constants, stat } from 'node:fs/promises'
import { resolve } from 'node:path'

export type ProgramState = 'there' | 'missing' | 'not-executable'

/** Where it is looked for by whoever has no PATH. */
const DEFAULT_PATH = '/bin:/usr/bin'

/** `name` with a slash is a path; another is looked for in the folders of `path`. */
export async function programState(name: string, path: string = DEFAULT_PATH): Promise<ProgramState> {
  // An empty part is the folder that we are in.
  const candidates = name.includes('/') ? [name] : path.split(':').map((folder) => `${folder || '.'}/${name}`)
  let state: ProgramState = 'missing'
  for (const candidate of name === '' ? [] : candidates) {
    const file = await stat(resolve(candidate)).catch((error: NodeJS.ErrnoException) => error.code)
    // A folder that may not be looked into: whether it is there nobody can say.
    if (file === 'EACCES') state = 'not-executable'
    if (file === undefined || typeof file === 'string') continue
    const mayRun = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (file.isFile() && mayRun) return 'there'
    state = 'not-executable'
  }
  return state
}
