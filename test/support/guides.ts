/** The guides' code blocks, so that a guide that is wrong fails a test. @module */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

export interface CodeBlock {
  /** What stands behind the opening fence: `ts`, `sh`, `sh keeps running`. */
  readonly info: string
  readonly text: string
}

export async function codeBlocks(guide: string): Promise<readonly CodeBlock[]> {
  const path = fileURLToPath(new URL(`../../docs/guides/${guide}`, import.meta.url))
  const text = await readFile(path, 'utf8')
  return [...text.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map(([, info = '', body = '']) => ({ info, text: body }))
}

/** The `starling` commands of a shell block, each as its arguments. */
export function commandsOf({ text }: CodeBlock): readonly (readonly string[])[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [command, ...args] = line.split(/ +/)
      if (command !== 'starling') throw new Error(`not a starling command: ${line}`)
      return args
    })
}

/** The files that a page links to, relative to it. */
export function linksOf(page: string): readonly string[] {
  return [...page.matchAll(/\]\(([^)\s#]+)[^)]*\)/g)].map(([, link = '']) => link).filter((link) => !URL.canParse(link))
}
