/** `starling run`: a program that knows nothing of the mixnet, in a network that is nothing else. @module */
import { seconds } from '../../foundation/base/units.ts'
import { sleep } from '../../foundation/platform/clock.ts'
import { openProgramNetwork } from '../../foundation/platform/node/nodeProgramNetwork.ts'
import { type ClientOptions, withClient } from './clientSession.ts'
import type { Session } from './session.ts'

export interface RunOptions extends ClientOptions {
  readonly nameServer?: string
}

/** After Ctrl-C, which the program has heard as well. */
const GRACE = seconds(1.5)

/** Resolves with the program's exit code. */
export function runProgram(session: Session, command: readonly string[], options: RunOptions): Promise<number> {
  const { world, interrupted } = session
  return withClient(session, options, async (mixnet) => {
    const programs = await openProgramNetwork()
    let isTold = false
    const network = mixnet.networkFor(programs, {
      nameServer: options.nameServer,
      // A program that pings hears nothing at all: whoever sits in front of it should.
      noAddress: ({ code, message, nextStep }) => {
        if (!isTold) session.screen.line(`starling: datagrams and pings go nowhere: ${code}: ${message}. ${nextStep}`)
        isTold = true
      },
      refused: (destination) => session.screen.line(`starling: the exit's policy refuses ${destination}`),
    })
    try {
      const running = programs.run(command)
      let code: number | undefined
      const ended = running.then(
        (own) => {
          code = own
        },
        () => {},
      )
      // Whoever sits at a terminal has interrupted the program as well, which may want to end in its own way; else it hears a hangup.
      const orGrace = () => Promise.race([ended, sleep(world.clock, GRACE)])
      const stopped = session
        .untilInterrupted()
        .then(orGrace)
        .then(() => programs.hangUp())
        .then(orGrace)
      await Promise.race([ended, stopped])
      return interrupted.aborted ? (code ?? session.interruptedCode) : await running
    } finally {
      await network.close()
      await programs.close()
    }
  })
}
