// Writes src/client/web/rootCertificates.generated.ts: the authorities that Node trusts (Mozilla's list), each as its name, its key
// and its end. The rest of a root certificate proves nothing: it is signed by itself. Run by hand, and by the test that compares.
import { writeFileSync } from 'node:fs'
import { rootCertificates } from 'node:tls'
import { parseCertificate } from '../src/client/web/x509.ts'

const FILE = new URL('../src/client/web/rootCertificates.generated.ts', import.meta.url)

export function rootsModule() {
  const parts = rootCertificates.map((pem) => {
    const { subject, publicKey, notAfter } = parseCertificate(
      Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64'),
    )
    const until = Buffer.alloc(8)
    until.writeBigUInt64BE(BigInt(notAfter / 1000))
    return Buffer.concat([until, sized(subject), sized(publicKey)])
  })
  const lines = Buffer.concat(parts)
    .toString('base64')
    .match(/.{1,116}/g)
  return `// The ${rootCertificates.length} authorities of Node ${process.version}, by scripts/make-roots.mjs. Do not edit.
export const ROOT_CERTIFICATES: string = \`
${lines.join('\n')}
\`.replaceAll('\\n', '')
`
}

function sized(bytes) {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(bytes.length)
  return Buffer.concat([length, bytes])
}

if (import.meta.main) writeFileSync(FILE, rootsModule())
