/** What the page's side of the credential engine and the worker's agree on. @module */
import type { MethodNames } from '../../foundation/platform/threadCalls.ts'
import type { CredentialEngine } from '../../protocol/credentials/engine.ts'

const METHODS: MethodNames<CredentialEngine> = {
  userKey: true,
  requestBook: true,
  openBook: true,
  spend: true,
  verificationKey: true,
  issue: true,
  signList: true,
  identify: true,
  aggregateKeys: true,
  aggregateList: true,
  listHolds: true,
  verifyPayments: true,
  issuedHolds: true,
}

export const PAGE_ENGINE: {
  readonly name: string
  readonly methods: MethodNames<CredentialEngine>
  readonly maxCalls: number
} = {
  /** Of the worker too, by which its module knows that it is one. */
  name: 'starling-credentials',
  methods: METHODS,
  /** A client has a few at most. */
  maxCalls: 64,
}
