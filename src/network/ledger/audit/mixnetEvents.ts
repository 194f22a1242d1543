/** What the mixnet tells, by name. @module */
import type { EventName, LedgerEvent } from '../ledger.ts'

export type MixnetEvent = { [E in EventName<'mixnet'>]: LedgerEvent<'mixnet', E> }[EventName<'mixnet'>]
