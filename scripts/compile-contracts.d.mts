import type { Abi } from 'viem'

export interface SolcContract {
  readonly abi: Abi
  readonly evm: {
    readonly bytecode: {
      readonly object: string
      readonly linkReferences: Readonly<Record<string, Readonly<Record<string, readonly { readonly start: number }[]>>>>
    }
  }
}

export declare const SOLC_SETTINGS: object
export declare function contractSources(): Record<string, { readonly content: string }>
export declare function compileContracts(sources?: Record<string, { readonly content: string }>): {
  readonly contracts: Readonly<Record<string, Readonly<Record<string, SolcContract>>>>
}
export declare function compiledContracts(): ReturnType<typeof compileContracts>
