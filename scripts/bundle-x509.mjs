// In bundles, the certificate module of @reclaimprotocol/tls: what it does with one is read its public key. Who may be trusted is
// decided in src/client/web/serverTrust.ts, and nothing is fetched.
import { parseCertificate } from '../src/client/web/x509.ts'

export function loadX509FromDer(der) {
  const { publicKey } = parseCertificate(der)
  return { internal: der, getPublicKey: () => ({ buffer: publicKey, algorithm: '' }) }
}

function absent() {
  throw new Error('not in this bundle')
}

export { absent as defaultFetchCertificateBytes, absent as loadX509FromPem }
