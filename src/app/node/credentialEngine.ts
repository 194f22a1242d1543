/**
 * The engine of credentials in a thread: verifying one ticket takes as long as forwarding two hundred packets, and the packets of
 * others shall not wait for it. Whoever has many tickets to verify hands them over in one call, which is cheaper for each. @module
 */
import { siblingModule, startThread } from '../../foundation/platform/node/nodeThread.ts'
import { CREDENTIAL_METHODS, type CredentialEngine } from '../../protocol/credentials/engine.ts'

/** Some seconds of work; who has more to do than that should be told. */
const MAX_CALLS = 256

export interface CredentialEngineOptions {
  /** How many calls may wait for the thread; one more is refused with QUEUE_FULL. */
  readonly maxCalls?: number
}

/** Costs nothing until the first call, which loads the curve: some 150 ms, in the thread. Errors: those of `Thread.calls`. */
export function startCredentialEngine({
  maxCalls = MAX_CALLS,
}: CredentialEngineOptions = {}): CredentialEngine & { close(): Promise<void> } {
  const module = siblingModule('credentialThread', import.meta.url)
  const { calls, close } = startThread<CredentialEngine>({
    name: 'credentials',
    module,
    methods: CREDENTIAL_METHODS,
    maxCalls,
  })
  return { ...calls, close }
}
