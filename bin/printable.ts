/**
 * Text that a terminal shows and does not obey. Much of what is printed came from elsewhere: from a device, a broker, a certificate,
 * the name of a file. What writes over other lines (ECMA-48), or turns them around (Unicode UAX #9), is shown as JSON writes it, so that
 * JSON stays the JSON that it was.
 */

const OBEYED = /(?![\n\t])[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;
const BREAKS = /[\n\t]/g;

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** Lines of text. */
export function printable(text: string): string {
  return text.replace(OBEYED, escaped);
}

/** A part of a line. */
export function printableCell(text: string): string {
  return printable(text).replace(BREAKS, escaped);
}
