/** Amounts of NYM as people type and read them: always with a unit, never rounded. @module */
import { InvalidArgumentError } from 'commander'
import { type Decimal, truncate } from '../../protocol/economy/decimal.ts'

const PLACES = 6
const UNYM_IN_NYM = 10n ** BigInt(PLACES)
/** All the unym there are. */
const SUPPLY = 10n ** 15n

/**
 * `100 NYM`, `1.5nym`, `2,500 NYM`, `7 unym`: unym. A bare number is refused: whether it meant NYM or unym, the other reading is a million
 * times as much. Throws InvalidArgumentError with what to type instead.
 */
export function parseAmount(text: string): bigint {
  const [, whole, fraction = '', unit] =
    /^\s*(\d{1,3}(?:,\d{3})+|\d{1,16})(?:\.(\d+))?\s*([a-z]*)\s*$/i.exec(text) ?? []
  if (whole === undefined || unit === undefined)
    throw new InvalidArgumentError('It must be an amount, for instance "100 NYM" or "1.5 NYM".')
  const digits = whole.replaceAll(',', '')
  if (unit === '')
    throw new InvalidArgumentError(`Say the unit: "${text.trim()} NYM", or unym, which are millionths of it.`)
  const isNym = unit.toLowerCase() === 'nym'
  if (!isNym && unit.toLowerCase() !== 'unym') throw new InvalidArgumentError('The units are NYM and unym.')
  if (fraction.length > (isNym ? PLACES : 0)) {
    throw new InvalidArgumentError(isNym ? 'NYM has at most 6 decimals.' : 'unym are whole.')
  }
  const amount = isNym ? BigInt(digits) * UNYM_IN_NYM + BigInt(fraction.padEnd(PLACES, '0')) : BigInt(digits)
  if (amount > SUPPLY) throw new InvalidArgumentError('That is more NYM than there are: 1,000,000,000.')
  return amount
}

/** For words that the shell took apart: `100 NYM` without quotes. */
export const joinedAmount = (words: readonly string[]): bigint => parseAmount(words.join(' '))

/** Above nothing. */
export function parsePositiveAmount(text: string): bigint {
  const amount = parseAmount(text)
  if (amount === 0n) throw new InvalidArgumentError('It must be more than nothing.')
  return amount
}

/** `1,234.5 NYM`: exact, without zeroes at the end. */
export function amountText(unym: bigint): string {
  const [sign, size] = unym < 0n ? ['-', -unym] : ['', unym]
  const whole = (size / UNYM_IN_NYM).toString().replace(/\B(?=(\d{3})+$)/g, ',')
  const fraction = (size % UNYM_IN_NYM).toString().padStart(PLACES, '0').replace(/0+$/, '')
  return `${sign}${whole}${fraction === '' ? '' : `.${fraction}`} NYM`
}

/** Of a Decimal of unym: what would be paid, whole unym. */
export const decimalAmountText = (amount: Decimal): string => amountText(truncate(amount))

const WEI_PLACES = 18
const SHOWN_PLACES = 9

/** Of the chain's own coin, which has 18 decimals wherever EVM chains are: nine of them, rounded up, for it is what one has to pay. */
export function coinText(wei: bigint): string {
  const step = 10n ** BigInt(WEI_PLACES - SHOWN_PLACES)
  const shown = (wei + step - 1n) / step
  const scale = 10n ** BigInt(SHOWN_PLACES)
  const fraction = (shown % scale).toString().padStart(SHOWN_PLACES, '0').replace(/0+$/, '')
  return `${shown / scale}${fraction === '' ? '' : `.${fraction}`} coins`
}
