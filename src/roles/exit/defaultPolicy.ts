/**
 * The policy of an exit that was given none: ports that exits of the Nym network open, closed for a few networks known for
 * abuse, and nothing else. No mail (25). Built in, so that an exit asks nobody for it. Origin:
 * docs/spec/network-requester.md. @module
 */
import { type ExitPolicy, parseExitPolicy } from '../../protocol/wire/exit/exitPolicy.ts'

const BLOCKED_NETWORKS = '5.188.10.0/23 31.132.36.0/22 37.9.42.0/24 45.43.128.0/18'

const OPEN_PORTS = `
  20-21 22 43 53 79 80-81 88 110 119 123 143 220 223 389 443 445 464 465 554 563 587 636 706 749 853 873 902-904 981 989-990
  991 992 993 995 1119-1120 1194 1220 1293 1433 1500 1521 1533 1677 1723 1755 1863 2049 2053 2082-2083 2086-2087 2095-2096
  2102-2104 2222 2703 3022-3025 3074 3306 3333 3478-3484 3690 3724 4000 4321 4379-4380 4444 4643 5000-5005 5050 5060-5062
  5190 5222-5223 5228 5432 6012 6112-6120 6250 6300 8080 8082 8085 8087-8088 8232-8233 8332-8333 8443 8767 8883 8888 9001
  9030 9053 9333 9339 9418 9443 9735 9987 9999 10000 10011-10080 10443 11371 14444 18080-18081 18089 19294-19344 19638 22021
  25551 25565 26661 27000-27050 41144 50000-65535`

const words = (text: string): string[] => text.trim().split(/\s+/)

/** In the text format, as an operator would write it: a start for one's own. */
export const DEFAULT_EXIT_POLICY_TEXT: string = [
  ...words(BLOCKED_NETWORKS).map((network) => `ExitPolicy reject ${network}:*`),
  ...words(OPEN_PORTS).map((ports) => `ExitPolicy accept *:${ports}`),
  'ExitPolicy reject *:*',
].join('\n')

export const DEFAULT_EXIT_POLICY: ExitPolicy = parseExitPolicy(DEFAULT_EXIT_POLICY_TEXT)
