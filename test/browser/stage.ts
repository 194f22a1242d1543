/** What every test of an official client needs: a network, a browser, pages. @module */
import type { Browser, BrowserContext } from 'playwright-core'
import { launchChromium, resolverRules } from './chromium.ts'
import { LocalNetwork } from './network.ts'
import type { LedgerEpochs, NetworkArguments, Secure } from './networkProcess.ts'
import { OfficialPage } from './officialPage.ts'
import { type PageFolder, type PageServer, servePages, serveSecurePages } from './pageServer.ts'

/** Compiled in, with the path /api, where ours has it too. */
const OFFICIAL_DIRECTORY = 'validator.nymtech.net:443'

export class Stage {
  readonly network: LocalNetwork
  readonly #browser: Browser
  readonly #server: PageServer

  private constructor(network: LocalNetwork, browser: Browser, server: PageServer) {
    this.network = network
    this.#browser = browser
    this.#server = server
  }

  /** Taken ports are stepped over; files of tests that run at the same time start elsewhere to keep out of each other's way. */
  static async start(
    directoryPort: number,
    epochs: Partial<LedgerEpochs> = {},
    names: NetworkArguments['names'] = {},
    mixNodes?: number,
  ): Promise<Stage> {
    const more = mixNodes === undefined ? {} : { mixNodes }
    return await Stage.#set(await LocalNetwork.start(directoryPort, epochs, names, more), [], servePages)
  }

  /** Its gateways want to be paid. */
  static async startPaying(directoryPort: number): Promise<Stage> {
    return await Stage.#set(await LocalNetwork.start(directoryPort, {}, {}, { paid: true }), [], servePages)
  }

  /** Pages by https, from where everything they reach is https or wss. The certificate is the fixture's, so nobody checks it. */
  static async startSecure(directoryPort: number): Promise<Stage> {
    const network = await LocalNetwork.start(directoryPort, {}, {}, { tls: true })
    return await Stage.#set(network, ['--ignore-certificate-errors'], serveSecurePages)
  }

  /**
   * The same, with an exit that carries packets to `address`, of this machine; and what would reach the directory of the official network
   * reaches ours: clients that have its address compiled in.
   */
  static async startTunnels(directoryPort: number, address: string): Promise<Stage> {
    const network = await LocalNetwork.start(directoryPort, {}, {}, { tls: true, packetsTo: address })
    const { port } = new URL((network.secure as Secure).directoryUrl)
    const rules = resolverRules({ [OFFICIAL_DIRECTORY]: `127.0.0.1:${port}` })
    return await Stage.#set(network, ['--ignore-certificate-errors', rules], serveSecurePages)
  }

  static async #set(
    network: LocalNetwork,
    chromiumArguments: readonly string[],
    serve: () => Promise<PageServer>,
  ): Promise<Stage> {
    try {
      return new Stage(network, await launchChromium(chromiumArguments), await serve())
    } catch (error) {
      await network.stop()
      throw error
    }
  }

  /** Somebody new, with nothing stored; or a page of the same person, where a context is given. */
  async open(folder: PageFolder, context?: BrowserContext): Promise<OfficialPage> {
    return await OfficialPage.open(context ?? (await this.person()), `${this.#server.origin}/${folder}/`)
  }

  /** Of the pages. */
  get origin(): string {
    return this.#server.origin
  }

  async person(): Promise<BrowserContext> {
    return await this.#browser.newContext()
  }

  /** What users give the clients: where the network is. */
  get options(): { readonly nymApiUrl: string } {
    return { nymApiUrl: this.network.secure?.directoryUrl ?? this.network.directoryUrl }
  }

  async stop(): Promise<void> {
    await this.#browser.close()
    await this.#server.close()
    await this.network.stop()
  }
}
