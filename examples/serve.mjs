/**
 * Shows one of the pages here: bundles it with the client and serves it from this machine.
 *
 *     npm start                          # in another terminal: a network to try it on
 *     npm run example -- chat            # or wallet, service-worker; then open what it prints
 */
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { basename, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { tlsWithoutTrust } from '../scripts/bundle.mjs'

export const PAGES = ['chat', 'wallet', 'service-worker']
const STYLE = new URL('./style.css', import.meta.url)
const TYPES = { '.html': 'text/html; charset=utf-8', '.css': 'text/css', '.js': 'text/javascript' }
/** A page needs no more than its own files, its directory and its gateway. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; worker-src 'self'; connect-src 'self' http://127.0.0.1:* ws:"

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

async function bundlePage(folder) {
  const { outputFiles } = await build({
    entryPoints: [join(folder, 'page.js')],
    bundle: true,
    splitting: true,
    format: 'esm',
    target: 'es2022',
    write: false,
    outdir: folder,
    // In a project of your own the package's name is enough.
    alias: { 'starling-mixnet': fileURLToPath(new URL('../src/app/sdk/browser.ts', import.meta.url)) },
    plugins: [tlsWithoutTrust],
    logLevel: 'warning',
  })
  return new Map(outputFiles.map(({ path, contents }) => [basename(path), contents]))
}

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
