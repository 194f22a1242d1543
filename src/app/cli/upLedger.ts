/** The ledger of `starling up`: a chain on this machine, with the network's contracts on it. @module */

import { keccak_256 } from '@noble/hashes/sha3.js'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { machineError } from '../../foundation/base/machineError.ts'
import { millis, seconds } from '../../foundation/base/units.ts'
import { nodeProcesses } from '../../foundation/platform/node/nodeProcesses.ts'
import { CONTRACT_ARTEFACTS } from '../../network/ledger/contractArtefacts.ts'
import { deployLedger } from '../../network/ledger/deploy.ts'
import { writeDeployment } from '../../network/ledger/deployment.ts'
import { type DeploymentParams, localNetwork } from '../../network/ledger/deploymentParams.ts'
import { startEmbeddedChain } from '../../network/ledger/embeddedChain.ts'
import { openLedger } from '../../network/ledger/rpcLedger.ts'
import { keySigner } from '../../network/ledger/signers.ts'
import { forgetLocalRpc, localChainFolder, localDeploymentFile, tellLocalRpc } from '../node/localLedger.ts'
import type { NetworkSize } from '../testnet/layout.ts'
import { type LedgerPlan, LOCAL_DRIVER } from '../testnet/ledger.ts'
import { amountText } from './amounts.ts'
import type { Session } from './session.ts'

export interface UpLedger {
  readonly plan: LedgerPlan
  /** The chain as a program on this machine names it, and the deployment's file. */
  readonly named: { readonly rpc: readonly string[]; readonly deployment: string }
  /** What gateways earned since the start is told from now on, the first time: not in the middle of something else. */
  tellEarnings(): void
  stop(): Promise<void>
}

/** It mines what it is sent at once. */
const POLL_EVERY = millis(8)
const TO_GOVERN_AT_ONCE = 0

/**
 * `more`: in place of the numbers that a network of this size begins with. Throws CHAIN_UNAVAILABLE and LOCKED; LEDGER_MISMATCH where
 * the folder is of another version.
 */
export async function startLedger(
  { world, screen }: Pick<Session, 'world' | 'screen'>,
  folder: string,
  size: NetworkSize,
  more: Partial<DeploymentParams> = {},
): Promise<UpLedger> {
  const began = world.clock.monotonic()
  let isNew = true
  const chain = await startEmbeddedChain(world, nodeProcesses, {
    folder: localChainFolder(folder),
    onDied: (error) => screen.problem('ledger', error),
  }).catch((error: unknown) => {
    // A damaged state is nothing that the machine lacks: the chain says which file, and what to do.
    if (!isMixnetError(error, 'CHAIN_UNAVAILABLE') || error.details.file !== undefined) throw error
    const nextStep = 'Without a ledger it works all the same: starling up --no-ledger'
    throw machineError('CHAIN_UNAVAILABLE', error.details ?? {}, {
      message: 'the embedded chain does not run on this machine',
      nextStep,
      cause: error,
    })
  })
  try {
    const treasury = keySigner(chain.key)
    const rpc = { urls: [chain.url], chainId: chain.chainId }
    const path = localDeploymentFile(folder)
    isNew = (await world.files.read(path)) === undefined
    // What it needs for ever: coins of this chain are worth nothing.
    if (isNew) await chain.fund(treasury.address, 10n ** 24n)
    const params = { ...paramsOf(size, Math.floor(world.clock.now() / 1000)), ...more }
    const made = `${localChainFolder(folder)}/deployment.json`
    // Of a start that was killed: the chain may have forgotten what the file says.
    if (isNew) for (const file of [made, `${made}.begun`]) await world.files.remove(file)
    const deployment = await deployLedger(world, {
      ...rpc,
      signer: treasury,
      params,
      artefacts: CONTRACT_ARTEFACTS,
      path: isNew ? made : path,
      pollEvery: POLL_EVERY,
    })
    if (isNew) {
      // The chain first: who finds the file finds the contracts.
      await chain.save()
      await writeDeployment(world.files, path, deployment)
    }
    await tellLocalRpc(world.files, folder, rpc.urls)
    const contracts = Object.keys(deployment.addresses).length
    const took = world.clock.monotonic() - began
    screen.step('ledger', `embedded chain, ${contracts} contracts${isNew ? '' : ', as they were left'}`, took, {
      event: 'ledger',
      url: chain.url,
      chainId: chain.chainId,
      contracts,
      deployment: path,
      isNew,
    })
    const earnings = new Earnings(screen)
    const plan: LedgerPlan = {
      open: (where) => openLedger(where, { ...rpc, deployment, pollEvery: POLL_EVERY }),
      keccak256: keccak_256,
      treasury,
      fund: (address, wei) => chain.fund(address, wei),
      durable: () => chain.save(),
      driver: LOCAL_DRIVER,
      onEarned: (gateway, unym, tickets) => earnings.add({ gateway, unym, tickets }),
      onLongEpoch(epochId, length) {
        const hours = millisText(seconds(length))
        screen.step('epochs', `epoch ${epochId} was made ${hours} long: the network was not running`, undefined, {
          event: 'long-epoch',
          epochId,
          seconds: length,
        })
      },
    }
    return {
      plan,
      named: { rpc: rpc.urls, deployment: path },
      tellEarnings: () => earnings.tell(),
      async stop() {
        await forgetLocalRpc(world.files, folder)
        await chain.stop()
      },
    }
  } catch (error) {
    await chain.stop()
    throw isNew ? error : ofAnotherVersion(error, folder)
  }
}

/** The chain is our own: contracts on it that are not ours were, once. */
function ofAnotherVersion(error: unknown, folder: string): unknown {
  if (!isMixnetError(error, 'LEDGER_MISMATCH') || error.details.what !== 'deployment') return error
  const message = 'this network was made by another version of starling, with other contracts'
  const nextStep = `Start it with that version; or move ${folder} away, and a new network is made.`
  return machineError('LEDGER_MISMATCH', error.details, { message, nextStep, cause: error })
}

interface Earned {
  readonly gateway: string
  readonly unym: bigint
  readonly tickets: number
}

/** The first of them, for people to see that there are some; scripts hear of all. */
class Earnings {
  readonly #screen: Session['screen']
  #waiting: Earned[] | undefined = []
  #told = false

  constructor(screen: Session['screen']) {
    this.#screen = screen
  }

  add(earned: Earned): void {
    if (this.#waiting === undefined) this.#tell(earned)
    else this.#waiting.push(earned)
  }

  tell(): void {
    for (const earned of this.#waiting ?? []) this.#tell(earned)
    this.#waiting = undefined
  }

  #tell({ gateway, unym, tickets }: Earned): void {
    const event = { event: 'earned', gateway, tickets, unym: String(unym) }
    const many = tickets === 1 ? 'a ticket' : `${tickets} tickets`
    const text = `gateway "${gateway}" has ${amountText(unym)} for ${many}: starling ledger status`
    if (this.#told) this.#screen.event(event)
    else this.#screen.step('earned', text, undefined, event)
    this.#told = true
  }
}

function millisText(ms: number): string {
  const minutes = Math.round(ms / 60_000)
  return minutes < 120 ? `${minutes} minutes` : `${Math.round(minutes / 60)} hours`
}

/** A place for every node, or people would wonder where theirs is; the layers change with each epoch. */
function paramsOf({ mixNodes, entries, exits }: NetworkSize, now: number): DeploymentParams {
  return {
    ...localNetwork(now),
    rewardedSet: { entryGateways: entries, exitGateways: exits, mixnodes: mixNodes, standby: exits },
    // Nobody else is to be warned of a change.
    governanceDelaySeconds: TO_GOVERN_AT_ONCE,
  }
}
