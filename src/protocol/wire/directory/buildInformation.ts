/** What was built: the ten strings that nodes, the directory and the exit services publish about their binary. @module */
import { type Json, type JsonObject, parseJson } from './json.ts'

export interface BuildInformation {
  readonly binaryName: string
  readonly buildTimestamp: string
  readonly buildVersion: string
  readonly commitSha: string
  readonly commitTimestamp: string
  readonly commitBranch: string
  readonly rustcVersion: string
  readonly rustcChannel: string
  readonly cargoProfile: string
  readonly cargoTriple: string
}

/** In the order of the binary form. */
export const BUILD_INFORMATION_FIELDS: readonly (readonly [keyof BuildInformation, string])[] = [
  ['binaryName', 'binary_name'],
  ['buildTimestamp', 'build_timestamp'],
  ['buildVersion', 'build_version'],
  ['commitSha', 'commit_sha'],
  ['commitTimestamp', 'commit_timestamp'],
  ['commitBranch', 'commit_branch'],
  ['rustcVersion', 'rustc_version'],
  ['rustcChannel', 'rustc_channel'],
  ['cargoProfile', 'cargo_profile'],
  ['cargoTriple', 'cargo_triple'],
]

/** Builds the ten strings from a reader of each, asked in the order of the binary form. */
export function eachBuildField(read: (jsonName: string) => string): BuildInformation {
  return Object.fromEntries(
    BUILD_INFORMATION_FIELDS.map(([name, jsonName]) => [name, read(jsonName)]),
  ) as unknown as BuildInformation
}

export function encodeBuildInformation(build: BuildInformation): JsonObject {
  return Object.fromEntries(BUILD_INFORMATION_FIELDS.map(([name, jsonName]) => [jsonName, build[name]]))
}

export function readBuildInformation(json: Json): BuildInformation {
  return eachBuildField((jsonName) => json.field(jsonName).string())
}

export const decodeBuildInformation = (text: string): BuildInformation =>
  readBuildInformation(parseJson(text, 'build information'))
