/** Which URLs `fetch` takes. @module */
import { MixnetError } from '../../foundation/base/errors.ts'

/** For what the caller gave. */
export function badUrl(why: string, cause?: unknown): MixnetError {
  const nextStep = 'Give a URL that begins with http:// or https://, as https://example.org/ does.'
  return new MixnetError('BAD_ARGUMENT', { argument: 'URL', why }, { nextStep, cause })
}

/** Absolute, of http or https, without a name and a password, and of a port that no mail server listens on. */
export function httpUrl(url: URL): URL {
  const refused = (why: string) => new MixnetError('BAD_ARGUMENT', { argument: 'URL', why })
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw badUrl('neither http nor https')
  if (url.username !== '' || url.password !== '') throw refused('it holds a name or a password')
  if (BAD_PORTS.has(Number(url.port))) throw refused('a port that fetch must not use')
  return url
}

/** The Fetch standard, "port blocking": of protocols that can be made to obey an HTTP request. An empty port is 0 here. */
const BAD_PORTS = new Set([
  1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
  111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532,
  540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061,
  6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
])
