/** What the drawings of the benches share. Pure. */

/** As text of an XML element. */
export const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

export interface Plot {
  readonly width: number;
  readonly height: number;
  /** Where the title begins. */
  readonly left: number;
  readonly title: string;
  readonly shapes: readonly string[];
}

/** A whole document, white, under its title. */
export function plotSvg({ width, height, left, title, shapes }: Plot): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<title>${escaped(title)}</title><rect width="100%" height="100%" fill="#fff"/>`,
    `<text x="${left}" y="20" font-size="14">${escaped(title)}</text>`,
    ...shapes,
    '</svg>\n',
  ].join('\n');
}
