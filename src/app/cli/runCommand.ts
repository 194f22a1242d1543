/** `starling run`: a program that knows nothing of the mixnet, in a network that is nothing else. @module */
import type { Mixnet } from '../../client/mixnet.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { seconds } from '../../foundation/base/units.ts'
import { sleep } from '../../foundation/platform/clock.ts'
import { openProgramNetwork } from '../../foundation/platform/node/nodeProgramNetwork.ts'
import { programState } from '../../foundation/platform/node/programPath.ts'
import type { ProgramNetwork } from '../../foundation/platform/programNetwork.ts'
import { type ClientOptions, withClient } from './clientSession.ts'
import { toldOnce } from './packetTroubles.ts'
import type { Session } from './session.ts'

export interface RunOptions extends ClientOptions {
  readonly nameServer?: string
}

/** After an interruption, which the program may have heard as well. */
const GRACE = seconds(1.5)

/** As shells and env(1) end. */
const CANNOT_START = {
  missing: {
    code: 127,
    message: 'there is no such program',
    nextStep: 'Check its name; one without a / is looked for in PATH.',
  },
  'not-executable': {
    code: 126,
    message: 'that is no program that you may run',
    nextStep: 'Check its path, and chmod +x.',
  },
} as const

/** Resolves with the program's exit code. */
export async function runProgram(session: Session, command: readonly string[], options: RunOptions): Promise<number> {
  // Before there is a client: nobody is to pay for tickets, or to be seen with a gateway, for what cannot run.
  const [program = ''] = command
  const state = await programState(program, process.env.PATH)
  if (state !== 'there') {
    const { code, ...words } = CANNOT_START[state]
    session.screen.problem('run', new MixnetError('FILE_UNUSABLE', { program }, words))
    return code
  }
  const programs = await openProgramNetwork()
  try {
    return await withClient(session, options, (mixnet) => runInside(session, mixnet, programs, command, options))
  } finally {
    await programs.close()
  }
}

async function runInside(
  session: Session,
  mixnet: Mixnet,
  programs: ProgramNetwork,
  command: readonly string[],
  { nameServer }: RunOptions,
): Promise<number> {
  const { world, interrupted } = session
  const network = mixnet.networkFor(programs, { nameServer, ...toldOnce(session.screen) })
  const takeCtrlC = session.leaveCtrlC()
  try {
    const running = programs.run(command)
    let code: number | undefined
    const ended = running.then(
      (own) => {
        code = own
      },
      () => {},
    )
    // Who was interrupted without a terminal has perhaps been so with all of its group, and may want to end in its own way; else it hears a hangup.
    const orGrace = () => Promise.race([ended, sleep(world.clock, GRACE)])
    const stopped = session
      .untilInterrupted()
      .then(orGrace)
      .then(() => programs.hangUp())
      .then(orGrace)
    await Promise.race([ended, stopped])
    return interrupted.aborted ? (code ?? session.interruptedCode) : await running
  } finally {
    takeCtrlC()
    await network.close()
  }
}
