// Bundles what browsers get of the package into dist/web, which the export conditions `browser` of package.json lead to: the client and
// the two drop-ins, whatever they share in files of its own, and the engine of credentials. Here, and not by whoever bundles a page, because theirs would take in all
// of the TLS library: 240 KB gzipped of authorities and certificates. Prints what a page loads of each, gzipped; fails above the limit,
// and where a bundle holds what must not be in it.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const ROOM_FOR_ALL_BUT_LATE = 120 * 1024
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

/**
 * What a page loads when it first pays, in the order in which it is made: the engine, whatever starts it, in a worker or here, and the wallet.
 * Each is whole: what they have in common with the client is a twentieth of them, and taking it out of the client would cost every page more
 * requests. The engine's file is a worker too, which bundlers that know workers copy, and who uses another must be able to.
 */
const CREDENTIALS = [
  { name: 'webCredentialModule', entry: 'src/app/sdk/webCredentialModule.ts' },
  { name: 'webCredentialEngine', entry: 'src/app/sdk/webCredentialEngine.ts' },
  { name: 'webCredentialWallet', entry: 'src/app/sdk/webCredentialWallet.ts' },
]

/** What the package holds for browsers. */
export const bundlePackage = () => bundle({ entryPoints: ENTRIES })

/** A page's own script, as page.js, with what it imports of the sources. `plugins` come first. */
export const bundlePage = ({ contents, plugins = [] }) =>
  bundle({ stdin: { contents, resolveDir: ROOT, sourcefile: 'page.ts' }, entryNames: 'page', plugins })

async function bundle({ plugins = [], ...entries }) {
  const made = new Map()
  const built = []
  for (const { name, entry } of CREDENTIALS) {
    const names = { entryPoints: { [name]: entry }, entryNames: '[name]-[hash]', splitting: false }
    const result = await buildWith({ ...names, plugins: [madeBefore(made)] })
    const { path } = result.outputFiles.find((file) => file.path.endsWith('.js'))
    made.set(name, `./${basename(path)}`)
    built.push(result)
  }
  built.push(await buildWith({ ...entries, plugins: [...plugins, tlsWithoutTrust, madeBefore(made)] }))
  const merged = (part) => Object.assign({}, ...built.map(({ metafile }) => metafile[part]))
  return {
    files: built.flatMap(({ outputFiles }) => outputFiles),
    metafile: { inputs: merged('inputs'), outputs: merged('outputs') },
  }
}

/** Leads to the files made before: what is imported late, and the worker, which a bundler of pages finds by its name in the code. */
const madeBefore = (made) => ({
  name: 'made-before',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /\/webCredential(?:Module|Engine|Wallet)\.ts$/ }, ({ path, kind }) => {
      const file = kind === 'dynamic-import' ? made.get(basename(path, '.ts')) : undefined
      return file === undefined ? undefined : { path: file, external: true }
    })
    onLoad({ filter: /[\\/]app[\\/]sdk[\\/]webCredentialEngine\.ts$/ }, ({ path }) => {
      const [before, after, ...more] = readFileSync(path, 'utf8').split("new URL('./webCredentialModule.ts'")
      if (after === undefined || more.length > 0) throw new Error(`${path} does not name its worker once`)
      return { contents: `${before}new URL('${made.get('webCredentialModule')}'${after}`, loader: 'ts' }
    })
  },
})

const buildWith = (options) =>
  build({
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
    logLevel: 'warning',
    ...options,
  })

/** Of the files of a bundle those that a page loads which imports `name`, sooner or later. What few pages need comes last. */
export function loadedBy(name, { files, metafile: { outputs } }) {
  const isOf = (path, file) => basename(path) === file
  const found = new Set([`${name}.js`])
  for (const file of found) {
    const [, { imports }] = Object.entries(outputs).find(([path]) => isOf(path, file))
    for (const { path } of imports) found.add(basename(path))
  }
  const sorted = [...found].sort((one, other) => isLate(one) - isLate(other))
  return sorted.map((file) => files.find(({ path }) => isOf(path, file)))
}

const PAYS = /^webCredential/
/** The list of authorities, and what pays. */
export const isLate = (path) => /^rootCertificates/.test(basename(path)) || PAYS.test(basename(path))
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
    const sizeOf = (wanted) =>
      loadedBy(entry, bundled)
        .filter(({ path }) => wanted(basename(path)))
        .reduce((sum, file) => sum + zippedSize(file), 0)
    const size = sizeOf((name) => !isLate(name))
    console.log(`${inKilobytes(size)}  ${entry}.js with all it loads but the list of authorities and what pays`)
    const paying = sizeOf((name) => PAYS.test(name))
    if (paying > 0) console.log(`${inKilobytes(paying)}  what pays, which ${entry}.js loads where a gateway wants it`)
    if (size > ROOM_FOR_ALL_BUT_LATE) throw new Error(`more than ${ROOM_FOR_ALL_BUT_LATE / 1024} KB`)
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
