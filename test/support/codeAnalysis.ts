/** Makes the EVM of tests several times faster. @module */

interface Analysis {
  _getValidJumpDestinations(code: Uint8Array): unknown
}

/**
 * The library looks through all of a contract's code for jump destinations each time it is called, which is most of what a call costs.
 * It is not configurable and its class not exported; without this tests are the same, and take three times as long.
 */
async function analyseCodeOnce(): Promise<void> {
  const place = new URL('../../../evm/dist/esm/interpreter.js', import.meta.resolve('@ethereumjs/vm'))
  const { Interpreter } = (await import(place.href)) as { Interpreter: { prototype: Analysis } }
  const { prototype } = Interpreter
  const analyse = prototype._getValidJumpDestinations
  const known = new WeakMap<Uint8Array, unknown>()
  prototype._getValidJumpDestinations = function (code): unknown {
    const found = known.get(code) ?? analyse.call(this, code)
    known.set(code, found)
    return found
  }
}

export const codeAnalysedOnce: Promise<void> = analyseCodeOnce()
