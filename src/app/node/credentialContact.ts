/**
 * The issuers of the network as a gateway hears of them: it asks its directories for their epoch, as it asks for the network itself. A
 * network without issuers has none, and its gateways take no tickets. @module
 */
import { isMixnetError } from '../../foundation/base/errors.ts'
import { silentLog } from '../../foundation/base/observe.ts'
import { type Millis, seconds } from '../../foundation/base/units.ts'
import type { DirectoryClient } from '../../network/topology/directoryClient.ts'
import { NODE_REFRESH, Refreshing } from '../../network/topology/topologyProvider.ts'
import { parseJson } from '../../protocol/wire/directory/json.ts'
import { type CredentialEpoch, readCredentialEpoch } from '../../protocol/wire/issuer/credentialEpoch.ts'
import { LOCAL_REFRESH } from './directoryContact.ts'
import type { NodeParts } from './nodeParts.ts'

// Between two questions that clients cause by tickets of epochs nobody knows.
const ASK_AGAIN = seconds(60)
const LOCAL_ASK_AGAIN = seconds(1)
/** A hundred issuers with keys of a kilobyte in base58. */
const MAX_EPOCH_CHARACTERS = 256 * 1024

export class CredentialContact {
  readonly #parts: NodeParts
  readonly #epoch: Refreshing<CredentialEpoch>
  #askedAgain = Number.NEGATIVE_INFINITY
  #stopped = false

  /** `onEpoch` hears of every answer, also of the same one again. */
  constructor(parts: NodeParts, directory: DirectoryClient, onEpoch: (epoch: CredentialEpoch) => Promise<void>) {
    const { world, config, log } = parts
    this.#parts = parts
    this.#epoch = new Refreshing<CredentialEpoch>({
      clock: world.clock,
      fetch: async (signal) => {
        const epoch = await directory.ask((one) => one.get('/v1/ecash/epoch', decodeEpoch), signal)
        // In force when this resolves: whoever asked for the sake of a ticket looks again then.
        await onEpoch(epoch)
        return epoch
      },
      params: config.local ? LOCAL_REFRESH : NODE_REFRESH,
      // Where tickets are a must it matters that there are none; else most networks have none.
      log: config.tickets?.required === true ? log.child('issuers') : silentLog,
    })
  }

  /** Asks on until it is stopped. */
  start(): void {
    const ask = async () => {
      while (!this.#stopped) {
        try {
          await this.#epoch.start()
          return
        } catch (error) {
          if (this.#stopped || !isMixnetError(error)) return
        }
      }
    }
    void ask()
  }

  /** Now instead of at the next round, but not for every ticket. Never rejects. */
  async askAgain(): Promise<void> {
    const now = this.#parts.world.clock.monotonic()
    if (now - this.#askedAgain < this.#askAgainAfter) return
    this.#askedAgain = now
    await this.#epoch.refresh().catch(() => {})
  }

  stop(): void {
    this.#stopped = true
    this.#epoch.stop()
  }

  get #askAgainAfter(): Millis {
    return this.#parts.config.local ? LOCAL_ASK_AGAIN : ASK_AGAIN
  }
}

const decodeEpoch = (text: string): CredentialEpoch =>
  readCredentialEpoch(parseJson(text, 'credential epoch', MAX_EPOCH_CHARACTERS))
