/** A value of a template. */
export type Value =
  | string
  | number
  | boolean
  | undefined
  | null
  | readonly Value[]
  | ReadonlyMap<string, Value>
  | TemplateFunction;

export type TemplateFunction = (...values: readonly Value[]) => Value;

/** As Go's `if` sees it. */
export function isTrue(value: Value): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof Map) return value.size > 0;
  return Boolean(value);
}

/** As Go prints it. */
export function shown(value: Value): string {
  if (value === undefined || value === null) return '<no value>';
  if (Array.isArray(value)) return `[${value.map((each) => shown(each)).join(' ')}]`;
  if (value instanceof Map) {
    const entries = [...value].sort(([a], [b]) => (a < b ? -1 : 1));
    return `map[${entries.map(([key, each]) => `${key}:${shown(each)}`).join(' ')}]`;
  }
  return typeof value === 'function' ? '<function>' : String(value);
}

const text = (value: Value): string => (value === undefined || value === null ? '' : shown(value));
const list = (value: Value): readonly Value[] => (Array.isArray(value) ? value : []);
const same = (one: Value, other: Value): boolean => one === other;
const lastOf = (values: readonly Value[]): Value => values.at(-1);

/** Go's own functions, and those of sprig that files like these use. */
export const FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  // https://pkg.go.dev/text/template#hdr-Functions
  and: (...values) => values.find((value) => !isTrue(value)) ?? lastOf(values),
  or: (...values) => values.find((value) => isTrue(value)) ?? lastOf(values),
  not: (value) => !isTrue(value),
  eq: (one, ...others) => others.some((other) => same(one, other)),
  ne: (one, other) => !same(one, other),
  lt: (one, other) => Number(one) < Number(other),
  gt: (one, other) => Number(one) > Number(other),
  len: (value) => (value instanceof Map ? value.size : list(value).length || text(value).length),
  print: (...values) => values.map(text).join(''),
  printf: (format, ...values) => printf(text(format), values),
  index: (value, ...keys) =>
    keys.reduce<Value>(
      (inner, key) => (inner instanceof Map ? inner.get(text(key)) : list(inner)[Number(key)]),
      value,
    ),
  // https://masterminds.github.io/sprig/
  default: (otherwise, value) => (isTrue(value) ? value : otherwise),
  empty: (value) => !isTrue(value),
  coalesce: (...values) => values.find((value) => isTrue(value)),
  ternary: (yes, no, test) => (isTrue(test) ? yes : no),
  quote: (...values) => values.map((value) => JSON.stringify(text(value))).join(' '),
  squote: (...values) => values.map((value) => `'${text(value)}'`).join(' '),
  upper: (value) => text(value).toUpperCase(),
  lower: (value) => text(value).toLowerCase(),
  trim: (value) => text(value).trim(),
  trimSuffix: (end, value) => {
    const whole = text(value);
    return whole.endsWith(text(end)) ? whole.slice(0, whole.length - text(end).length) : whole;
  },
  trimPrefix: (start, value) => {
    const whole = text(value);
    return whole.startsWith(text(start)) ? whole.slice(text(start).length) : whole;
  },
  replace: (old, now, value) => text(value).replaceAll(text(old), () => text(now)),
  contains: (part, value) => text(value).includes(text(part)),
  hasPrefix: (start, value) => text(value).startsWith(text(start)),
  hasSuffix: (end, value) => text(value).endsWith(text(end)),
  indent: (blanks, value) => indented(blanks, value),
  nindent: (blanks, value) => `\n${indented(blanks, value)}`,
  list: (...values) => values,
  join: (by, values) => list(values).map(text).join(text(by)),
  splitList: (by, value) => text(value).split(text(by)),
  has: (value, values) => list(values).some((each) => same(each, value)),
  dict: (...values) =>
    new Map(
      values.flatMap((key, at) => (at % 2 === 0 ? [[text(key), values[at + 1]] as const] : [])),
    ),
  b64enc: (value) => Buffer.from(text(value)).toString('base64'),
  toString: (value: Value) => text(value),
  int: (value) => Math.trunc(Number(value)) || 0,
  add: (...values) => values.reduce<number>((sum, value) => sum + Number(value), 0),
};

const MAX_INDENT = 1000;

function indented(blanks: Value, value: Value): string {
  const by = ' '.repeat(Math.min(Math.max(Number(blanks) || 0, 0), MAX_INDENT));
  return text(value)
    .split('\n')
    .map((line) => by + line)
    .join('\n');
}

function printf(format: string, values: readonly Value[]): string {
  let at = 0;
  return format.replace(/%([svdq%])/g, (_, verb: string) => {
    if (verb === '%') return '%';
    const value = values[at++];
    return verb === 'q' ? JSON.stringify(text(value)) : text(value);
  });
}
