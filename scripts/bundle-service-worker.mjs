// Bundles the client for service workers into dist/web as well, whole: `import()` is refused there, so there is nothing to load later.
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { tlsWithoutTrust } from './bundle.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const OUT = fileURLToPath(new URL('../dist/web/', import.meta.url))
const NAME = 'starling-service-worker'

/** What pays comes late in pages, and from a worker. The client here does without it; a script that asks for the engine gets it. */
const payingAtOnce = {
  name: 'paying-at-once',
  setup({ onResolve }) {
    onResolve({ filter: /\/webCredentialEngine\.ts$/ }, () => ({
      path: fileURLToPath(new URL('../src/app/sdk/webCredentialsAtOnce.ts', import.meta.url)),
    }))
    onResolve({ filter: /\/webCredentialWallet\.ts$/ }, () => ({
      path: fileURLToPath(new URL('../src/app/sdk/webCredentialsAbsent.ts', import.meta.url)),
    }))
  },
}

/** `contents`: another script in the entry's place. */
export async function bundleServiceWorker({ contents } = {}) {
  const entry =
    contents === undefined
      ? { entryPoints: { [NAME]: 'src/app/sdk/serviceWorker.ts' } }
      : { stdin: { contents, resolveDir: ROOT, sourcefile: 'worker.ts' }, entryNames: NAME }
  const { outputFiles, metafile } = await build({
    ...entry,
    absWorkingDir: ROOT,
    bundle: true,
    splitting: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    metafile: true,
    write: false,
    outdir: OUT,
    plugins: [tlsWithoutTrust, payingAtOnce],
    logLevel: 'warning',
  })
  const [{ text }] = outputFiles
  if (/\bimport\(/.test(text)) throw new Error(`${NAME} loads something later`)
  return { files: outputFiles, metafile }
}

async function main() {
  const [{ path, contents }] = (await bundleServiceWorker()).files
  mkdirSync(OUT, { recursive: true })
  writeFileSync(path, contents)
  const kilobytes = gzipSync(contents, { level: 9 }).length / 1024
  console.log(`${kilobytes.toFixed(1).padStart(7)} KB  ${NAME}.js, the list of authorities included`)
}

if (import.meta.main) await main()
