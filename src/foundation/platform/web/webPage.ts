/** What the place that a script came from decides about the sockets it may open. @module */

interface Place {
  readonly origin?: string
  readonly location?: { readonly href: string } | undefined
}

/**
 * Whether browsers refuse `ws:` here as mixed content: in pages that came by https and in their workers, service workers included. Both are
 * looked at: a worker made of a blob and a frame made of a string have their page's origin and an address of their own, a sandboxed frame
 * has the address and no origin.
 */
export const mustUseTls = ({ origin = '', location }: Place = globalThis as Place): boolean =>
  [origin, location?.href ?? ''].some((text) => /^(?:blob:)?https:/.test(text))
