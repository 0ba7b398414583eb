import { ChunkmeshError } from '../shared/errors.js';

/** The hours of the day in which transfers may run, in the device's own time. */

/** More make no sense of a day, and each is looked at every minute. */
const MAX_SPANS = 24;
const DAY_MINUTES = 24 * 60;
const SPAN = /^([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)$/;

interface Span {
  /** Minutes of the day; up to, not including, `to`. A span that goes past midnight has the smaller one last. */
  readonly from: number;
  readonly to: number;
}

export class Hours {
  readonly #spans: readonly Span[];

  /**
   * @param text spans with commas between, as `22:00-06:00` or `01:00-05:00,12:00-13:00`.
   * @throws E_CONFIG
   */
  constructor(text: string) {
    const parts = text.split(',').map((part) => part.trim());
    if (parts.length > MAX_SPANS) throw new ChunkmeshError('E_CONFIG', `hours: more than ${MAX_SPANS} spans`);
    this.#spans = parts.map(parseSpan);
  }

  isOpen(at: Date): boolean {
    const minute = at.getHours() * 60 + at.getMinutes();
    return this.#spans.some(({ from, to }) =>
      from < to ? minute >= from && minute < to : minute >= from || minute < to,
    );
  }
}

function parseSpan(text: string): Span {
  const found = SPAN.exec(text);
  const minutes = (hour: string | undefined, minute: string | undefined): number => Number(hour) * 60 + Number(minute);
  const from = minutes(found?.[1], found?.[2]);
  const to = found?.[3] === undefined ? DAY_MINUTES : minutes(found[3], found[4]);
  if (found === null || from === to) {
    throw new ChunkmeshError('E_CONFIG', `hours: ${JSON.stringify(text.slice(0, 40))} is not as 22:00-06:00`);
  }
  return { from, to };
}
