/** The list, in the order in which both sides number it. No tests here. @module */
import { ABORTING } from './aborting.ts'
import { BODIES } from './bodies.ts'
import { CONNECTIONS } from './connections.ts'
import { DECODING } from './decoding.ts'
import type { FetchCase } from './fetchCase.ts'
import { FRAMING } from './framing.ts'
import { REDIRECTS } from './redirects.ts'
import { REQUESTS } from './requests.ts'
import { RESPONSES } from './responses.ts'

export const ALL_CASES: readonly FetchCase[] = [
  ...REQUESTS,
  ...BODIES,
  ...RESPONSES,
  ...REDIRECTS,
  ...DECODING,
  ...FRAMING,
  ...ABORTING,
  ...CONNECTIONS,
]
