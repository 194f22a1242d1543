// Two tabs that talk. The one that was invited by a link knows an address; the other only ever learns a pseudonym to answer to.
import { connect } from 'starling-mixnet'

const at = (id) => document.getElementById(id)
const query = new URLSearchParams(location.search)
/** Behind the #, so that no server is told whom somebody talks to. */
const host = decodeURIComponent(location.hash.slice(1))

const mixnet = await connect({
  directory: query.get('directory') ?? 'http://127.0.0.1:8080/api',
  onEvent: ({ type }) => {
    if (type === 'lost') at('state').textContent = 'The gateway is away; it is tried again by itself.'
    if (type === 'open') at('state').textContent = 'Connected.'
  },
}).catch((error) => {
  at('state').className = 'wrong'
  at('state').textContent = `${error.message}. ${error.nextStep ?? ''}`
  throw error
})

function show(from, text) {
  const line = document.createElement('li')
  const who = document.createElement('span')
  who.className = 'from'
  who.textContent = from
  line.append(who, text)
  at('talk').append(line)
}

/** Who wrote last, where we were not the one with an address to write to. */
let stranger
const send = (text) => (host === '' ? mixnet.reply(stranger, text) : mixnet.send(host, text))

at('say').addEventListener('submit', async (event) => {
  event.preventDefault()
  const text = at('words').value
  if (text === '') return
  at('words').value = ''
  try {
    await send(text)
    show('you', text)
  } catch (error) {
    show('not sent', `${error.message}. ${error.nextStep ?? ''}`)
  }
})

at('state').textContent = 'Connected.'
at('invitation').hidden = host !== ''
at('say').hidden = host === ''
at('link').href = `${location.pathname}${location.search}#${encodeURIComponent(mixnet.addressText)}`

for await (const { data, sender } of mixnet.messages()) {
  if (host === '') {
    if (sender === undefined) continue
    stranger = sender
    at('say').hidden = false
  }
  show('they', new TextDecoder().decode(data))
}
