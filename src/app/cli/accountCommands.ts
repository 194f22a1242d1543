/** `starling ledger faucet` and `account`: keys, and what they have. @module */

import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { machineError } from '../../foundation/base/machineError.ts'
import { balanceOf, hexOf } from '../../network/ledger/chainCalls.ts'
import { JsonRpc } from '../../network/ledger/jsonRpc.ts'
import { sealKeystore, writeKeystore } from '../../network/ledger/keystore.ts'
import { keySigner, newKey } from '../../network/ledger/signers.ts'
import { localDeployerKey, UP_FOLDER } from '../node/localLedger.ts'
import { amountText, coinText } from './amounts.ts'
import {
  addressIn,
  KEYSTORE_TOOLS,
  type LedgerOptions,
  openChosenLedger,
  openKey,
  readPassword,
  type SignerOptions,
} from './ledgerAccess.ts'
import type { Session } from './session.ts'
import { askSecret, canAsk } from './terminal.ts'

export interface FaucetOptions extends LedgerOptions {
  readonly amount: bigint
  readonly key: string
}

/** Of the chain's own coin: 10, which is fees for years. */
const FAUCET_COINS = 10n ** 19n

/** NYM of whoever deployed, and coins out of nothing, which only a local chain gives. */
export async function giveFromFaucet(session: Session, who: string, options: FaucetOptions): Promise<number> {
  const { screen, world } = session
  const to = await addressIn(session, who)
  const { ledger, deployment, urls } = await openChosenLedger(session, options)
  const rpc = new JsonRpc(world, { urls, chainId: deployment.chainId })
  const has = await rpc.ask(balanceOf(to))
  await rpc
    .ask({ method: 'anvil_setBalance', params: [to, hexOf(has + FAUCET_COINS)], decode: () => undefined })
    .catch((error: unknown) => {
      if (!isMixnetError(error) || error.details.reason !== 'server') throw error
      throw machineError(
        'LEDGER_REFUSED',
        {},
        {
          message: 'this chain is not a local one: nobody gives coins away',
          nextStep: 'Get coins and NYM from somebody who has them.',
          cause: error,
        },
      )
    })
  const account = ledger.account(keySigner(await openKey(session, options.key, {})))
  const receipt = await account.write('token', 'transfer', [to, options.amount], { signal: session.interrupted })
  screen.step('given', `${amountText(options.amount)} and ${coinText(FAUCET_COINS)} to ${to}`, undefined, {
    event: 'given',
    to,
    unym: String(options.amount),
    wei: String(FAUCET_COINS),
    transaction: receipt.transactionHash,
  })
  return 0
}

export const FAUCET_KEY: string = localDeployerKey(UP_FOLDER)

/** A new key in a file that every wallet can open. */
export async function makeAccount(
  session: Session,
  path: string,
  options: Pick<SignerOptions, 'passwordFile' | 'passwordEnv'>,
): Promise<number> {
  const { world, screen, interrupted } = session
  if ((await world.files.kindOf(path)) !== undefined) {
    throw new MixnetError(
      'BAD_ARGUMENT',
      { file: path },
      { message: 'the file exists', nextStep: 'Choose a file that is not there yet: keys are never written over.' },
    )
  }
  const password = await readPassword(session, options, 'Password for the new key (empty is no protection): ')
  const isTyped = options.passwordFile === undefined && options.passwordEnv === undefined && canAsk()
  if (isTyped && (await askSecret('Once more: ', interrupted)) !== password) {
    throw new MixnetError(
      'BAD_ARGUMENT',
      {},
      { message: 'the passwords are not the same', nextStep: 'Type it again: no key was made.' },
    )
  }
  const key = newKey(world.random)
  const { address } = keySigner(key)
  await writeKeystore(world.files, path, await sealKeystore(KEYSTORE_TOOLS, world.random, key, password))
  screen.step('account', `${address}   in ${path}`, undefined, { event: 'account', address, file: path })
  screen.line('\n  Keep a copy of the file, and the password: without them what the account owns is lost.')
  screen.line(`  On a local network   starling ledger faucet ${path}`)
  return 0
}

export async function showAccount(session: Session, who: string, options: LedgerOptions): Promise<number> {
  const { screen } = session
  const at = await addressIn(session, who)
  const { ledger, deployment, urls } = await openChosenLedger(session, options)
  const coins = await new JsonRpc(session.world, { urls, chainId: deployment.chainId }).ask(balanceOf(at))
  const { results } = await ledger.readAll([
    { contract: 'token', fn: 'balanceOf', args: [at] },
    { contract: 'mixnet', fn: 'owed', args: [at] },
    { contract: 'mixnet', fn: 'nodeIdOf', args: [at] },
    { contract: 'performance', fn: 'participantOf', args: [at] },
  ])
  const [tokens, owed, nodeId, { stake, leftInEpoch }] = results
  screen.step('account', at, undefined, {
    event: 'account',
    address: at,
    unym: String(tokens),
    wei: String(coins),
    owed: String(owed),
    nodeId,
    monitorStake: String(stake),
  })
  screen.step('has', `${amountText(tokens)}, and ${coinText(coins)} for fees`)
  if (owed > 0n) screen.step('owed', `${amountText(owed)}: starling claim`)
  if (nodeId > 0) screen.step('node', `${nodeId}`)
  if (stake > 0n)
    screen.step('monitor', `${amountText(stake)} at stake${leftInEpoch > 0 ? `, left in epoch ${leftInEpoch}` : ''}`)
  return 0
}
