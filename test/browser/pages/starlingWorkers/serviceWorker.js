import { answer, current, operations } from './client.js'
import { connect, isMixnetError } from './starling-service-worker.js'

const all = operations({ connect, isMixnetError })
self.addEventListener('install', () => self.skipWaiting())
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()))
self.addEventListener('message', (event) => event.waitUntil(answer(all, event)))
self.addEventListener('fetch', (event) => {
  const { pathname, searchParams } = new URL(event.request.url)
  if (pathname.endsWith('/through')) event.respondWith(current().fetch(searchParams.get('url')))
})
