/** The word that is meant, if one is close enough: two letters other, missing or too many at most. */
export function nearest(text: string, words: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = 3;
  for (const word of words) {
    const distance = distanceOf(text.slice(0, 64), word);
    if (distance < least && distance < word.length) {
      least = distance;
      best = word;
    }
  }
  return best;
}

function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
