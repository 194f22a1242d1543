/** What is deployed, as it was compiled. A quarter of a megabyte: for who deploys or recognises contracts, nobody else loads it. @module */

import type { Artefacts } from './artefact.ts'
import {
  announcementsAbi,
  announcementsBytecode,
  announcementsLinks,
  announcementsRuntime,
} from './artifacts/announcements.ts'
import {
  ecashDepositsAbi,
  ecashDepositsBytecode,
  ecashDepositsLinks,
  ecashDepositsRuntime,
} from './artifacts/ecashDeposits.ts'
import { governanceAbi, governanceBytecode, governanceLinks, governanceRuntime } from './artifacts/governance.ts'
import { issuersAbi, issuersBytecode, issuersLinks, issuersRuntime } from './artifacts/issuers.ts'
import { mixnetAbi, mixnetBytecode, mixnetLinks, mixnetRuntime } from './artifacts/mixnet.ts'
import { multicallAbi, multicallBytecode, multicallLinks, multicallRuntime } from './artifacts/multicall.ts'
import { nymTokenAbi, nymTokenBytecode, nymTokenLinks, nymTokenRuntime } from './artifacts/nymToken.ts'
import {
  ownershipProofAbi,
  ownershipProofBytecode,
  ownershipProofLinks,
  ownershipProofRuntime,
} from './artifacts/ownershipProof.ts'
import { performanceAbi, performanceBytecode, performanceLinks, performanceRuntime } from './artifacts/performance.ts'
import {
  reconciliationAbi,
  reconciliationBytecode,
  reconciliationLinks,
  reconciliationRuntime,
} from './artifacts/reconciliation.ts'
import { rewardedSetAbi, rewardedSetBytecode, rewardedSetLinks, rewardedSetRuntime } from './artifacts/rewardedSet.ts'
import { timelockAbi, timelockBytecode, timelockLinks, timelockRuntime } from './artifacts/timelock.ts'

export const CONTRACT_ARTEFACTS: Artefacts = {
  multicall: { abi: multicallAbi, bytecode: multicallBytecode, links: multicallLinks, runtime: multicallRuntime },
  timelock: { abi: timelockAbi, bytecode: timelockBytecode, links: timelockLinks, runtime: timelockRuntime },
  token: { abi: nymTokenAbi, bytecode: nymTokenBytecode, links: nymTokenLinks, runtime: nymTokenRuntime },
  ownershipProof: {
    abi: ownershipProofAbi,
    bytecode: ownershipProofBytecode,
    links: ownershipProofLinks,
    runtime: ownershipProofRuntime,
  },
  governance: { abi: governanceAbi, bytecode: governanceBytecode, links: governanceLinks, runtime: governanceRuntime },
  reconciliation: {
    abi: reconciliationAbi,
    bytecode: reconciliationBytecode,
    links: reconciliationLinks,
    runtime: reconciliationRuntime,
  },
  mixnet: { abi: mixnetAbi, bytecode: mixnetBytecode, links: mixnetLinks, runtime: mixnetRuntime },
  performance: {
    abi: performanceAbi,
    bytecode: performanceBytecode,
    links: performanceLinks,
    runtime: performanceRuntime,
  },
  rewardedSet: {
    abi: rewardedSetAbi,
    bytecode: rewardedSetBytecode,
    links: rewardedSetLinks,
    runtime: rewardedSetRuntime,
  },
  announcements: {
    abi: announcementsAbi,
    bytecode: announcementsBytecode,
    links: announcementsLinks,
    runtime: announcementsRuntime,
  },
  issuers: { abi: issuersAbi, bytecode: issuersBytecode, links: issuersLinks, runtime: issuersRuntime },
  ecash: {
    abi: ecashDepositsAbi,
    bytecode: ecashDepositsBytecode,
    links: ecashDepositsLinks,
    runtime: ecashDepositsRuntime,
  },
}
