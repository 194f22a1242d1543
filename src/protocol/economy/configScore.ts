/**
 * What a node's software is worth: tokenomics 7.1. How far its version is behind the releases that the ledger lists, weighted by how
 * large each step was, and a penalty that grows faster than that distance. @module
 */
import { MixnetError, malformed, tryDecode } from '../../foundation/base/errors.ts'

export interface Version {
  readonly major: number
  readonly minor: number
  readonly patch: number
  /** Behind the dash; '' for a release. */
  readonly prerelease: string
}

/** Steps of each kind. */
export interface VersionDifference {
  readonly major: number
  readonly minor: number
  readonly patch: number
  readonly prerelease: number
}

export type VersionWeights = VersionDifference

export interface ScoreFormula {
  readonly penalty: number
  readonly scaling: number
}

export const VERSION_WEIGHTS: VersionWeights = { major: 100, minor: 10, patch: 1, prerelease: 1 }
export const SCORE_FORMULA: ScoreFormula = { penalty: 0.995, scaling: 1.65 }

const NUMBER = '(0|[1-9]\\d{0,14})'
const VERSION = new RegExp(`^${NUMBER}\\.${NUMBER}\\.${NUMBER}(?:-([0-9A-Za-z.-]+))?(?:\\+[0-9A-Za-z.-]+)?$`)

/** Semantic versioning 2.0.0; throws MALFORMED. */
export function parseVersion(text: string): Version {
  const [, major, minor, patch, prerelease = ''] = VERSION.exec(text) ?? []
  if (major === undefined) throw malformed('version', 'not a semantic version')
  return { major: Number(major), minor: Number(minor), patch: Number(patch), prerelease }
}

/** Below 0 where a is older. */
export function compareVersions(a: Version, b: Version): number {
  return a.major - b.major || a.minor - b.minor || a.patch - b.patch || comparePrereleases(a.prerelease, b.prerelease)
}

/** Semantic versioning 11: a release is newer than what came before it; numbers count, words sort, more parts are newer. */
function comparePrereleases(a: string, b: string): number {
  if (a === b) return 0
  if (a === '' || b === '') return a === '' ? 1 : -1
  const left = a.split('.')
  const right = b.split('.')
  for (const [i, part] of left.entries()) {
    const other = right[i]
    if (other === undefined) return 1
    if (part === other) continue
    const numeric = [part, other].map((text) => /^\d+$/.test(text))
    if (numeric[0] && numeric[1]) return part.length - other.length || (part < other ? -1 : 1)
    if (numeric[0] !== numeric[1]) return numeric[0] ? -1 : 1
    return part < other ? -1 : 1
  }
  return left.length - right.length
}

const NONE: VersionDifference = { major: 0, minor: 0, patch: 0, prerelease: 0 }

/** Only the largest component that grew counts. */
function step(from: Version, to: Version): VersionDifference {
  if (to.major > from.major) return { ...NONE, major: to.major - from.major }
  if (to.minor > from.minor) return { ...NONE, minor: to.minor - from.minor }
  if (to.patch > from.patch) return { ...NONE, patch: to.patch - from.patch }
  return { ...NONE, prerelease: to.prerelease === from.prerelease ? 0 : 1 }
}

const sum = (a: VersionDifference, b: VersionDifference): VersionDifference => ({
  major: a.major + b.major,
  minor: a.minor + b.minor,
  patch: a.patch + b.patch,
  prerelease: a.prerelease + b.prerelease,
})

/** Saturating, component by component. */
const difference = (a: VersionDifference, b: VersionDifference): VersionDifference => ({
  major: Math.max(0, a.major - b.major),
  minor: Math.max(0, a.minor - b.minor),
  patch: Math.max(0, a.patch - b.patch),
  prerelease: Math.max(0, a.prerelease - b.prerelease),
})

const weighted = (d: VersionDifference, weights: VersionWeights): number =>
  d.major * weights.major + d.minor * weights.minor + d.patch * weights.patch + d.prerelease * weights.prerelease

/** `releases`: ascending, as the ledger lists them. */
export function versionsBehind(
  releases: readonly Version[],
  node: Version,
  weights: VersionWeights = VERSION_WEIGHTS,
): number {
  const genesis = releases[0]
  const latest = releases.at(-1)
  if (genesis === undefined || latest === undefined) return 0
  // One release ahead may simply not be listed yet; more than one is a lie.
  if (compareVersions(node, latest) > 0) return isOneStepAhead(latest, node) ? 0 : weights.major

  let sinceGenesis = NONE
  let ofNode: VersionDifference | undefined
  for (const [i, release] of releases.entries()) {
    if (i > 0) sinceGenesis = sum(sinceGenesis, step(releases[i - 1] as Version, release))
    if (compareVersions(release, node) <= 0) ofNode = sum(sinceGenesis, step(release, node))
  }
  const behind =
    ofNode === undefined ? sum(sinceGenesis, beforeGenesis(node, genesis)) : difference(sinceGenesis, ofNode)
  return weighted(behind, weights)
}

function isOneStepAhead(latest: Version, node: Version): boolean {
  if (node.major !== latest.major) return node.major - latest.major === 1
  if (node.minor !== latest.minor) return node.minor - latest.minor === 1
  if (node.patch !== latest.patch) return node.patch - latest.patch === 1
  return node.prerelease !== latest.prerelease
}

/** Here patch and pre-release count together. */
function beforeGenesis(node: Version, genesis: Version): VersionDifference {
  if (node.major !== genesis.major) return { ...NONE, major: genesis.major - node.major }
  if (node.minor !== genesis.minor) return { ...NONE, minor: genesis.minor - node.minor }
  return {
    ...NONE,
    patch: genesis.patch - node.patch,
    prerelease: node.prerelease === genesis.prerelease ? 0 : 1,
  }
}

/** penalty ^ (behind ^ scaling), in doubles as in the official API. */
export const versionScore = (behind: number, { penalty, scaling }: ScoreFormula = SCORE_FORMULA): number =>
  penalty ** (behind ** scaling)

/** What is known of a node's software. */
export interface Software {
  readonly binaryName: string
  readonly version: string
  readonly acceptedTerms: boolean
}

/** 0 to 1; 0 without a description. `runsNode`: whether that binary is one that serves as a node. */
export function configScore(
  releases: readonly Version[],
  software: Software | undefined,
  runsNode: (binaryName: string) => boolean = (name) => name === 'nym-node',
): number {
  if (software === undefined || !software.acceptedTerms || !runsNode(software.binaryName)) return 0
  const version = tryDecode(() => parseVersion(software.version))
  return version instanceof MixnetError ? 0 : versionScore(versionsBehind(releases, version))
}
