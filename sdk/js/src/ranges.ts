/** First and last byte, both included. */
export type Range = [first: number, last: number];

export const length = ([first, last]: Range): number => last - first + 1;

export const sum = (ranges: Range[]): number => ranges.reduce((bytes, range) => bytes + length(range), 0);

/** Takes at most `bytes` from the front of the list. */
export function takeFront(missing: Range[], bytes: number): Range | undefined {
  const range = missing.shift();
  if (!range || length(range) <= bytes) return range;
  const [first, last] = range;
  missing.unshift([first + bytes, last]);
  return [first, first + bytes - 1];
}

/** The list with a range put back in its place, joined with its neighbours. */
export function putBack(missing: Range[], range: Range): Range[] {
  const joined: Range[] = [];
  for (const next of [...missing, range].sort((a, b) => a[0] - b[0])) {
    const previous = joined.at(-1);
    if (previous && previous[1] + 1 >= next[0]) previous[1] = Math.max(previous[1], next[1]);
    else joined.push([...next]);
  }
  return joined;
}
