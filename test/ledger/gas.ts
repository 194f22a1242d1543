/** `npm run gas`: measures anew what every action costs, and writes vectors/gas.json and the tables of docs/spec/gas.md. @module */
import { readFile, writeFile } from 'node:fs/promises'
import { playGas } from './gasActions.ts'
import { withTables } from './gasPage.ts'

const VECTORS = new URL('../../vectors/gas.json', import.meta.url)
const PAGE = new URL('../../docs/spec/gas.md', import.meta.url)

const record = await playGas()
await writeFile(VECTORS, `${JSON.stringify(record, null, 2)}\n`)
await writeFile(PAGE, withTables(await readFile(PAGE, 'utf8'), record))
console.log(`${Object.keys(record).length} actions`)
