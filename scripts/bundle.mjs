// Bundles what browsers get of the package into dist/web, which the export conditions `browser` of package.json lead to: the client and
// the two drop-ins, whatever they share in files of its own. Here, and not by whoever bundles a page, because theirs would take in all
// of the TLS library: 240 KB gzipped of authorities and certificates. Prints what a page loads of each, gzipped; fails above the limit,
// and where a bundle holds what must not be in it.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const ROOM_FOR_ALL_BUT_ROOTS = 120 * 1024
const ROOT = fileURLToPath(new URL('..', import.meta.url))
const OUT = fileURLToPath(new URL('../dist/web/', import.meta.url))
const SHIM = new URL('./bundle-x509.mjs', import.meta.url).pathname

/** By file name. */
const ENTRIES = {
  starling: 'src/app/sdk/browser.ts',
  'mix-fetch': 'src/app/sdk/mixFetchBrowser.ts',
  sdk: 'src/app/sdk/nymSdkBrowser.ts',
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

/** What the package holds for browsers. */
export const bundlePackage = () => bundle({ entryPoints: ENTRIES })

/** A page's own script, as page.js, with what it imports of the sources. `plugins` come first. */
export const bundlePage = ({ contents, plugins = [] }) =>
  bundle({ stdin: { contents, resolveDir: ROOT, sourcefile: 'page.ts' }, entryNames: 'page', plugins })

async function bundle({ plugins = [], ...entries }) {
  const { outputFiles, metafile } = await build({
    ...entries,
    absWorkingDir: ROOT,
    conditions: ['starling-source'],
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    // Licences' first lines, in a file of their own beside each.
    legalComments: 'external',
    metafile: true,
    write: false,
    outdir: OUT,
    chunkNames: '[name]-[hash]',
    plugins: [...plugins, tlsWithoutTrust],
    logLevel: 'warning',
  })
  return { files: outputFiles, metafile }
}

/** Of the files of a bundle those that a page loads which imports `name`, sooner or later. The list of authorities comes last. */
export function loadedBy(name, { files, metafile: { outputs } }) {
  const isOf = (path, file) => basename(path) === file
  const found = new Set([`${name}.js`])
  for (const file of found) {
    const [, { imports }] = Object.entries(outputs).find(([path]) => isOf(path, file))
    for (const { path } of imports) found.add(basename(path))
  }
  const sorted = [...found].sort((one, other) => isRoots(one) - isRoots(other))
  return sorted.map((file) => files.find(({ path }) => isOf(path, file)))
}

export const isRoots = (path) => basename(path).startsWith('rootCertificates')
const zippedSize = ({ contents }) => gzipSync(contents, { level: 9 }).length
const inKilobytes = (bytes) => `${(bytes / 1024).toFixed(1).padStart(7)} KB`

async function main() {
  rmSync(OUT, { recursive: true, force: true })
  mkdirSync(OUT, { recursive: true })
  const bundled = await bundlePackage()
  for (const { path, contents, text } of bundled.files) {
    const name = basename(path)
    if (/BEGIN CERTIFICATE-----[\sA-Za-z0-9+/]{100}/.test(text)) throw new Error(`${name} holds certificates`)
    writeFileSync(path, contents)
    console.log(`${inKilobytes(zippedSize({ contents }))}  ${name}`)
    if (process.argv.includes('--parts')) console.log(parts(bundled.metafile, name))
  }
  for (const entry of Object.keys(ENTRIES)) {
    const loaded = loadedBy(entry, bundled).filter(({ path }) => !isRoots(path))
    const size = loaded.reduce((sum, file) => sum + zippedSize(file), 0)
    console.log(`${inKilobytes(size)}  ${entry}.js with all it loads but the list of authorities`)
    if (size > ROOM_FOR_ALL_BUT_ROOTS) throw new Error(`more than ${ROOM_FOR_ALL_BUT_ROOTS / 1024} KB`)
  }
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
