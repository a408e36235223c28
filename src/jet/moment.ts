const MONTHS = `January February March April May June July August September October November
December`.split(/\s+/);
const DAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');

/** What each part of a layout of Go's stands for (package time, "Constants"); longer ones first. */
const PARTS: readonly (readonly [string, (time: Date) => string])[] = [
  ['January', (time) => MONTHS[time.getUTCMonth()] ?? ''],
  ['Jan', (time) => (MONTHS[time.getUTCMonth()] ?? '').slice(0, 3)],
  ['Monday', (time) => DAYS[time.getUTCDay()] ?? ''],
  ['Mon', (time) => (DAYS[time.getUTCDay()] ?? '').slice(0, 3)],
  ['MST', () => 'UTC'],
  ['Z07:00', () => 'Z'],
  ['Z0700', () => 'Z'],
  ['-07:00', () => '+00:00'],
  ['-0700', () => '+0000'],
  ['-07', () => '+00'],
  ['2006', (time) => String(time.getUTCFullYear()).padStart(4, '0')],
  ['002', (time) => String(dayOfYear(time)).padStart(3, '0')],
  ['01', (time) => two(time.getUTCMonth() + 1)],
  ['02', (time) => two(time.getUTCDate())],
  ['03', (time) => two(hour12(time))],
  ['04', (time) => two(time.getUTCMinutes())],
  ['05', (time) => two(time.getUTCSeconds())],
  ['06', (time) => two(time.getUTCFullYear() % 100)],
  ['15', (time) => two(time.getUTCHours())],
  ['_2', (time) => String(time.getUTCDate()).padStart(2, ' ')],
  ['PM', (time) => (time.getUTCHours() < 12 ? 'AM' : 'PM')],
  ['pm', (time) => (time.getUTCHours() < 12 ? 'am' : 'pm')],
  ['1', (time) => String(time.getUTCMonth() + 1)],
  ['2', (time) => String(time.getUTCDate())],
  ['3', (time) => String(hour12(time))],
  ['4', (time) => String(time.getUTCMinutes())],
  ['5', (time) => String(time.getUTCSeconds())],
];

/** Methods of Go's time that give a text or number, and take nothing. */
const METHODS: Readonly<Record<string, (time: Date) => string | number>> = {
  // The engine would print large numbers as 1.7e+09.
  Unix: (time) => String(Math.floor(time.getTime() / 1000)),
  UnixMilli: (time) => String(time.getTime()),
  UnixNano: (time) => `${time.getTime()}000000`,
  Year: (time) => time.getUTCFullYear(),
  Month: (time) => MONTHS[time.getUTCMonth()] ?? '',
  Day: (time) => time.getUTCDate(),
  Hour: (time) => time.getUTCHours(),
  Minute: (time) => time.getUTCMinutes(),
  Second: (time) => time.getUTCSeconds(),
  YearDay: dayOfYear,
  Weekday: (time) => DAYS[time.getUTCDay()] ?? '',
  String: momentText,
  UTC: momentText,
  Local: momentText,
};

/** A time as Go's `Format` writes it, in UTC. */
function formatMoment(time: Date, layout: string): string {
  let text = '';
  for (let rest = layout; rest !== ''; ) {
    const part = PARTS.find(([name]) => rest.startsWith(name));
    text += part === undefined ? rest[0] : part[1](time);
    rest = rest.slice(part === undefined ? 1 : part[0].length);
  }
  return text;
}

/** A time as Go prints it. */
export function momentText(time: Date): string {
  return formatMoment(time, '2006-01-02 15:04:05 -0700 MST');
}

/**
 * What a method of Go's time gives, in UTC.
 *
 * @param argument a text of Go's, with its quotes
 * @throws Error for methods that aren't known
 */
export function readMoment(time: Date, method: string, argument?: string): string | number {
  const name = method.replace(/^(?:UTC|Local)\./, '');
  if (name === 'Format') {
    if (argument === undefined) throw new Error('.Time.Format needs a layout in quotes');
    const layout = argument.startsWith('`')
      ? argument.slice(1, -1)
      : (JSON.parse(argument) as string);
    return formatMoment(time, layout);
  }
  const read = Object.hasOwn(METHODS, name) ? METHODS[name] : undefined;
  if (read === undefined) throw new Error(`.Time.${method} is not known`);
  return read(time);
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

function hour12(time: Date): number {
  return time.getUTCHours() % 12 || 12;
}

function dayOfYear(time: Date): number {
  const start = Date.UTC(time.getUTCFullYear(), 0, 1);
  return Math.floor((time.getTime() - start) / 86_400_000) + 1;
}
