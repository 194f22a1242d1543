/**
 * What one case of `fetch` is: a server's behaviour, what is asked of it, and what must come of that. One list of them is run by
 * the client on Node (fetchCases.test.ts), by that for pages on Node, and by that for pages in Chromium (test/browser).
 * The behaviours are those that undici's own tests look at, as far as they reach the network. No tests here. @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http'

export interface FetchCase {
  readonly name: string
  /** Runs in the server's process. May be left out where nothing must reach it. */
  readonly serve?: (visit: Visit) => unknown
  /** Runs where the client is. What it resolves with must survive JSON. */
  readonly ask: (client: CaseClient) => Promise<unknown>
  readonly expected: unknown
  /** Where one of the clients has a reason to differ. */
  readonly differs?: { readonly who: Kind; readonly because: string; readonly expected: unknown }
}

/** Over undici, or for pages. */
export type Kind = 'node' | 'web'

/** A request as the server sees it. Everything of Node's that a case needs is in here: the cases are loaded by pages too. */
export interface Visit {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** With the query, from behind what the case's own URLs begin with. */
  readonly path: string
  /** Of the case, from 1. */
  readonly number: number
  /** Connections that the case's requests came over, in the order of their first; from 1. */
  readonly connection: number
  body(): Promise<string>
  /** Writes to the connection and not to the answer. Code units are bytes. */
  raw(text: string): Promise<void>
  /** Ends the connection in order. */
  end(): void
  /** Resets the connection. */
  reset(): void
  compressed(coding: 'gzip' | 'deflate' | 'deflate-raw' | 'br' | 'zstd', data: string | Uint8Array): Uint8Array
  /** Resolves once that path of the case has been asked for. */
  asked(path: string): Promise<void>
  /** The URL of that path at the other origin. */
  elsewhere(path: string): string
  /** Resolves when this request's connection is closed. */
  closed(): Promise<void>
}

export interface CaseClient {
  readonly kind: Kind
  fetch(input: string | URL | Request, init?: CaseInit): Promise<Response>
  url(path: string): string
  /** The same server under another name: another origin. */
  elsewhere(path: string): string
  secure(path: string): string
  /** Not the name in the certificate. */
  misnamed(path: string): string
  /** Of a MixnetError, else the error's name. */
  codeOf(error: unknown): string
  /** A deadline, in milliseconds, within which an honest answer arrives. */
  readonly deadline: number
}

export type CaseInit = RequestInit & { readonly timeout?: number; readonly duplex?: 'half' }

/** What it gave, or the code of what it rejected with. */
export async function outcome(client: CaseClient, work: Promise<unknown>): Promise<unknown> {
  try {
    return await work
  } catch (error) {
    return client.codeOf(error)
  }
}

export const PATTERN_BYTES = 300_000
/** Byte i is i modulo 251. */
export const pattern = (count: number = PATTERN_BYTES): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length: count }, (_, i) => i % 251)

export function isPattern(bytes: Uint8Array, count: number = PATTERN_BYTES): boolean {
  return bytes.length === count && bytes.every((byte, i) => byte === i % 251)
}
