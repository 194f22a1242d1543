// The world is an argument: clocks, timers, randomness and sockets come from foundation/platform.
// Biome refuses the globals and the imports by name (biome.json); this refuses what it cannot see:
// members (Math.random), roundabout names (globalThis.setTimeout) and roundabout imports (process.getBuiltinModule).
import { globSync, readFileSync } from 'node:fs'
import ts from 'typescript'

const CLOCK = 'take a Clock from foundation/platform'
const RANDOM = 'take a Random from foundation/platform'
const IMPORT = 'write an import, so that the rules about imports see it'

const biome = JSON.parse(readFileSync('biome.json', 'utf8'))
const deniedGlobals = Object.keys(biome.linter.rules.style.noRestrictedGlobals.options.deniedGlobals)

/** object → member → what to do instead */
const members = {
  Math: { random: RANDOM },
  process: { hrtime: CLOCK, uptime: CLOCK, getBuiltinModule: IMPORT },
  AbortSignal: { timeout: CLOCK },
  crypto: { getRandomValues: RANDOM, randomUUID: RANDOM },
}
for (const name of ['globalThis', 'global', 'self', 'window']) {
  members[name] = Object.fromEntries(deniedGlobals.map((global) => [global, 'take it from foundation/platform']))
}

/** module → export → what to do instead */
const imports = {
  'node:crypto': Object.fromEntries(
    ['randomBytes', 'randomFill', 'randomFillSync', 'randomInt', 'randomUUID', 'getRandomValues'].map((name) => [
      name,
      RANDOM,
    ]),
  ),
  'node:process': { hrtime: CLOCK, uptime: CLOCK, getBuiltinModule: IMPORT },
  'node:module': { createRequire: IMPORT },
}

const files = globSync('src/**/*.ts').filter(
  (file) => !file.endsWith('.test.ts') && !file.replaceAll('\\', '/').startsWith('src/foundation/platform/'),
)
const complaints = files.flatMap((file) => inspect(file, readFileSync(file, 'utf8')))

for (const complaint of complaints) console.error(complaint)
if (complaints.length > 0) {
  console.error(`\n${complaints.length} ambient use(s) outside foundation/platform.`)
  process.exitCode = 1
}

function inspect(file, text) {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const found = []
  /** local name of `import * as x` or `import x` → its refused members */
  const namespaces = new Map()

  const report = (node, what, advice) => {
    const { line, character } = source.getLineAndCharacterOfPosition(node.getStart(source))
    found.push(`${file}:${line + 1}:${character + 1} ${what}: ${advice}`)
  }
  const refused = (object, name) => {
    const table = namespaces.get(object) ?? (Object.hasOwn(members, object) ? members[object] : undefined)
    return table !== undefined && Object.hasOwn(table, name) ? table[name] : undefined
  }
  const memberOf = (node, object, name) => {
    const advice = refused(object, name)
    if (advice !== undefined) report(node, `${object}.${name}`, advice)
  }

  const visitImport = (node) => {
    const table = imports[node.moduleSpecifier.text]
    const clause = node.importClause
    if (table === undefined || clause === undefined) return
    if (clause.name) namespaces.set(clause.name.text, table)
    const bindings = clause.namedBindings
    if (bindings === undefined) return
    if (ts.isNamespaceImport(bindings)) {
      namespaces.set(bindings.name.text, table)
      return
    }
    for (const element of bindings.elements) {
      const name = (element.propertyName ?? element.name).text
      if (Object.hasOwn(table, name)) report(element, `${name} from ${node.moduleSpecifier.text}`, table[name])
    }
  }

  const visit = (node) => {
    if (ts.isImportDeclaration(node)) visitImport(node)
    else if (ts.isPropertyAccessExpression(node)) {
      memberOf(node, lastName(node.expression), node.name.text)
    } else if (ts.isElementAccessExpression(node) && ts.isStringLiteralLike(node.argumentExpression)) {
      memberOf(node, lastName(node.expression), node.argumentExpression.text)
    } else if (ts.isVariableDeclaration(node) && node.initializer && ts.isObjectBindingPattern(node.name)) {
      for (const element of node.name.elements) {
        memberOf(element, lastName(node.initializer), (element.propertyName ?? element.name).getText(source))
      }
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

/** `Math` for both Math and globalThis.Math; nothing for members of other objects. */
function lastName(expression) {
  if (ts.isIdentifier(expression)) return expression.text
  if (
    ts.isPropertyAccessExpression(expression) &&
    ts.isIdentifier(expression.expression) &&
    ['globalThis', 'global', 'self', 'window'].includes(expression.expression.text)
  ) {
    return expression.name.text
  }
  return ''
}
