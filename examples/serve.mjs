/**
 * Shows one of the pages here: bundles it with the client and serves it from this machine.
 *
 *     npm start                          # in another terminal: a network to try it on; with "-- --free" for service-worker
 *     npm run example -- chat            # or wallet, service-worker; then open what it prints
 */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { basename, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { tlsWithoutTrust } from '../scripts/bundle.mjs'

export const PAGES = ['chat', 'wallet', 'service-worker']
const STYLE = new URL('./style.css', import.meta.url)
const TYPES = { '.html': 'text/html; charset=utf-8', '.css': 'text/css', '.js': 'text/javascript' }
// Whom "npm start" has them pay: five issuers and a faucet.
const PAID = [1, 2, 3, 4, 5, 6].map((n) => `http://127.0.2.${n}:*`).join(' ')
/** A page needs no more than its own files, its directory, who sells it tickets, its gateway, and a worker of a blob: that keeps time while it is hidden. */
const POLICY = `default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; worker-src 'self' blob:; connect-src 'self' http://127.0.0.1:* ${PAID} ws:`

/** Resolves with the URL it serves, and how to end it. Port 0: a free one. */
export async function serveExample(name, port) {
  const folder = fileURLToPath(new URL(`./${name}/`, import.meta.url))
  const bundled = await bundlePage(folder)
  const server = createServer(async (request, response) => {
    const file = basename(new URL(request.url, 'http://localhost').pathname) || 'index.html'
    try {
      const contents = bundled.get(file) ?? (await readFile(file === 'style.css' ? STYLE : join(folder, file)))
      const type = TYPES[extname(file)] ?? 'text/plain'
      response.writeHead(200, { 'content-type': type, 'content-security-policy': POLICY }).end(contents)
    } catch {
      response.writeHead(404).end('there is no such file\n')
    }
  })
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
  return {
    // Browsers hold localhost for secure, which WebCrypto wants, whatever the scheme.
    url: `http://localhost:${server.address().port}/`,
    close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()),
  }
}

/** The page, and its worker where it has one: whole and as a classic script, since service workers load nothing later. */
async function bundlePage(folder) {
  const worker = join(folder, 'worker.js')
  const bundles = [
    bundle({ entryPoints: [join(folder, 'page.js')], outdir: folder, format: 'esm', splitting: true }),
    ...(existsSync(worker) ? [bundle({ entryPoints: [worker], outdir: folder, format: 'iife' })] : []),
  ]
  const files = (await Promise.all(bundles)).flatMap(({ outputFiles }) => outputFiles)
  return new Map(files.map(({ path, contents }) => [basename(path), contents]))
}

const bundle = (options) =>
  build({
    ...options,
    bundle: true,
    target: 'es2022',
    write: false,
    // From the sources. In a project of your own there is no need of these two.
    conditions: ['starling-source'],
    plugins: [tlsWithoutTrust],
    logLevel: 'warning',
  })

if (import.meta.main) {
  const [name = '', port = '3000'] = process.argv.slice(2)
  if (!PAGES.includes(name)) {
    console.error(`There are the pages ${PAGES.join(', ')}: npm run example -- chat`)
    process.exit(2)
  }
  const { url } = await serveExample(name, Number(port)).catch((error) => {
    console.error(`${error.message}\nAnother port: npm run example -- ${name} 3001`)
    process.exit(2)
  })
  console.log(`${url}\nIt asks the directory of "npm start"; ?directory=URL names another. Stop: Ctrl-C`)
}
