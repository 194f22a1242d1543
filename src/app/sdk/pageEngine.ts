/** What the page's side of the credential engine and the worker's agree on. @module */
import type { MethodNames } from '../../foundation/platform/threadCalls.ts'
import { CREDENTIAL_METHODS, type CredentialEngine } from '../../protocol/credentials/engine.ts'

export const PAGE_ENGINE: {
  readonly name: string
  readonly methods: MethodNames<CredentialEngine>
  readonly maxCalls: number
} = {
  /** Of the worker too, by which its module knows that it is one. */
  name: 'starling-credentials',
  methods: CREDENTIAL_METHODS,
  /** A client has a few at most. */
  maxCalls: 64,
}
