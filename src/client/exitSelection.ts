/** Finding network requesters: nodes that declare the role and say under which address their service listens. @module */
import { equalBytes } from '../foundation/base/bytes.ts'
import { isMixnetError, MixnetError, tryDecode } from '../foundation/base/errors.ts'
import type { CryptoProvider } from '../foundation/crypto/provider.ts'
import { pick, type RandomStream } from '../foundation/platform/random.ts'
import type { DirectoryClient } from '../network/topology/directoryClient.ts'
import { parseRecipient, type Recipient } from '../protocol/packet/recipient.ts'
import { decodeDescribedNodes } from '../protocol/wire/directory/describedNodes.ts'

/** All that the directory lists; a node whose address does not parse is left out. */
export async function listExits(crypto: CryptoProvider, directory: DirectoryClient): Promise<readonly Recipient[]> {
  const page = await directory.ask((reader) => reader.get('/v1/nym-nodes/described', decodeDescribedNodes))
  const exits: Recipient[] = []
  for (const { declaredRole, networkRequester } of page.items) {
    // Official nodes fill in the requester's address whatever they do: only the role says that it runs.
    if (!declaredRole.exitNr || networkRequester === undefined) continue
    const address = tryDecode(() => parseRecipient(crypto, networkRequester.address))
    if (!isMixnetError(address)) exits.push(address)
  }
  return exits
}

/**
 * One of `exits`, at none of our guards where there is one, and else at another gateway than our entry: a node that is both entry
 * and exit knows who asks and for what. Throws EXIT_UNREACHABLE where there is none at all.
 */
export function chooseExit(
  random: RandomStream,
  exits: readonly Recipient[],
  { entry, guards }: { readonly entry: Uint8Array; readonly guards: readonly Uint8Array[] },
): Recipient {
  const exit = anotherExit(random, exits, { entry, guards }) ?? pick(random, exits)
  if (exit === undefined) throw noExit()
  return exit
}

export function noExit(): MixnetError {
  return new MixnetError('EXIT_UNREACHABLE', { why: 'the directory lists no exit' })
}

/** The same in the place of one that is left, and never at our entry: by leaving one nobody may be brought to where the two are one. */
export function anotherExit(
  random: RandomStream,
  exits: readonly Recipient[],
  { entry, guards }: { readonly entry: Uint8Array; readonly guards: readonly Uint8Array[] },
): Recipient | undefined {
  const awayFrom = (gateways: readonly Uint8Array[]): readonly Recipient[] =>
    exits.filter(({ gateway }) => !gateways.some((one) => equalBytes(one, gateway)))
  const choices = [awayFrom([entry, ...guards]), awayFrom([entry])]
  return pick(random, choices.find(({ length }) => length > 0) ?? [])
}
