import { printableCell } from './printable.js';

/** A table of text: a heading, a rule, rows; columns as wide as their widest cell. */

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const shown = rows.map((row) => row.map(printableCell));
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...shown.map((row) => (row[i] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    columns
      .map(({ align }, i) => {
        const cell = cells[i] ?? '';
        const width = widths[i] ?? 0;
        return align === 'right' ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  const heading = line(columns.map(({ title }) => title));
  return [heading, widths.map((width) => '-'.repeat(width)).join('  '), ...shown.map(line)].join('\n');
}
