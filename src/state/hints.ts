import { closeSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { sqliteCode } from './exclusive.ts';

/** A value that JSON can hold. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json };

/**
 * Small tables of hints: a lost or stale one costs time, never correctness. No call fails or takes
 * long: a file that is locked, damaged, read-only or missing only costs the hint.
 */
export interface Hints {
  /** The value, or undefined. It was written by somebody, some time: check its shape. */
  get(table: string, key: string): unknown;
  set(table: string, key: string, value: Json): void;
  delete(table: string, key: string): void;
  /** Closes the file; a later call opens it again. */
  close(): void;
}

export interface HintsOptions {
  /** rows that a table keeps, those that were used last; 100,000 if left out */
  readonly rowsPerTable?: number;
}

const FILE = 'state.db';
/** Longest stop of the event loop for a lock that another process has. */
const BUSY_TIMEOUT_MS = 20;
/** After a file was locked or unusable, it is left alone for this long. */
const BACK_OFF_MS = 1000;
const LONGEST_KEY = 2048;
const LONGEST_VALUE = 64 * 1024;
/** How stale the time of last use may be: reading must not mean writing. */
const USED_STEP_MS = 3_600_000;
const TRIM_EVERY_SETS = 256;

/** SQLite's codes for a file that is no database of ours: ERROR (no such table), CORRUPT, NOTADB. */
const DAMAGED = new Set([1, 11, 26]);

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS hints (
    name TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, used INTEGER NOT NULL,
    PRIMARY KEY (name, key)
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS hints_used ON hints (name, used);
`;

interface Opened {
  readonly database: DatabaseSync;
  readonly get: StatementSync;
  readonly set: StatementSync;
  readonly touch: StatementSync;
  readonly remove: StatementSync;
  readonly trim: StatementSync;
}

/**
 * The tables of hints in `dir/state.db` (0600). Nothing is opened or made before the first use.
 *
 * @example
 * const hints = openHints(slipwayHome());
 * hints.set('seen', 'docker.io sha256:…', ['library/debian']);
 */
export function openHints(dir: string, options: HintsOptions = {}): Hints {
  const { rowsPerTable = 100_000 } = options;
  const path = join(dir, FILE);
  let opened: Opened | undefined;
  let silentUntilMs = 0;
  const setsOf = new Map<string, number>();

  const close = () => {
    try {
      opened?.database.close();
    } catch {
      // It is of no more use either way.
    }
    opened = undefined;
  };

  /** Runs `work`; a damaged file is replaced once, any other failure makes us leave it alone. */
  const attempt = <T>(work: (tables: Opened) => T): T | undefined => {
    if (performance.now() < silentUntilMs) return undefined;
    for (let tries = 0; tries < 2; tries++) {
      try {
        opened ??= open(dir, path);
        return work(opened);
      } catch (error) {
        const code = sqliteCode(error);
        if (code === undefined || !DAMAGED.has(code)) break;
        close();
        if (!discard(path)) break;
      }
    }
    silentUntilMs = performance.now() + BACK_OFF_MS;
    return undefined;
  };

  return {
    get(table, key) {
      const row = attempt((tables) => tables.get.get(table, key));
      if (row === undefined) return undefined;
      const now = Date.now();
      if (now - Number(row.used) > USED_STEP_MS) {
        attempt((tables) => tables.touch.run(now, table, key));
      }
      return parse(row.value);
    },
    set(table, key, value) {
      const text = JSON.stringify(value);
      if (key.length > LONGEST_KEY || text === undefined || text.length > LONGEST_VALUE) return;
      const sets = setsOf.get(table) ?? 0;
      setsOf.set(table, sets + 1);
      attempt((tables) => {
        tables.set.run(table, key, text, Date.now());
        if (sets % TRIM_EVERY_SETS === 0) tables.trim.run(table, table, table, rowsPerTable);
      });
    },
    delete(table, key) {
      attempt((tables) => tables.remove.run(table, key));
    },
    close,
  };
}

function open(dir: string, path: string): Opened {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  createPrivately(path);
  const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  try {
    database.exec(SCHEMA);
    return {
      database,
      get: database.prepare('SELECT value, used FROM hints WHERE name = ? AND key = ?'),
      set: database.prepare('INSERT OR REPLACE INTO hints VALUES (?, ?, ?, ?)'),
      touch: database.prepare('UPDATE hints SET used = ? WHERE name = ? AND key = ?'),
      remove: database.prepare('DELETE FROM hints WHERE name = ? AND key = ?'),
      trim: database.prepare(
        `DELETE FROM hints WHERE name = ? AND key IN (
           SELECT key FROM hints WHERE name = ? ORDER BY used LIMIT max(0,
             (SELECT count(*) FROM hints WHERE name = ?) - ?))`,
      ),
    };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** SQLite would make the file with the umask's mode; its journals take the mode of the file. */
function createPrivately(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch {
    // It is there, or SQLite will say why not.
  }
}

function discard(path: string): boolean {
  try {
    for (const ending of ['', '-wal', '-shm', '-journal']) rmSync(path + ending, { force: true });
    return true;
  } catch {
    return false;
  }
}

function parse(value: unknown): unknown {
  try {
    return JSON.parse(String(value));
  } catch {
    return undefined;
  }
}
