import { isJsonObject, type JsonObject } from '../oci/json.ts';
import type { ConfigDocument, Place } from './config-document.ts';

/** Reads the values of a document, and says with its line what isn't as expected. */
export interface Fields {
  /** A map that has no keys but these. */
  map(place: Place, value: unknown, keys: readonly string[]): JsonObject;
  text(place: Place, value: unknown): string;
  /** Undefined stays; an empty text doesn't. */
  optional(place: Place, value: unknown): string | undefined;
  /** One text or several. */
  texts(place: Place, value: unknown): readonly string[];
  /** Names and their texts. */
  table(place: Place, value: unknown): Readonly<Record<string, string>>;
  /** A list of maps. */
  list<T>(place: Place, value: unknown, read: (place: Place, value: unknown) => T): readonly T[];
  /** An absolute path without `..`. */
  path(place: Place, value: unknown): string;
  /** Paths relative to another one. */
  relativePaths(place: Place, value: unknown): readonly string[];
}

export function fieldsOf({ wrong }: ConfigDocument): Fields {
  const named = (place: Place) => (place.length === 0 ? 'the document' : String(place.at(-1)));
  const expected = (place: Place, what: string, value: unknown) =>
    wrong(place, `${named(place)} should be ${what}, and is ${kindOf(value)}`);

  const text = (place: Place, value: unknown): string => {
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    if (typeof value !== 'string') throw expected(place, 'a text', value);
    if (value.includes('\0')) throw wrong(place, `${named(place)} has a zero byte`);
    return value;
  };
  const texts = (place: Place, value: unknown): readonly string[] => {
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value)) return [text(place, value)];
    return value.map((each, at) => text([...place, at], each));
  };
  const list: Fields['list'] = (place, value, read) => {
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value)) throw expected(place, 'a list', value);
    return value.map((each, at) => read([...place, at], each));
  };
  return {
    map(place, value, keys) {
      if (!isJsonObject(value)) throw expected(place, 'a map', value);
      const unknown = Object.keys(value).find((key) => !keys.includes(key));
      if (unknown === undefined) return value;
      throw wrong(
        [...place, unknown],
        `${JSON.stringify(unknown.slice(0, 100))} is not known here`,
        `expected is one of ${keys.join(', ')}`,
      );
    },
    text,
    texts,
    list,
    optional: (place, value) =>
      value === undefined || value === null ? undefined : text(place, value),
    table(place, value) {
      if (value === undefined || value === null) return {};
      if (!isJsonObject(value)) throw expected(place, 'a map of texts', value);
      return Object.fromEntries(
        Object.entries(value).map(([key, each]) => [key, text([...place, key], each)]),
      );
    },
    path(place, value) {
      const path = text(place, value);
      const isSafe = path.startsWith('/') && !path.split('/').includes('..');
      if (!isSafe) throw wrong(place, `${named(place)} should be an absolute path without ..`);
      return path === '/' ? path : path.replace(/\/+/g, '/').replace(/\/$/, '');
    },
    relativePaths(place, value) {
      return texts(place, value).map((path) => {
        if (!path.startsWith('/') && !path.split('/').includes('..')) return path;
        throw wrong(place, `${named(place)} should be paths relative to add, without ..`);
      });
    },
  };
}

function kindOf(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  return isJsonObject(value) ? 'a map' : `a ${typeof value}`;
}
