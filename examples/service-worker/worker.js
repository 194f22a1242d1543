// The client of a page, or of an extension's background, in a service worker: whatever the page fetches below through/ goes through the
// mixnet. Bundled whole, since workers of this kind may load nothing later.
import { connect, isMixnetError } from 'starling-mixnet/service-worker'

/** In the worker's own address, so that it is still there when the browser wakes it without the page. */
const directory = new URL(location).searchParams.get('directory') ?? 'http://127.0.0.1:8080/api'
const THROUGH = new URL('through/', registration.scope).pathname
/** Another one each time that the browser has stopped the worker: all that is kept here is gone then. */
const run = crypto.randomUUID()

let connecting

/** One client, for as long as the browser lets the worker live. `folder` keeps who it is, and its gateways. */
function connected() {
  connecting ??= start().catch((error) => {
    connecting = undefined
    tell({ state: 'failed', why: `${error.message}. ${error.nextStep ?? ''}` })
    throw error
  })
  return connecting
}

async function start() {
  tell({ state: 'connecting' })
  const mixnet = await connect({ directory, folder: 'service-worker' })
  tell({ state: 'connected', client: mixnet.addressText.slice(0, 10) })
  return mixnet
}

async function tell(news) {
  for (const page of await clients.matchAll({ includeUncontrolled: true })) page.postMessage({ run, ...news })
}

async function answer(url) {
  try {
    const { status, body } = await (await connected()).fetch(url)
    // No header of the site's: this answer bears our name, and would set what ours may set.
    return new Response(body, { status, headers: { 'content-type': 'text/plain; charset=utf-8' } })
  } catch (error) {
    const code = isMixnetError(error) ? error.code : error.name
    return new Response(`${error.message}. ${error.nextStep ?? ''}`, {
      status: 502,
      headers: { 'starling-error': code },
    })
  }
}

addEventListener('install', () => skipWaiting())

/** A page has opened. It may be one that was loaded past the worker: those are taken over as well. */
addEventListener('message', (event) => {
  event.waitUntil(
    clients
      .claim()
      .then(connected)
      .catch(() => {}),
  )
})

addEventListener('fetch', (event) => {
  const { origin, pathname } = new URL(event.request.url)
  // To `fetch` only. As a page or as a script, what a site sends would run with all the rights of this one.
  const isFetch = event.request.destination === '' && event.request.mode !== 'navigate'
  if (origin !== location.origin || !pathname.startsWith(THROUGH) || !isFetch) return
  event.respondWith(answer(decodeURIComponent(pathname.slice(THROUGH.length))))
})
