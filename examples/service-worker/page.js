// A page that fetches; its worker takes it from there. All that is ours here is to say how the worker is.
const at = (id) => document.getElementById(id)
const workers = navigator.serviceWorker

/** The worker's life that we know, and who it was. */
let run
let client
let wasStopped = false

function heard({ data }) {
  wasStopped ||= run !== undefined && data.run !== run
  run = data.run
  if (data.state === 'connecting') {
    show(wasStopped ? 'The browser had stopped the worker. It connects again…' : 'The worker connects…')
  } else if (data.state === 'failed') {
    show(data.why, 'wrong')
  } else {
    const who = client === undefined || client === data.client ? 'the same client' : 'another client'
    client = data.client
    const again = `The browser had stopped the worker. It has connected again, as ${who}: ${client}…`
    show(wasStopped ? again : `Connected, as ${client}…`)
    // Not before: until the worker has this page, the page's own server would be asked, and told the address.
    at('ask').querySelector('button').disabled = false
  }
}

function show(text, className = '') {
  Object.assign(at('state'), { textContent: text, className })
}

function line(url) {
  const [item, address, result] = ['li', 'code', 'div'].map((tag) => document.createElement(tag))
  address.textContent = url
  result.textContent = '…'
  item.append(address, result)
  at('answers').prepend(item)
  return result
}

at('ask').addEventListener('submit', async (event) => {
  event.preventDefault()
  const url = at('url').value
  const result = line(url)
  try {
    const response = await fetch(`through/${encodeURIComponent(url)}`)
    const text = (await response.text()).slice(0, 500)
    const code = response.headers.get('starling-error')
    result.textContent = code === null ? `${response.status} ${text}` : `${code}: ${text}`
    result.className = code === null ? '' : 'wrong'
  } catch (error) {
    // The browser may stop a worker in the middle of an answer.
    Object.assign(result, { textContent: `${error.message}. Fetch it again.`, className: 'wrong' })
  }
})

workers.addEventListener('message', heard)
workers.startMessages()
try {
  await workers.register(`worker.js${location.search}`)
  const { active } = await workers.ready
  active.postMessage('a page is here')
} catch (error) {
  show(error.message, 'wrong')
}
