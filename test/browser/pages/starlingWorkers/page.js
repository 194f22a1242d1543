// A page whose client runs in a worker, of either kind: it asks there over a port of its own for each question.

let worker
const target = { dedicated: () => worker, service: () => navigator.serviceWorker.controller }

globalThis.startDedicated = () => {
  worker = new Worker('worker.js', { type: 'module' })
}

globalThis.startService = async () => {
  const controlled = new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve))
  await navigator.serviceWorker.register('serviceWorker.js', { type: 'module' })
  if (navigator.serviceWorker.controller === null) await controlled
}

globalThis.ask = (kind, name, ...args) =>
  new Promise((resolve, reject) => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = ({ data: { value, error } }) => {
      port1.close()
      if (error === undefined) resolve(value)
      else reject(new Error(error))
    }
    target[kind]().postMessage({ name, args }, [port2])
  })

/** The page's own fetch, which the service worker answers through the mixnet. */
globalThis.fetchIntercepted = async (url) => {
  const response = await fetch(`through?${new URLSearchParams({ url })}`)
  return { status: response.status, text: await response.text() }
}
