// Balances by JSON-RPC through the mixnet: the provider sees an exit, and each account as somebody else.
import { connect, isMixnetError } from 'starling-mixnet'

const at = (id) => document.getElementById(id)
const query = new URLSearchParams(location.search)
/** A stand-in of `npm start`. */
const provider = query.get('rpc') ?? 'http://demo.starling/rpc'

async function ask(mixnet, account, method, params) {
  const response = await mixnet.fetch(provider, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    // Another pseudonym and another connection for each account.
    isolation: account,
    signal: AbortSignal.timeout(20_000),
  })
  const { result, error } = await response.json()
  if (error) throw new Error(error.message)
  return result
}

function row(account) {
  const [line, name, value] = ['tr', 'td', 'td'].map((tag) => document.createElement(tag))
  name.append(Object.assign(document.createElement('code'), { textContent: account }))
  value.textContent = '…'
  line.append(name, value)
  at('accounts').append(line)
  return value
}

try {
  const mixnet = await connect({ directory: query.get('directory') ?? 'http://127.0.0.1:8080/api' })
  at('state').textContent = `Connected. ${provider} will see an exit of the mixnet, not you.`
  at('add').querySelector('button').disabled = false
  at('add').addEventListener('submit', async (event) => {
    event.preventDefault()
    const account = at('account').value.toLowerCase()
    at('account').value = ''
    const value = row(account)
    try {
      const wei = BigInt(await ask(mixnet, account, 'eth_getBalance', [account, 'latest']))
      value.textContent = `${wei / 10n ** 18n} ETH`
    } catch (error) {
      value.className = 'wrong'
      value.textContent = isMixnetError(error) ? `${error.code}: ${error.nextStep}` : error.message
    }
  })
} catch (error) {
  at('state').className = 'wrong'
  at('state').textContent = `${error.message}. ${error.nextStep ?? ''}`
}
