const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** `12.3 MiB`: bytes for people, in powers of 1024. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < BINARY.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${BINARY[unit]}`;
}

/** `1.2 s`, `3 min 5 s`. */
export function formatDuration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

const AGES = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
] as const;

/** `2 weeks ago`, as docker shows ages; the largest unit that fits twice, or once for days and less. */
export function formatAge(createdAt: string | undefined, now = Date.now()): string {
  const time = createdAt === undefined ? Number.NaN : Date.parse(createdAt);
  if (Number.isNaN(time)) return 'N/A';
  const seconds = Math.max(0, Math.floor((now - time) / 1000));
  if (seconds < 1) return 'Less than a second ago';
  for (const [name, length] of AGES) {
    const count = Math.floor(seconds / length);
    const isLong = length > 86_400;
    if (count >= (isLong ? 2 : 1)) return `${count} ${name}${count === 1 ? '' : 's'} ago`;
  }
  return `${seconds} seconds ago`;
}
