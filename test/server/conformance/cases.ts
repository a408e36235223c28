import type { TestContext } from 'node:test';
import { type Answer, type Ask, type Rig, sha } from '../rig.ts';

export const REPO = 'conformance/repo1';
export const OTHER_REPO = 'conformance/repo2';

/** Where in the suite of the distribution-spec we are, and what has run so far. */
export interface Case {
  readonly t: TestContext;
  readonly rig: Rig;
  /** as the suite names it, from its top on */
  readonly path: string;
  readonly ran: string[];
}

/** Runs one named case of the suite, or a group of them. */
export async function inside(
  parent: Case,
  name: string,
  work: (child: Case) => Promise<void>,
): Promise<void> {
  const path = `${parent.path}/${name}`;
  parent.ran.push(path);
  await parent.t.test(name, (t) => work({ ...parent, t, path }));
}

/** Asks, and fails unless the status is one of these. */
export async function expectStatus(
  { rig }: Case,
  statuses: number | readonly number[],
  method: string,
  path: string,
  options?: Ask,
): Promise<Answer> {
  const answer = await rig.ask(method, path, options);
  if (![statuses].flat().includes(answer.status)) {
    const said = answer.body.toString('utf8', 0, 500);
    throw new Error(`${method} ${path}: ${answer.status}, not ${statuses}: ${said}`);
  }
  return answer;
}

export function blobPath(digest: string, repository = REPO): string {
  return `/v2/${repository}/blobs/${digest}`;
}

export function manifestPath(reference: string): string {
  return `/v2/${REPO}/manifests/${reference}`;
}

/** A digest of the algorithm that `like` is of. */
export function shaLike(like: string, bytes: Uint8Array): string {
  return sha(bytes, like.split(':')[0]);
}

export function withQuery(location: string, name: string, value: string): string {
  const mark = location.includes('?') ? '&' : '?';
  return `${location}${mark}${name}=${encodeURIComponent(value)}`;
}
