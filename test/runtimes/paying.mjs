// As smoke.mjs, in a network that wants to be paid, by a program that says nothing of tickets.
import { connect } from 'starling-mixnet'

const { directory, site } = JSON.parse(process.argv[2])
const events = []
const mixnet = await connect({ directory, onEvent: ({ type }) => events.push(type) })
const answer = await (await mixnet.fetch(`${site}/hello?who=payer`)).text()
await mixnet.close()
console.log(JSON.stringify({ answer, events }))
