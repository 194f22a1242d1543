/** Questions to whoever sits at a terminal: yes or no, and passwords, which are not shown. @module */
import { stderr, stdin } from 'node:process'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { MixnetError } from '../../foundation/base/errors.ts'

/** Whether there is somebody to ask. */
export const canAsk = (): boolean => stdin.isTTY === true && stderr.isTTY === true

/** The line that is typed. Standard output stays for results. Throws ABORTED on Ctrl-C and where the terminal is gone. */
export function ask(question: string, signal: AbortSignal): Promise<string> {
  return read(question, signal, false)
}

/** The same, and nothing of it appears. */
export function askSecret(question: string, signal: AbortSignal): Promise<string> {
  return read(question, signal, true)
}

function read(question: string, signal: AbortSignal, hidden: boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    // readline writes what is typed where it is told to: nowhere, once the question stands there.
    let muted = false
    const output = new Writable({
      write(chunk, _encoding, done) {
        if (!muted) stderr.write(chunk)
        done()
      },
    })
    const lines = createInterface({ input: stdin, output, terminal: true, historySize: 0 })
    const close = () => {
      signal.removeEventListener('abort', close)
      lines.close()
      if (hidden) stderr.write('\n')
    }
    let answered = false
    lines.on('close', () => {
      if (!answered) reject(new MixnetError('ABORTED', { at: 'question' }))
    })
    // In raw mode the terminal hands Ctrl-C to us.
    lines.on('SIGINT', () => {
      // The signal comes later than this turn: who hears ABORTED is to find `signal` aborted, and the exit code with it.
      process.kill(process.pid, 'SIGINT')
      lines.pause()
    })
    signal.addEventListener('abort', close, { once: true })
    lines.question(question, (answer) => {
      answered = true
      close()
      resolve(answer)
    })
    muted = hidden
    if (signal.aborted) close()
  })
}
