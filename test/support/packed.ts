/** The package as it is published, made and installed without asking a registry. @module */
import { execFile } from 'node:child_process'
import { cp, mkdir, symlink } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** What a clone has not, or has too much of. */
const NOT_COPIED = new Set(['node_modules', 'dist', '.git', '.starling', 'bench'])

/** Building there leaves alone what other tests build here. */
export async function cloneTo(folder: string): Promise<void> {
  const copied = (path: string) => !NOT_COPIED.has(relative(ROOT, path).split(sep)[0] ?? '')
  await cp(ROOT, folder, { recursive: true, filter: copied })
  await linkDependencies(folder)
}

/** What `npm install` would put there, from what is here already. */
export async function linkDependencies(folder: string): Promise<void> {
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'junction')
}

/** As `npm install` of the tarball into `project`, without its dependencies. Resolves with the paths in it. */
export async function installPacked(tarball: string, project: string): Promise<readonly string[]> {
  const installed = join(project, 'node_modules', 'starling-mixnet')
  await mkdir(installed, { recursive: true })
  const { stdout } = await run('tar', ['-xzvf', tarball, '-C', installed, '--strip-components=1'])
  return [...stdout.matchAll(/package\/(.+)$/gm)].map(([, path = '']) => path)
}
