// What `npm test` runs after the check: every test beside the code and in test/ but the slow ones, two files at a time. Three hundred
// processes read the same modules: what the first made of the TypeScript, the others find compiled.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(fileURLToPath(import.meta.url), '../..')
const { status } = spawnSync(
  process.execPath,
  ['--test', '--test-concurrency=2', 'src/**/*.test.ts', 'test/**/*.test.ts'],
  {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/compiled') },
  },
)
process.exitCode = status ?? 1
