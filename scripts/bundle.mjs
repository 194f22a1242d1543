// Bundles the client for browsers, and the two drop-ins, into dist/web and prints what a page loads of each, gzipped. Fails above
// the limit, and where a bundle holds what must not be in it.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const ROOM_FOR_ALL_BUT_ROOTS = 120 * 1024
const OUT = new URL('../dist/web/', import.meta.url)
const SHIM = new URL('./bundle-x509.mjs', import.meta.url).pathname

/** File name, and what it holds. */
const ENTRIES = {
  starling: `
    export { connect, isMixnetError } from './src/app/sdk/browser.ts'
    export { createWebFetch } from './src/client/web/webFetch.ts'`,
  'mix-fetch': `export * from 'starling-mixnet/mix-fetch'`,
  sdk: `export * from 'starling-mixnet/sdk'`,
}

/**
 * @reclaimprotocol/tls without what we do not let it do: its lists of authorities (280 KB of PEM, some of them nobody else
 * trusts), and the certificate library (tsyringe and reflect-metadata with it) of which it needs one public key.
 */
export const tlsWithoutTrust = {
  name: 'tls-without-trust',
  setup({ onResolve, onLoad }) {
    const inLibrary = ({ importer }) => /@reclaimprotocol[\\/]tls[\\/]lib[\\/]/.test(importer)
    onResolve({ filter: /(?:mozilla-root-cas|additional-root-cas)\.js$/ }, (args) =>
      inLibrary(args) ? { path: basename(args.path), namespace: 'no-roots' } : undefined,
    )
    onLoad({ filter: /.*/, namespace: 'no-roots' }, () => ({ contents: 'export const MOZILLA_ROOT_CA_LIST = []' }))
    onResolve({ filter: /\/x509\.js$/ }, (args) => (inLibrary(args) ? { path: SHIM } : undefined))
  },
}

/** One of ours, or `contents`: a page's own script. `plugins` come first. */
export async function bundle({ minify = true, name = 'starling', contents = ENTRIES[name], plugins = [] } = {}) {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: new URL('..', import.meta.url).pathname, sourcefile: `${name}.ts` },
    conditions: ['starling-source'],
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minify,
    metafile: true,
    write: false,
    outdir: OUT.pathname,
    entryNames: name,
    chunkNames: '[name]-[hash]',
    plugins: [...plugins, tlsWithoutTrust],
    logLevel: 'warning',
  })
  return { files: outputFiles, metafile }
}

async function main() {
  rmSync(OUT, { recursive: true, force: true })
  mkdirSync(OUT, { recursive: true })
  for (const name of Object.keys(ENTRIES)) await write(name)
}

async function write(entry) {
  const { files, metafile } = await bundle({ name: entry })
  let withoutRoots = 0
  for (const { path, contents, text } of files) {
    const name = basename(path)
    const zipped = gzipSync(contents, { level: 9 }).length
    const isRoots = name.startsWith('rootCertificates')
    if (!isRoots) withoutRoots += zipped
    if (/BEGIN CERTIFICATE-----[\sA-Za-z0-9+/]{100}/.test(text)) throw new Error(`${name} holds certificates`)
    writeFileSync(path, contents)
    console.log(`${(zipped / 1024).toFixed(1).padStart(7)} KB  ${name}`)
    if (process.argv.includes('--parts')) console.log(parts(metafile, name))
  }
  console.log(`${(withoutRoots / 1024).toFixed(1).padStart(7)} KB  ${entry}, all but the list of authorities`)
  if (withoutRoots > ROOM_FOR_ALL_BUT_ROOTS) throw new Error(`more than ${ROOM_FOR_ALL_BUT_ROOTS / 1024} KB`)
}

/** What it consists of: minified bytes by package, or by folder of ours. */
function parts(metafile, name) {
  const [, { inputs }] = Object.entries(metafile.outputs).find(([path]) => path.endsWith(name))
  const sums = new Map()
  for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
    const part = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? path.split('/').slice(0, 3).join('/')
    sums.set(part, (sums.get(part) ?? 0) + bytesInOutput)
  }
  return [...sums]
    .sort(([, a], [, b]) => b - a)
    .map(([part, bytes]) => `${String(bytes).padStart(12)} bytes of ${part}`)
    .join('\n')
}

if (import.meta.main) await main()
