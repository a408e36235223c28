import { existsSync, readFileSync } from 'node:fs';

const FOLDER = new URL('../../../shared/vectors/', import.meta.url);

interface VectorFile {
  readonly sources: readonly {
    readonly repo: string;
    readonly tables: readonly {
      readonly func: string;
      readonly table?: string;
      readonly rows: unknown;
    }[];
  }[];
}

/** Why tests over public tables are skipped, or false where the tables are there. */
export const noVectors = existsSync(FOLDER)
  ? (false as const)
  : 'the public test tables are not beside this checkout';

/**
 * The rows of one table of another project's tests. Rows that need that project's own code to be
 * understood (they hold `{"$go": …}` in one of `fields`) are left out.
 */
export function vectorRows<Row>(
  file: string,
  repo: string,
  func: string,
  options: { readonly table?: string; readonly fields?: readonly (keyof Row & string)[] } = {},
): readonly Row[] {
  const { sources }: VectorFile = JSON.parse(readFileSync(new URL(`${file}.json`, FOLDER), 'utf8'));
  const rows = sources
    .filter((source) => source.repo === repo)
    .flatMap((source) => source.tables)
    .filter((table) => table.func === func)
    .filter(({ table }) => options.table === undefined || table === options.table)
    .flatMap((table) => (Array.isArray(table.rows) ? (table.rows as Row[]) : []));
  const plain = rows.filter((row) => {
    const parts = options.fields === undefined ? [row] : options.fields.map((field) => row[field]);
    return !JSON.stringify(parts).includes('"$go"');
  });
  if (plain.length === 0) throw new Error(`${file}.json has no rows of ${repo} ${func}`);
  return plain;
}
