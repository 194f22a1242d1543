// The documents name files, functions and sections; this says which of them are not there.
//
//   a path in backticks              `src/client/sender.ts`, `src/protocol/wire/`, `vectors/*.json`: something is there
//   a name right behind it           `src/client/sender.ts` `Sender.start`: the file has the word `start`
//   a file name alone                `sizes.ts`: some file is called so
//   a relative link                  [words](docs/spec/words.md#routes): file and heading exist
//   a document named in the source   docs/spec/packet.md, "Fragments": document and heading exist
//
// Not looked at: fenced blocks, and paths with <placeholders>. Runs on any Node from 20 on, without packages.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'

/** Folders whose paths are checked where a document names them. */
const FOLDERS = [
  'src',
  'test',
  'bench',
  'docs',
  'scripts',
  'vectors',
  'types',
  'examples',
  'contracts',
  'dashboard',
  '.ci',
]
const ROOT_DOCUMENTS = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md']
const PATH = new RegExp(`^(?:${FOLDERS.map((folder) => folder.replace('.', '\\.')).join('|')})/[^\\s]*$`)
const BARE_FILE = /^\w[\w.-]*\.(?:ts|mjs|md)$/
const NAME = /^[A-Za-z_$][\w$]*(?:\.[A-Za-z_$#][\w$]*)*(?:\(\))?$/

const files = FOLDERS.filter((folder) => existsSync(folder)).flatMap((folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => posix.join((entry.parentPath ?? entry.path).replaceAll('\\', '/'), entry.name)),
)
const names = new Set(files.map((file) => posix.basename(file)))
const documents = [...ROOT_DOCUMENTS, ...files.filter((file) => file.startsWith('docs/') && file.endsWith('.md'))]
const complaints = []

for (const document of documents) {
  if (!existsSync(document)) complaints.push(`${document}: is missing`)
  else checkDocument(document, readFileSync(document, 'utf8'))
}
for (const file of files) {
  if (/^(?:src|test|bench)\/.*\.ts$/.test(file)) checkComments(file, readFileSync(file, 'utf8'))
}

for (const complaint of complaints) console.error(complaint)
if (complaints.length > 0) {
  console.error(`\n${complaints.length} reference(s) to what is not there.`)
  process.exitCode = 1
}

function checkDocument(document, text) {
  let fenced = false
  for (const [index, line] of text.split('\n').entries()) {
    if (/^\s*(?:```|~~~)/.test(line)) fenced = !fenced
    else if (!fenced) {
      const where = `${document}:${index + 1}`
      checkCode(where, line)
      checkLinks(where, document, line.replace(/`[^`]*`/g, ''))
    }
  }
}

function checkCode(where, line) {
  /** The last path, for as long as nothing but spaces, commas and names follows it. */
  let path
  let end = 0
  for (const match of line.matchAll(/`([^`]+)`/g)) {
    const [whole, code] = match
    if (!/^[\s,]*$/.test(line.slice(end, match.index))) path = undefined
    end = match.index + whole.length
    if (PATH.test(code)) {
      path = undefined
      if (code.includes('<')) continue
      if (!isThere(code)) complaints.push(`${where} no such file: ${code}`)
      else if (code.endsWith('.ts')) path = code
    } else if (path !== undefined && NAME.test(code)) {
      const name = code.replace('()', '').split('.').at(-1)
      if (!new RegExp(`[^\\w$]${name.replace(/[$]/g, '\\$')}[^\\w$]`).test(readFileSync(path, 'utf8'))) {
        complaints.push(`${where} ${path} has no ${name}`)
      }
    } else if (BARE_FILE.test(code) && !names.has(code) && !existsSync(code)) {
      complaints.push(`${where} no file is called ${code}`)
    }
  }
}

function checkLinks(where, document, line) {
  for (const [, target] of line.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue
    const [path, anchor] = target.split('#')
    const file = path === '' ? document : join(dirname(document), path)
    if (!existsSync(file)) complaints.push(`${where} link to nothing: ${target}`)
    else if (anchor && file.endsWith('.md') && !headings(file).some((heading) => slug(heading) === anchor)) {
      complaints.push(`${where} no such heading: ${target}`)
    }
  }
}

function checkComments(file, text) {
  // A comment may break anywhere.
  const flat = text.replace(/\n\s*(?:\*|\/\/)\s*/g, ' ')
  for (const [, path, section] of flat.matchAll(/\b(docs\/[\w/.-]+\.md)(?:, "([^"]+)")?/g)) {
    if (!existsSync(path)) complaints.push(`${file} names ${path}, which is not there`)
    else if (section !== undefined && !headings(path).some((heading) => title(heading) === section.toLowerCase())) {
      complaints.push(`${file} names ${path}, "${section}": no such section`)
    }
  }
}

function isThere(path) {
  if (!path.includes('*')) return existsSync(path)
  const pattern = path.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
  const matcher = new RegExp(`^${pattern.join('[^/]*').replaceAll('[^/]*[^/]*', '.*')}$`)
  return files.some((file) => matcher.test(file))
}

function headings(document) {
  return [...readFileSync(document, 'utf8').matchAll(/^#+ +(.+)$/gm)].map(([, heading]) => heading)
}

/** `## 2.7 Fragments (`fragments.ts`)` is called "fragments". */
function title(heading) {
  return heading
    .replace(/^[\d.]+ /, '')
    .replace(/[(:].*$/, '')
    .trim()
    .toLowerCase()
}

/** As GitHub makes anchors. */
function slug(heading) {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-')
}
