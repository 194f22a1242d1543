/**
 * Makes the EVM of tests several times faster: the same steps, gas and errors, with the library's own handlers of them. Neither is
 * configurable and the class is not exported. @module
 */

interface OpcodeEntry {
  readonly opcodeInfo: {
    readonly code: number
    readonly feeBigInt: bigint
    readonly isAsync: boolean
    readonly dynamicGas: boolean
    readonly isInvalid: boolean
  }
  readonly opHandler: (state: RunState, common: unknown) => void
}

interface RunState {
  programCounter: number
  opCode: number
  readonly code: Uint8Array
  readonly shouldDoJumpAnalysis: boolean
  readonly stack: { peek(count?: number): readonly bigint[] }
}

interface Interpreter {
  readonly common: unknown
  readonly _runState: RunState
  _getValidJumpDestinations(code: Uint8Array): unknown
  lookupOpInfo(code: number): OpcodeEntry
  useGas(amount: bigint, opcode: unknown): void
  runStep(entry: OpcodeEntry | undefined): Promise<void> | undefined
}

type MemoryGas = (state: RunState, offset: bigint, length: bigint, common: unknown) => bigint

const [MLOAD, MSTORE] = [0x51, 0x52]
const [JUMP, JUMPI, JUMPSUB] = [0x56, 0x57, 0x5e]
const WORD = 32n

/** A module of the library's inside. */
async function inside<Module>(path: string): Promise<Module> {
  const place = new URL(`../../../evm/dist/esm/${path}`, import.meta.resolve('@ethereumjs/vm'))
  return (await import(place.href)) as Module
}

/** The library looks through all of a contract's code for jump destinations each time it is called: most of what a call costs. */
function analyseCodeOnce(prototype: Interpreter): void {
  const analyse = prototype._getValidJumpDestinations
  const known = new WeakMap<Uint8Array, unknown>()
  prototype._getValidJumpDestinations = function (code): unknown {
    const found = known.get(code) ?? analyse.call(this, code)
    known.set(code, found)
    return found
  }
}

/**
 * The library waits for a promise at each instruction, and under the test runner, which follows every promise, that is two thirds of the
 * time. Here those that have nothing to wait for, nine of ten, are done in one go up to the next that has. Nobody listens to steps, and
 * the rules are Prague's: what later ones add to a step is not here.
 */
function stepWithoutWaiting(prototype: Interpreter, memoryGas: MemoryGas): void {
  const step = prototype.runStep
  prototype.runStep = function (given) {
    const { _runState: state, common } = this
    let entry = given ?? this.lookupOpInfo(state.opCode)
    for (;;) {
      const { code, feeBigInt, isAsync, dynamicGas, isInvalid } = entry.opcodeInfo
      const isWordOfMemory = code === MLOAD || code === MSTORE
      if (isAsync || isInvalid || (dynamicGas && !isWordOfMemory)) return step.call(this, entry)
      const memory = isWordOfMemory ? memoryGas(state, state.stack.peek()[0] as bigint, WORD, common) : 0n
      this.useGas(feeBigInt + memory, entry.opcodeInfo)
      state.programCounter++
      entry.opHandler(state, common)
      const next = state.code[state.programCounter]
      if (next === undefined) return undefined
      // Whoever called this looks for the destinations first.
      if (state.shouldDoJumpAnalysis && (next === JUMP || next === JUMPI || next === JUMPSUB)) return undefined
      state.opCode = next
      entry = this.lookupOpInfo(next)
    }
  }
}

async function makeFast(): Promise<void> {
  const { Interpreter } = await inside<{ Interpreter: { prototype: Interpreter } }>('interpreter.js')
  const { subMemUsage } = await inside<{ subMemUsage: MemoryGas }>('opcodes/util.js')
  analyseCodeOnce(Interpreter.prototype)
  stepWithoutWaiting(Interpreter.prototype, subMemUsage)
}

export const fastEvm: Promise<void> = makeFast()
