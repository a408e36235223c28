import { createHmac, randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { compare } from 'bcryptjs';
import { collect, readFileBytes } from '../bytes/stream.ts';
import { SlipwayError } from '../errors.ts';
import { Refusal } from './errors.ts';

/** Says whether the `Authorization` header of a request is that of a known user. */
export type Authenticator = (authorization: string | undefined) => Promise<boolean>;

/** What a request without good credentials is answered with. */
export function unauthorized(): Refusal {
  return new Refusal('UNAUTHORIZED', 'log in to use this registry', {
    headers: { 'www-authenticate': 'Basic realm="slipway", charset="UTF-8"' },
  });
}

const MAX_FILE_BYTES = 1024 * 1024;
/** A cost of 15 is half a minute for each login here, and nobody else is served meanwhile. */
const MAX_COST = 14;
const MAX_REMEMBERED = 1_000;
const MAX_WAITING = 64;
const BCRYPT = /^\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}$/;

/**
 * Reads a password file as `htpasswd -B` makes it. Only bcrypt is accepted: the other kinds can be
 * guessed by the million.
 *
 * @throws SlipwayError `CONFIG_INVALID`
 */
export async function readHtpasswd(path: string): Promise<Authenticator> {
  return authenticator(await readHashes(path));
}

async function readHashes(path: string): Promise<ReadonlyMap<string, string>> {
  const invalid = (problem: string, cause?: unknown) =>
    new SlipwayError('CONFIG_INVALID', `${path} can't be used as a password file: ${problem}`, {
      path,
      hint: 'make it with: htpasswd -B -c FILE USER',
      ...(cause === undefined ? {} : { cause }),
    });
  let text: string;
  try {
    // A pipe would be waited for, for ever.
    if (!(await stat(path)).isFile()) throw new Error('not a file');
    text = (await collect(readFileBytes(path), MAX_FILE_BYTES, path)).toString('utf8');
  } catch (cause) {
    throw invalid('it is not there, not readable, or too long', cause);
  }
  const hashes = new Map<string, string>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const colon = line.indexOf(':');
    const user = line.slice(0, colon);
    const hash = line.slice(colon + 1).trim();
    const cost = BCRYPT.exec(hash)?.[1];
    if (colon < 1) throw invalid(`line ${index + 1} is not USER:HASH`);
    if (cost === undefined) throw invalid(`line ${index + 1} has no bcrypt hash`);
    if (Number(cost) > MAX_COST) throw invalid(`line ${index + 1} has a cost above ${MAX_COST}`);
    if (hashes.has(user)) throw invalid(`line ${index + 1} names a user for the second time`);
    hashes.set(user, hash);
  }
  if (hashes.size === 0) throw invalid('it names no user');
  return hashes;
}

/**
 * Checks Basic credentials against bcrypt hashes. A pair that was right is remembered as a keyed
 * hash, so that only the first request of a client pays for bcrypt.
 */
function authenticator(hashes: ReadonlyMap<string, string>): Authenticator {
  const key = randomBytes(32);
  const remembered = new Set<string>();
  const inHand = new Map<string, Promise<boolean>>();
  // One at a time, and as long a rest after each: bcrypt holds the thread that serves everybody,
  // and a flood of guesses must not starve those who are logged in.
  let queue: Promise<unknown> = Promise.resolve();
  const [anyHash = ''] = hashes.values();

  const check = async (user: string, password: string): Promise<boolean> => {
    const hash = hashes.get(user);
    // An unknown user takes as long as a known one.
    const isRight = await compare(password, hash ?? anyHash);
    return isRight && hash !== undefined;
  };

  return async (authorization) => {
    const pair = basicPair(authorization);
    if (pair === undefined) return false;
    const name = createHmac('sha256', key).update(pair.user).update('\0').update(pair.password);
    const token = name.digest('hex');
    if (remembered.has(token)) return true;
    let checking = inHand.get(token);
    if (checking === undefined) {
      if (inHand.size >= MAX_WAITING) {
        throw new Refusal('TOOMANYREQUESTS', 'too many logins at once', {
          headers: { 'retry-after': '1' },
        });
      }
      const worked = queue.then(async () => {
        const startedMs = performance.now();
        const isKnown = await check(pair.user, pair.password);
        return { isKnown, tookMs: performance.now() - startedMs };
      });
      queue = worked.then(({ tookMs }) => sleep(tookMs, undefined, { ref: false })).catch(() => {});
      checking = worked.then(({ isKnown }) => isKnown);
      inHand.set(token, checking);
      checking.finally(() => inHand.delete(token)).catch(() => {});
    }
    const isRight = await checking;
    if (isRight) {
      if (remembered.size >= MAX_REMEMBERED) remembered.clear();
      remembered.add(token);
    }
    return isRight;
  };
}

function basicPair(
  authorization: string | undefined,
): { readonly user: string; readonly password: string } | undefined {
  const match = /^Basic +([A-Za-z0-9+/=_-]+) *$/i.exec(authorization ?? '');
  if (match === null) return undefined;
  const text = Buffer.from(match[1] ?? '', 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}
