/**
 * What a member must not forget while a key is being made: its secrets of this session, and every message before it is posted. Who
 * starts again with them says the same again; who has lost them must say nothing more. Written 0600, removed once the keys are on
 * disk: after that, who takes the disk can decrypt nothing of what the board holds. @module
 */
import { toHex } from '../../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError, malformed, tryDecode } from '../../../foundation/base/errors.ts'
import { Reader } from '../../../foundation/base/reader.ts'
import { Secret } from '../../../foundation/base/secret.ts'
import { Writer } from '../../../foundation/base/writer.ts'
import type { Files } from '../../../foundation/platform/files.ts'
import { MAX_BOARD_MESSAGE_BYTES } from './bulletinBoard.ts'
import { DKG_PHASES, type DkgPhase } from './dkgMessages.ts'

export interface DkgSecrets {
  /** X25519 scalars, 32 bytes: to read shares with, and to seal them with. */
  readonly receiving: Secret
  readonly dealing: Secret
  /** As the engine drew them; empty of who deals nothing. */
  readonly polynomials: Secret
}

const VERSION = 1
const SCALAR_BYTES = 32
const SESSION_BYTES = 32
const MAX_POLYNOMIALS_BYTES = 1 << 20

export class DkgState {
  #secrets: DkgSecrets
  readonly #files: Pick<Files, 'write' | 'remove'>
  readonly #path: string
  readonly #session: Uint8Array
  /** Signed messages by phase. */
  readonly #outbox: Map<DkgPhase, Uint8Array>

  private constructor(
    files: Pick<Files, 'write' | 'remove'>,
    path: string,
    session: Uint8Array,
    secrets: DkgSecrets,
    outbox: Map<DkgPhase, Uint8Array>,
  ) {
    this.#files = files
    this.#path = path
    this.#session = session
    this.#secrets = secrets
    this.#outbox = outbox
  }

  /** Reads what an earlier process left, or begins with what `draw` gives. Throws KEY_FILE_UNREADABLE, never replaces a file. */
  static async open(
    files: Pick<Files, 'read' | 'write' | 'remove'>,
    folder: string,
    session: Uint8Array,
    draw: () => Promise<DkgSecrets>,
  ): Promise<DkgState> {
    const path = `${folder}/dkg-${toHex(session.subarray(0, 8))}.state`
    const contents = await files.read(path)
    // Stored with the first message: before that there is nothing to contradict.
    if (contents === undefined) return new DkgState(files, path, session, await draw(), new Map())
    const decoded = tryDecode(() => decodeState(contents, session))
    if (isMixnetError(decoded)) throw new MixnetError('KEY_FILE_UNREADABLE', { file: path }, { cause: decoded })
    return new DkgState(files, path, session, decoded.secrets, decoded.outbox)
  }

  get secrets(): DkgSecrets {
    return this.#secrets
  }

  /** What was, or is about to be, said in that phase. */
  prepared(phase: DkgPhase): Uint8Array | undefined {
    return this.#outbox.get(phase)
  }

  /** Stores it; only then may it be posted. */
  async prepare(phase: DkgPhase, message: Uint8Array): Promise<void> {
    this.#outbox.set(phase, message)
    await this.#store()
  }

  /** Where there will be no keys to look for: what was said stays known, so that it is not taken for somebody else's. */
  forget(): Promise<void> {
    const none = new Secret(new Uint8Array(SCALAR_BYTES))
    this.#secrets = { receiving: none, dealing: none, polynomials: new Secret(new Uint8Array(0)) }
    return this.#store()
  }

  remove(): Promise<void> {
    return this.#files.remove(this.#path)
  }

  #store(): Promise<void> {
    const { receiving, dealing, polynomials } = this.#secrets
    const writer = new Writer(4096)
      .u8(VERSION)
      .bytes(this.#session)
      .bytes(receiving.expose())
      .bytes(dealing.expose())
      .u32(polynomials.expose().length)
      .bytes(polynomials.expose())
      .u8(this.#outbox.size)
    for (const [phase, message] of this.#outbox) {
      writer.u8(DKG_PHASES.indexOf(phase)).u32(message.length).bytes(message)
    }
    return this.#files.write(this.#path, writer.finish(), { secret: true })
  }
}

function decodeState(
  contents: Uint8Array,
  session: Uint8Array,
): { readonly secrets: DkgSecrets; readonly outbox: Map<DkgPhase, Uint8Array> } {
  const reader = new Reader(contents, 'dkg state')
  reader.u8('version', { min: VERSION, max: VERSION })
  if (toHex(reader.bytes(SESSION_BYTES, 'session')) !== toHex(session)) throw malformed('dkg state', 'another session')
  const secret = (length: number, field: string): Secret => new Secret(reader.bytes(length, field))
  const secrets: DkgSecrets = {
    receiving: secret(SCALAR_BYTES, 'receiving'),
    dealing: secret(SCALAR_BYTES, 'dealing'),
    polynomials: secret(reader.u32('polynomials length', { max: MAX_POLYNOMIALS_BYTES }), 'polynomials'),
  }
  const outbox = new Map<DkgPhase, Uint8Array>()
  for (let left = reader.u8('messages', { max: DKG_PHASES.length }); left > 0; left--) {
    const phase = DKG_PHASES[reader.u8('phase', { max: DKG_PHASES.length - 1 })] ?? reader.refuse('phase', 'unknown')
    outbox.set(phase, reader.bytes(reader.u32('length', { max: MAX_BOARD_MESSAGE_BYTES }), 'message'))
  }
  reader.expectEnd()
  return { secrets, outbox }
}
