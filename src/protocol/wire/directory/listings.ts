/**
 * The directory's listings of nodes, a page at a time. Version 2 says which epoch and key rotation it was made for: pages and
 * listings that are used together must agree on that. Version 1, for clients older than mid-2025, does not.
 * Format: docs/spec/directory.md. @module
 */
import type { Millis } from '../../../foundation/base/units.ts'
import { formatRfc3339 } from '../timestamp.ts'
import { encodeInterval, type Interval, MAX_NODES, readInterval } from './epochs.ts'
import { type Json, type JsonObject, type JsonValue, parseJson } from './json.ts'
import {
  encodeSemiSkimmedNode,
  encodeSkimmedNode,
  readSemiSkimmedNode,
  readSkimmedNode,
  type SemiSkimmedNode,
  type SkimmedNode,
} from './skimmedNodes.ts'

export interface Pagination {
  /** Items on all pages together. */
  readonly total: number
  readonly page: number
  readonly size: number
}

export interface Page<Item> {
  readonly pagination: Pagination
  readonly items: readonly Item[]
}

/** `noUpdates` answers a client that named the current epoch; there are no items then. */
export type ListingStatus =
  | { readonly kind: 'unstated' }
  | { readonly kind: 'noUpdates' }
  | { readonly kind: 'fresh'; readonly interval: Interval }

export interface ListingMetadata {
  readonly status: ListingStatus
  readonly absoluteEpochId: number
  readonly rotationId: number
  readonly refreshedAt: Millis
}

export interface NodesListing<Node> extends Page<Node> {
  readonly metadata: ListingMetadata
}

export interface NodesListingV1<Node> extends Page<Node> {
  readonly status: ListingStatus
  readonly refreshedAt: Millis
}

const WHAT = 'node listing'

/** All items on page 0, as official directories answer whatever page they are asked for. */
export function onePage<Item>(items: readonly Item[]): Page<Item> {
  return { pagination: { total: items.length, page: 0, size: items.length }, items }
}

/** Whether two pages or listings may be used together. `refreshedAt` is free to differ. */
export function sameEpoch(a: ListingMetadata, b: ListingMetadata): boolean {
  return (
    a.absoluteEpochId === b.absoluteEpochId &&
    a.rotationId === b.rotationId &&
    JSON.stringify(encodeStatus(a.status)) === JSON.stringify(encodeStatus(b.status))
  )
}

export const encodeSkimmedListing = (listing: NodesListing<SkimmedNode>): JsonObject =>
  encodeListing(listing, encodeSkimmedNode)
export const decodeSkimmedListing = (text: string): NodesListing<SkimmedNode> => decodeListing(text, readSkimmedNode)

export const encodeSemiSkimmedListing = (listing: NodesListing<SemiSkimmedNode>): JsonObject =>
  encodeListing(listing, encodeSemiSkimmedNode)
export const decodeSemiSkimmedListing = (text: string): NodesListing<SemiSkimmedNode> =>
  decodeListing(text, readSemiSkimmedNode)

export const encodeSkimmedListingV1 = (listing: NodesListingV1<SkimmedNode>): JsonObject =>
  encodeListingV1(listing, encodeSkimmedNode)
export const decodeSkimmedListingV1 = (text: string): NodesListingV1<SkimmedNode> =>
  decodeListingV1(text, readSkimmedNode)

export const encodeSemiSkimmedListingV1 = (listing: NodesListingV1<SemiSkimmedNode>): JsonObject =>
  encodeListingV1(listing, encodeSemiSkimmedNode)
export const decodeSemiSkimmedListingV1 = (text: string): NodesListingV1<SemiSkimmedNode> =>
  decodeListingV1(text, readSemiSkimmedNode)

export function encodePage<Item>({ pagination, items }: Page<Item>, encode: (item: Item) => JsonObject): JsonObject {
  const { total, page, size } = pagination
  return { pagination: { total, page, size }, data: items.map(encode) }
}

export function readPage<Item>(json: Json, read: (item: Json) => Item): Page<Item> {
  const pagination = json.field('pagination')
  const count = (name: string): number => pagination.field(name).u32()
  return {
    pagination: { total: count('total'), page: count('page'), size: count('size') },
    items: json.field('data').array(MAX_NODES, read),
  }
}

function encodeListing<Node>(listing: NodesListing<Node>, encode: (node: Node) => JsonObject): JsonObject {
  const { status, absoluteEpochId, rotationId, refreshedAt } = listing.metadata
  return {
    metadata: {
      status: encodeStatus(status),
      absolute_epoch_id: absoluteEpochId,
      rotation_id: rotationId,
      refreshed_at: formatRfc3339(refreshedAt),
    },
    nodes: encodePage(listing, encode),
  }
}

function decodeListing<Node>(text: string, read: (json: Json) => Node): NodesListing<Node> {
  const json = parseJson(text, WHAT)
  const metadata = json.field('metadata')
  return {
    metadata: {
      status: readStatus(metadata.field('status')),
      absoluteEpochId: metadata.field('absolute_epoch_id').u32(),
      rotationId: metadata.field('rotation_id').u32(),
      refreshedAt: metadata.field('refreshed_at').looseInstant(),
    },
    ...readPage(json.field('nodes'), read),
  }
}

function encodeListingV1<Node>(listing: NodesListingV1<Node>, encode: (node: Node) => JsonObject): JsonObject {
  return {
    status: encodeStatus(listing.status),
    refreshed_at: formatRfc3339(listing.refreshedAt),
    nodes: encodePage(listing, encode),
  }
}

function decodeListingV1<Node>(text: string, read: (json: Json) => Node): NodesListingV1<Node> {
  const json = parseJson(text, `${WHAT} v1`)
  return {
    status: readStatus(json.field('status')),
    refreshedAt: json.field('refreshed_at').looseInstant(),
    ...readPage(json.field('nodes'), read),
  }
}

function encodeStatus(status: ListingStatus): JsonValue {
  if (status.kind === 'unstated') return null
  return status.kind === 'noUpdates' ? 'no-updates' : { fresh: encodeInterval(status.interval) }
}

function readStatus(json: Json): ListingStatus {
  if (!json.present) return { kind: 'unstated' }
  if (!json.isString) return { kind: 'fresh', interval: readInterval(json.field('fresh')) }
  json.oneOf(['no-updates'])
  return { kind: 'noUpdates' }
}
