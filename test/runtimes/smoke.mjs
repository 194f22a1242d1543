// What a program does with the package, on whatever runtime this runs: its only argument is JSON, its last line of output is JSON.
import { connect, isMixnetError } from 'starling-mixnet'

const { directory, ca, site, secureSite, folder } = JSON.parse(process.argv[2])
const done = {}
const options = { directory, ca, ...(folder === undefined ? {} : { folder }) }
const mixnet = await connect(options)
const { identity } = mixnet.address

await mixnet.send(mixnet.address, 'a message')
for await (const { data } of mixnet.messages()) {
  done.message = new TextDecoder().decode(data)
  break
}

for (const [name, from] of [
  ['http', site],
  ['https', secureSite],
]) {
  const response = await mixnet.fetch(`${from}/hello?who=${name}`)
  done[name] = await response.text()
  done[`${name}Outcome`] = mixnet.explain(response).outcome
  const hash = await crypto.subtle.digest(
    'SHA-256',
    await (await mixnet.fetch(`${from}/bytes?count=100000`)).arrayBuffer(),
  )
  done[`${name}Hash`] = Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('')
  done[`${name}WebSocket`] = await new Promise((resolve) => {
    const socket = new mixnet.WebSocket(`${from.replace('http', 'ws')}/`)
    let heard
    socket.onopen = () => socket.send('grüße')
    socket.onmessage = ({ data }) => {
      heard = data
      socket.close(1000)
    }
    socket.onerror = ({ error }) => resolve(error.code)
    socket.onclose = ({ wasClean }) => resolve(wasClean ? heard : 'not clean')
  })
}

done.unknown = await mixnet.fetch('http://nowhere.invalid/').catch((error) => isMixnetError(error) && error.code)
await mixnet.close()
if (folder !== undefined) {
  const again = await connect(options)
  done.sameIdentity = again.address.identity.every((byte, i) => byte === identity[i])
  await again.close()
}
console.log(JSON.stringify(done))
