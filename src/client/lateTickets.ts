/**
 * Tickets for whoever may never need them. A gateway is asked for bandwidth for nothing, as everywhere; only one that refuses has what pays
 * loaded (in a page, half as much again as the rest of the client) and the directory asked who issues tickets. Where bandwidth is free
 * neither happens. @module
 */
import { isMixnetError, MixnetError } from '../foundation/base/errors.ts'
import type { Secret } from '../foundation/base/secret.ts'
import { seconds } from '../foundation/base/units.ts'
import { type Clock, withDeadline } from '../foundation/platform/clock.ts'
import type { ClientWorld } from '../foundation/platform/world.ts'
import type { ControlResponse } from '../protocol/wire/gateway/control.ts'
import { ONLY_CREDENTIALS_TEXT } from '../protocol/wire/gateway/errorTexts.ts'
import { openFolder } from './clientFolder.ts'
import type { PayingSession, Payment, TicketSource } from './ticketSource.ts'

export interface WalletPlace {
  /** Its files are the client's: sealed where there is a passphrase. */
  readonly world: ClientWorld
  /** None: tickets end with the process. */
  readonly folder: string | undefined
  readonly identitySeed: Secret
}

export interface LateWallet extends TicketSource {
  close(): Promise<void>
}

/** What pays, loaded, and nothing of it written yet. One of the two is called, once. */
export interface WalletOpener<W extends LateWallet> {
  open(place: WalletPlace): Promise<W>
  discard(): Promise<void>
}

/** As `ticketFolder`, later. */
export interface LateFolder<W extends LateWallet> {
  readonly open: typeof openFolder
  /** undefined until a gateway wanted to be paid. */
  wallet(): W | undefined
}

/** Of loading over a slow line and opening a folder; buying has limits of its own. */
const OPEN_WITHIN = seconds(60)

/** `always`: gateways are paid also where they would give something for nothing. Then all of it is loaded at once. */
export function lateTickets<W extends LateWallet>(load: () => Promise<WalletOpener<W>>, always = false): LateFolder<W> {
  let late: LateTickets<W> | undefined
  return {
    wallet: () => late?.wallet,
    async open(outside, choice) {
      const place = await openFolder(outside, choice)
      const { files } = place
      return {
        files,
        async tickets(identitySeed) {
          late = new LateTickets(load, always, { world: { ...outside, files }, folder: choice.folder, identitySeed })
          return late
        },
        async release() {
          await late?.close()
          await place.release()
        },
      }
    },
  }
}

class LateTickets<W extends LateWallet> implements TicketSource {
  readonly #load: () => Promise<WalletOpener<W>>
  readonly #always: boolean
  readonly #place: WalletPlace
  #opening: Promise<W> | undefined
  /** From here on files are written. */
  #writing: Promise<W> | undefined
  #closed = false
  wallet: W | undefined

  constructor(load: () => Promise<WalletOpener<W>>, always: boolean, place: WalletPlace) {
    this.#load = load
    this.#always = always
    this.#place = place
  }

  payment(session: PayingSession): Payment {
    return new LatePayment(this.#place.world.clock, session, this.#always, () => this.#opened())
  }

  sent(gateway: Uint8Array, bytes: number): void {
    this.wallet?.sent(gateway, bytes)
  }

  /** The folder is let go of after this: what is still being loaded will not write there. */
  async close(): Promise<void> {
    this.#closed = true
    const wallet = await this.#writing?.catch(() => undefined)
    await wallet?.close()
  }

  /** Those who ask at once get one. After a failure the next one tries again. */
  #opened(): Promise<W> {
    this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = this.#writing = undefined
      throw error
    })
    return this.#opening
  }

  async #open(): Promise<W> {
    const opener = await this.#load()
    if (this.#closed) {
      await opener.discard()
      throw new MixnetError('STOPPED')
    }
    this.#writing = opener.open(this.#place)
    this.wallet = await this.#writing
    return this.wallet
  }
}

class LatePayment implements Payment {
  readonly #clock: Clock
  readonly #session: PayingSession
  readonly #always: boolean
  readonly #open: () => Promise<TicketSource>
  #paying: Payment | undefined
  #opening = false
  #ended = false

  constructor(clock: Clock, session: PayingSession, always: boolean, open: () => Promise<TicketSource>) {
    this.#clock = clock
    this.#session = session
    this.#always = always
    this.#open = open
  }

  get awaitsTicket(): boolean {
    return this.#opening || this.#paying?.awaitsTicket === true
  }

  claim(key: Secret): void {
    if (this.#paying !== undefined) this.#paying.claim(key)
    else if (this.#opening) return
    else if (this.#always) void this.#pay(key)
    else this.#session.send({ type: 'claimFreeTestnetBandwidth' })
  }

  answered(response: ControlResponse, key: Secret): boolean {
    if (this.#paying !== undefined) return this.#paying.answered(response, key)
    if (response.type !== 'error' || !response.message.includes(ONLY_CREDENTIALS_TEXT)) return false
    if (!this.#opening) void this.#pay(key, response)
    return true
  }

  stop(): void {
    this.#ended = true
    this.#paying?.stop()
  }

  async #pay(key: Secret, refusal?: ControlResponse): Promise<void> {
    this.#opening = true
    try {
      const wallet = await withDeadline(this.#clock, OPEN_WITHIN, 'what pays', this.#open())
      this.#opening = false
      if (this.#ended) return
      this.#paying = wallet.payment(this.#session)
      if (refusal === undefined) this.#paying.claim(key)
      else this.#paying.answered(refusal, key)
    } catch (error) {
      this.#opening = false
      if (this.#ended) return
      // One that cannot pay at all is served by another gateway or by none.
      const kind = isMixnetError(error, 'GATEWAY_REFUSED') ? 'refused' : 'passing'
      this.#session.failed({ error: isMixnetError(error) ? error : notLoaded(error), kind })
    }
  }
}

function notLoaded(cause: unknown): MixnetError {
  const message = 'what pays for bandwidth could not be loaded'
  const nextStep = 'Go online, and see that all files of the package are there.'
  return new MixnetError('CONNECTION_CLOSED', {}, { cause, message, nextStep })
}
