import { hostname } from 'node:os';
import { sameOrigin } from '../http/origin.ts';
import { isJsonObject } from '../oci/json.ts';
import type { Hints } from './hints.ts';

/** What tells one upload from another. */
export interface UploadKey {
  /** the registry's own URL: only sessions there are remembered */
  readonly origin: URL;
  readonly account: string;
  readonly repository: string;
  readonly digest: string;
}

/**
 * Upload sessions that a later run can go on with. A Location lets whoever has it write into the
 * upload: it is kept in the hints' private file for an hour and shown nowhere.
 */
export interface UploadSessions {
  /** Takes the session of a run that has ended; whoever takes it has it alone. */
  take(key: UploadKey): URL | undefined;
  /** Remembers the newest Location. False if it is one that isn't kept. */
  keep(key: UploadKey, location: URL): boolean;
  forget(key: UploadKey): void;
  /** This process is done with the session; another, or a later push of this one, may take it. */
  release(key: UploadKey): void;
}

const TABLE = 'upload-sessions';
const LIFE_MS = 3_600_000;
const MACHINE = hostname();
/** Sessions that this process is using. */
const inUse = new Set<string>();

/** Sessions that are kept in `hints`, or nowhere. */
export function createUploadSessions(hints: Hints | undefined): UploadSessions {
  return {
    take(key) {
      const name = nameOf(key);
      const value = hints?.get(TABLE, name);
      if (!isJsonObject(value)) return undefined;
      const { location, savedAtMs, pid, machine } = value;
      if (typeof location !== 'string' || typeof pid !== 'number') return undefined;
      // Two at one session would spoil each other's upload.
      if (machine === MACHINE && (pid === process.pid ? inUse.has(name) : isAlive(pid))) {
        return undefined;
      }
      hints?.delete(TABLE, name);
      const ageMs = Date.now() - Number(savedAtMs);
      if (!(ageMs >= 0 && ageMs < LIFE_MS)) return undefined;
      const url = URL.parse(location);
      return url !== null && isKept(url, key) ? url : undefined;
    },
    keep(key, location) {
      if (hints === undefined || !isKept(location, key)) return false;
      const { href } = location;
      const name = nameOf(key);
      inUse.add(name);
      const owner = { pid: process.pid, machine: MACHINE };
      hints.set(TABLE, name, { location: href, savedAtMs: Date.now(), ...owner });
      return true;
    },
    forget(key) {
      hints?.delete(TABLE, nameOf(key));
    },
    release(key) {
      inUse.delete(nameOf(key));
    },
  };
}

/** Nothing that is signed for an object store, and nothing at another host. */
function isKept(location: URL, { origin, repository }: UploadKey): boolean {
  if (!sameOrigin(location, origin) || location.username !== '' || location.password !== '') {
    return false;
  }
  if (!location.pathname.startsWith(`/v2/${repository}/blobs/uploads/`)) return false;
  return [...location.searchParams.keys()].every((name) => name === '_state');
}

function nameOf({ origin, account, repository, digest }: UploadKey): string {
  return [origin.origin, account, repository, digest].join('\n');
}

function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: unknown }).code === 'EPERM';
  }
}
