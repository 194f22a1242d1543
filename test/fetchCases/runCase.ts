/** Runs one case of the list against a client. Loaded by pages too. No tests here. @module */
import { ALL_CASES } from './allCases.ts'
import type { CaseClient } from './fetchCase.ts'

export interface ClientUnderTest extends Pick<CaseClient, 'kind' | 'fetch' | 'codeOf' | 'deadline'> {
  /** Where the server of the cases is: the name in its certificate, and another. */
  readonly host: string
  readonly otherHost: string
  /** Makes the run's URLs its own. */
  readonly word: string
}

/** Resolves with what must be equal to the case's `expected`. */
export async function runCase(number: number, { host, otherHost, word, ...client }: ClientUnderTest): Promise<unknown> {
  const found = ALL_CASES[number]
  if (found === undefined) throw new Error(`no case ${number}`)
  const at = (origin: string) => (path: string) => `${origin}/${number}/${word}${path}`
  return await found.ask({
    ...client,
    url: at(`http://${host}`),
    elsewhere: at(`http://${otherHost}`),
    secure: at(`https://${host}`),
    misnamed: at(`https://${otherHost}`),
  })
}

export const expectedOf = (number: number, kind: CaseClient['kind']): unknown => {
  const { expected, differs } = ALL_CASES[number] ?? {}
  return differs?.who === kind ? differs.expected : expected
}
