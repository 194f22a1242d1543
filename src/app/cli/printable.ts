/** What others wrote, as a terminal may be shown it. @module */

/**
 * Control and format characters, but for line ends and tabs, become a sign that something was there: they move the cursor, unsay
 * what was said, turn lines around, and some terminals let them write to the clipboard. A site chooses the words of its status
 * line, a directory those of its errors.
 */
export const printable = (text: string): string => text.replace(/(?![\n\t])[\p{Cc}\p{Cf}]/gu, '\ufffd')
