/**
 * Two clients on Node: one asks a question and does not say who it is, the other answers all the same; then a web site is asked.
 *
 *     npm start                                                    # in another terminal: a network to try it on
 *     npx node -C starling-source examples/node-script/main.ts
 *
 * @module
 */
import { connect } from 'starling-mixnet'

const directory = process.env.DIRECTORY ?? 'http://127.0.0.1:8080/api'

await using alice = await connect({ directory })
await using bob = await connect({ directory })

await alice.send(bob.address, 'What time is it?')
for await (const { data, sender } of bob.messages()) {
  console.log('bob hears   ', new TextDecoder().decode(data))
  // A pseudonym to answer to, not an address: bob cannot find out whose it is.
  if (sender !== undefined) await bob.reply(sender, 'Half past nine.')
  break
}
for await (const { data } of alice.messages()) {
  console.log('alice hears ', new TextDecoder().decode(data))
  break
}

const response = await alice.fetch('http://demo.starling/', { signal: AbortSignal.timeout(20_000) })
console.log('the site saw', /came from (\S+):/.exec(await response.text())?.[1])
console.log(alice.explain(response)?.lines.join('\n'))
