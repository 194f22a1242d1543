/** Where an exit connects to: its policy, from a file or built in, and what test networks loosen. @module */
import { fromUtf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError, tryDecode } from '../../foundation/base/errors.ts'
import type { Files } from '../../foundation/platform/files.ts'
import { type ExitPolicy, OPEN_EXIT_POLICY, parseExitPolicy } from '../../protocol/wire/exit/exitPolicy.ts'
import { DEFAULT_EXIT_POLICY } from './defaultPolicy.ts'

export interface ExitRules {
  readonly policy: ExitPolicy
  /** Where the policy can be read, as told to clients that ask; empty where it is nowhere. */
  readonly source: string
  /** Told to clients that ask. */
  readonly openProxy: boolean
  /** Also addresses that are not globally routable: only for networks on one machine. */
  readonly allowLocalAddresses: boolean
}

export interface ExitRulesOptions {
  /** A policy in the text format. Absent: the one built in. */
  readonly policyPath?: string
  readonly source?: string
  /** Any destination; the policy is not read. */
  readonly openProxy?: boolean
  readonly allowLocalAddresses?: boolean
}

export const DEFAULT_EXIT_RULES: ExitRules = exitRules(DEFAULT_EXIT_POLICY)

/** Throws CONFIG_INVALID naming the line: an exit with half a policy would be worse than none. */
export async function loadExitRules(files: Files, options: ExitRulesOptions = {}): Promise<ExitRules> {
  if (options.openProxy === true) return exitRules(OPEN_EXIT_POLICY, options)
  const { policyPath } = options
  return exitRules(policyPath === undefined ? DEFAULT_EXIT_POLICY : await readPolicy(files, policyPath), options)
}

function exitRules(policy: ExitPolicy, options: ExitRulesOptions = {}): ExitRules {
  const { source = '', openProxy = false, allowLocalAddresses = false } = options
  return { policy, source: openProxy ? '' : source, openProxy, allowLocalAddresses }
}

async function readPolicy(files: Files, path: string): Promise<ExitPolicy> {
  const contents = await files.read(path)
  if (contents === undefined) throw new MixnetError('CONFIG_INVALID', { key: 'policyPath', why: 'no such file' })
  const policy = tryDecode(() => parseExitPolicy(fromUtf8(contents, 'exit policy')))
  if (!isMixnetError(policy)) return policy
  throw new MixnetError('CONFIG_INVALID', { key: 'policyPath', ...policy.details }, { cause: policy })
}
