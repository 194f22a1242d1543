/** The contracts of a deployment and their ABIs, of the interfaces: nothing here depends on who implements them. @module */
import { iAnnouncementsAbi } from './artifacts/iAnnouncements.ts'
import { iEcashDepositsAbi } from './artifacts/iEcashDeposits.ts'
import { iIssuersAbi } from './artifacts/iIssuers.ts'
import { iMixnetAbi } from './artifacts/iMixnet.ts'
import { iNymTokenAbi } from './artifacts/iNymToken.ts'
import { iPerformanceAbi } from './artifacts/iPerformance.ts'
import { iRewardedSetAbi } from './artifacts/iRewardedSet.ts'
import { timelockAbi } from './artifacts/timelock.ts'

export interface Abis {
  readonly token: typeof iNymTokenAbi
  readonly mixnet: typeof iMixnetAbi
  readonly performance: typeof iPerformanceAbi
  readonly rewardedSet: typeof iRewardedSetAbi
  readonly announcements: typeof iAnnouncementsAbi
  readonly ecash: typeof iEcashDepositsAbi
  readonly issuers: typeof iIssuersAbi
  readonly timelock: typeof timelockAbi
}

export type ContractName = keyof Abis

export const ABIS: Abis = {
  token: iNymTokenAbi,
  mixnet: iMixnetAbi,
  performance: iPerformanceAbi,
  rewardedSet: iRewardedSetAbi,
  announcements: iAnnouncementsAbi,
  ecash: iEcashDepositsAbi,
  issuers: iIssuersAbi,
  timelock: timelockAbi,
}

export const CONTRACT_NAMES: readonly ContractName[] = [
  'token',
  'mixnet',
  'performance',
  'rewardedSet',
  'announcements',
  'ecash',
  'issuers',
  'timelock',
]
