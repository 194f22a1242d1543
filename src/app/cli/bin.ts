#!/usr/bin/env -S node --max-semi-space-size=8
/**
 * The `starling` command of the package: what an old Node would say with a stack, said in a line. Nothing is imported before. The flag
 * keeps V8's young generation small: packets die young, a larger one only lets more of them wait for it, and a node grows by 80 MB. @module
 */

const OLDEST_MAJOR = 24

const { node } = process.versions
if (Number.parseInt(node, 10) >= OLDEST_MAJOR) await import('./main.ts')
else {
  process.stderr.write(
    `starling needs Node ${OLDEST_MAJOR} or later, and this is ${node}. https://nodejs.org has newer ones.\n`,
  )
  process.exitCode = 2
}
